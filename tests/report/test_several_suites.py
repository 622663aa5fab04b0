"""A class that descends from several suites has one verdict, which counts all of them."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.plugin.reporting import _findings_of_class
from flowcraft_conformance.report.findings import TargetName
from flowcraft_conformance.suites import ContextSuite, JobSuite, PatchSuite, WorkflowSuite
from flowcraft_conformance.suites.suite import changed_checks, suites_of


class _Both(ContextSuite, PatchSuite):
    test_the_later_operation_on_a_key_wins = None  # type: ignore[assignment]


class _Adapter(WorkflowSuite, JobSuite):
    pass


def _addresses(cls: type[ContextSuite | WorkflowSuite]) -> str:
    return " ".join(f"{suite.__module__}:{suite.__qualname__}" for suite in suites_of(cls))


def test_the_clauses_of_all_its_suites_are_judged() -> None:
    both = _findings_of_class(TargetName(Target.CONTEXT, "test_mine.py::TestBoth", _addresses(_Both)))
    assert {clause.group for clause in both.clauses} == {"CTX", "PATCH"}
    adapter = _findings_of_class(TargetName(Target.ADAPTER, "test_mine.py::TestMine", _addresses(_Adapter)))
    assert {"JOB", "FLOW", "DLV", "RESULT"} <= {clause.group for clause in adapter.clauses}
    assert all(adapter.required.get(clause.id) for clause in adapter.clauses), "each has a check in one of the two"


def test_what_is_removed_of_any_of_its_suites_is_seen() -> None:
    assert changed_checks(_Both) == {"test_the_later_operation_on_a_key_wins": None}
