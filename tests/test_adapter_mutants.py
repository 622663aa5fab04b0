"""Every clause that the workflow suite checks has broken adapters that it catches, and accuses no right one."""

from __future__ import annotations

import copy

import pytest

from flowcraft_conformance.checking.blueprints import EXAMPLES
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.suites import workflow_rules
from flowcraft_conformance.suites.suite import checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite
from tests.mutants.adapter_parts import PartedAdapter
from tests.mutants.adapters import PLANTED, QueuelessAdapter, harness_of
from tests.mutants.adapters_clients import CLIENTS
from tests.mutants.adapters_delivery import REDELIVERED, CountsAgainAfterItWasDone
from tests.mutants.adapters_dynamic import DYNAMICS
from tests.mutants.adapters_joins import JOINS
from tests.mutants.adapters_memory import MEMORY
from tests.mutants.adapters_rarely import RARELY, FallbackHasNoOutput
from tests.mutants.adapters_rules import RULES
from tests.mutants.adapters_surface import SURFACE
from tests.support import PATIENT, UNHURRIED, judge_adapter, opened_adapter

MUTANTS = (*PLANTED, *RULES, *JOINS, *CLIENTS, *DYNAMICS, *SURFACE, *REDELIVERED, *RARELY, *MEMORY)
CLAUSES = sorted(set(checks_of(WorkflowSuite).values()))


@pytest.fixture(autouse=True)
def own_blueprints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some mutants spoil the blueprints they run: no other test is to see it."""
    monkeypatch.setattr("flowcraft_conformance.suites.workflow_graphs.EXAMPLES", copy.deepcopy(EXAMPLES))
    monkeypatch.setattr(workflow_rules, "_RETRIES", copy.deepcopy(workflow_rules._RETRIES))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.breaks}-{mutant.__name__}")
def test_a_broken_adapter_is_caught(mutant: type[QueuelessAdapter], seed: int) -> None:
    with opened_adapter(harness_of(mutant), seed, UNHURRIED) as target:
        verdict, said = judge_adapter(target, mutant.breaks)
    assert verdict is Verdict.FAIL, said


@pytest.mark.parametrize("clause", ["KEY-01", "FLOW-ORDER-01"])
def test_what_is_wrong_with_plain_ids_and_in_any_order_is_not_told_as_another_mistake(clause: str) -> None:
    with opened_adapter(harness_of(FallbackHasNoOutput), 1) as target:
        verdict, said = judge_adapter(target, clause)
    assert verdict is Verdict.INCONCLUSIVE, said
    assert "see FLOW-ORACLE-01" in said


def test_a_failure_says_that_the_newest_job_comes_first() -> None:
    with opened_adapter(harness_of(CountsAgainAfterItWasDone), 1) as target:
        verdict, said = judge_adapter(target, "DLV-DUP-01")
    assert verdict is Verdict.FAIL
    assert "order:    the newest job is taken first" in said


def test_every_checked_clause_has_a_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS} == set(CLAUSES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clause", CLAUSES)
def test_the_reference_adapter_passes(clause: str, seed: int) -> None:
    with opened_adapter(harness_of(PartedAdapter), seed, PATIENT) as target:
        verdict, said = judge_adapter(target, clause)
    assert verdict is Verdict.PASS, said
