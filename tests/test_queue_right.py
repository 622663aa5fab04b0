"""Right queues are never accused, however they are built."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.suites.jobs import JobSuite
from flowcraft_conformance.suites.suite import Suite, checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite
from reference_adapters.memory import MemoryAdapter
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.right.adapters_queue import RIGHT, right_harness
from tests.right.adapters_shapes import HandlesInsideHarness, HandsOnHarness, OneQueueAProcess
from tests.support import PATIENT, judge_adapter, opened_adapter

CLAUSES = sorted(set(checks_of(JobSuite).values()))
NOT_SHARED = {"JOB-CRASH-01", "DLV-CRASH-02"}
"""Harnesses that are made here cannot be made again in another process."""
NO_SERVER = {"JOB-LIFE-03"}
OF_PROCESSES = {"JOB-CONC-01", "DLV-MULTI-01", "DLQ-01"}


@pytest.mark.parametrize("adapter", RIGHT, ids=lambda adapter: adapter.__name__)
def test_a_right_queue_passes(adapter: type[MemoryAdapter]) -> None:
    with opened_adapter(right_harness(adapter), profile=PATIENT) as target:
        outcomes = {clause: judge_adapter(target, clause, JobSuite) for clause in CLAUSES}
    open_ones = NOT_SHARED | NO_SERVER | OF_PROCESSES
    assert {clause: said for clause, (verdict, said) in outcomes.items() if verdict is Verdict.FAIL} == {}
    assert {clause for clause, (verdict, _) in outcomes.items() if verdict is not Verdict.PASS} <= open_ones


def test_a_bare_class_with_one_queue_a_process_is_not_accused() -> None:
    with opened_adapter(OneQueueAProcess) as target:
        outcomes = {clause: judge_adapter(target, clause, JobSuite) for clause in CLAUSES}
    failed = {clause: said for clause, (verdict, said) in outcomes.items() if verdict is Verdict.FAIL}
    passed = {clause for clause, (verdict, _) in outcomes.items() if verdict is Verdict.PASS}
    assert failed == {}
    assert {"JOB-RT-01", "JOB-LOSS-01", "JOB-NACK-01", "JOB-CONC-01", "JOB-LIFE-02"} <= passed


@pytest.mark.parametrize(("suite", "clause"), [(JobSuite, "JOB-RT-01"), (WorkflowSuite, "FLOW-ORACLE-01")])
def test_an_adapter_that_the_kit_cannot_see_into_is_told_so(suite: type[Suite], clause: str) -> None:
    with opened_adapter(HandsOnHarness) as target:
        verdict, said = judge_adapter(target, clause, suite)
    assert verdict is Verdict.UNTESTED
    assert "called neither create_context nor enqueue_job of the adapter itself" in said


def test_an_adapter_whose_jobs_go_past_its_own_handler_is_told_so() -> None:
    with opened_adapter(HandlesInsideHarness) as target:
        outcomes = {
            clause: judge_adapter(target, clause, JobSuite) for clause in ("JOB-RT-01", "JOB-LOSS-01", "JOB-LIFE-01")
        }
    for verdict, said in outcomes.values():
        assert verdict is Verdict.UNTESTED
        assert "gives jobs to something else than handle_job of the adapter itself" in said


def test_an_adapter_whose_jobs_go_past_its_own_handler_runs_workflows() -> None:
    with opened_adapter(HandlesInsideHarness) as target:
        assert judge_adapter(target, "FLOW-ORACLE-01") == (Verdict.PASS, "")


def test_the_reference_adapter_on_redis_passes_everything() -> None:
    with opened_adapter(RedisBullMQHarness, profile=PATIENT) as target:
        outcomes = {clause: judge_adapter(target, clause, JobSuite) for clause in CLAUSES}
    assert outcomes == dict.fromkeys(CLAUSES, (Verdict.PASS, ""))


def test_a_queue_that_is_reached_past_the_proxy_is_not_said_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faults, "during", lambda *_: nullcontext())
    with opened_adapter(RedisBullMQHarness, profile=PATIENT) as target:
        verdict, said = judge_adapter(target, "JOB-LIFE-03", JobSuite)
    assert verdict is Verdict.INCONCLUSIVE, said
    assert "the queue is reached on another way" in said
