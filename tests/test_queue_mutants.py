"""Every clause that the job suite checks has broken queues that it catches."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.live import rig
from flowcraft_conformance.harness.live.together import Program, judge_by
from flowcraft_conformance.harness.profile import PROFILES
from flowcraft_conformance.suites import jobs
from flowcraft_conformance.suites.jobs import JobSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.mutants.adapters_queue import QueueMutant, harness_of
from tests.mutants.adapters_queue_delivery import DELIVERY
from tests.mutants.adapters_queue_kept import QUEUES_KEPT
from tests.mutants.adapters_queue_life import LIFE
from tests.mutants.adapters_queue_processes import PROCESSES, ProcessMutant
from tests.mutants.adapters_queue_rarely import QUEUES_RARELY
from tests.mutants.adapters_queue_workers import WORKERS
from tests.support import judge_adapter, opened_adapter

QUEUES = (*DELIVERY, *WORKERS, *LIFE, *QUEUES_KEPT)


@pytest.fixture(autouse=True)
def one_program_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the clause needs is run, and what is missing is missed soon."""

    def alone(bench: AdapterBench, wanted: Program, together: Iterable[Program], clause: str) -> None:
        judge_by(bench, wanted, (), clause)

    monkeypatch.setattr(jobs, "judge_by", alone)
    monkeypatch.setattr(rig, "SLACK_SECONDS", 2.0)


@pytest.mark.parametrize("mutant", [*QUEUES, *QUEUES_RARELY], ids=lambda mutant: f"{mutant.breaks}-{mutant.__name__}")
def test_a_broken_queue_is_caught(mutant: type[QueueMutant]) -> None:
    with opened_adapter(harness_of(mutant), 1, PROFILES[mutant.profile]) as target:
        verdict, said = judge_adapter(target, mutant.breaks, JobSuite)
    assert verdict is Verdict.FAIL, said


@pytest.mark.parametrize("mutant", PROCESSES, ids=lambda mutant: f"{mutant.breaks}-{mutant.__name__}")
def test_what_breaks_between_processes_and_on_a_server_is_caught(mutant: type[ProcessMutant]) -> None:
    with opened_adapter(mutant) as target:
        verdict, said = judge_adapter(target, mutant.breaks, JobSuite)
    assert verdict is Verdict.FAIL, said


def test_every_checked_clause_has_a_mutant() -> None:
    caught = {mutant.breaks for mutant in (*QUEUES, *QUEUES_RARELY)} | {mutant.breaks for mutant in PROCESSES}
    assert caught == set(checks_of(JobSuite).values())
