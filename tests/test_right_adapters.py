"""Right adapters, written differently, are never accused by the captured suites."""

from __future__ import annotations

import pytest

from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.suites.suite import checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite
from tests.right.adapters import ADAPTERS, RightHarness
from tests.support import PATIENT, judge_adapter, opened_adapter

CLAUSES = sorted(set(checks_of(WorkflowSuite).values()))


@pytest.mark.parametrize("harness", ADAPTERS, ids=lambda harness: harness.__name__)
def test_a_right_adapter_passes_every_clause(harness: type[RightHarness]) -> None:
    with opened_adapter(harness, profile=PATIENT) as target:
        outcomes = {clause: judge_adapter(target, clause) for clause in CLAUSES}
    assert {clause: said for clause, (verdict, said) in outcomes.items() if verdict is not Verdict.PASS} == {}
