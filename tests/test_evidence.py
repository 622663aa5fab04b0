"""What a failure shows of the calls that were made."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.evidence import trace
from reference_adapters.memory import MemoryContext
from tests.mutants.contexts import MutantContext
from tests.support import judge, opened


def _set(run_id: str, at: float) -> CallRecord:
    return CallRecord(0, "set", ("k", 1), at, at + 1, run_id=f"x1-{run_id}")


def test_calls_of_several_runs_name_their_runs() -> None:
    told = trace([_set("a", 0), _set("A", 2)], hide="x1")
    assert "run 'a': set('k', 1)" in told
    assert "run 'A': set('k', 1)" in told


def test_calls_of_one_run_do_not() -> None:
    assert "run" not in trace([_set("a", 0), _set("a", 2)], hide="x1")


def test_a_call_that_the_kit_cancelled_is_told_apart_from_one_that_hangs() -> None:
    hangs = CallRecord(0, "get", ("k",), 0)
    cancelled = CallRecord(1, "get", ("k",), 1, cancelled=True)
    told = trace([hangs, cancelled], hide="x1").splitlines()
    assert [line.split("get('k') ")[1] for line in told if "get('k')" in line] == [
        "never returned",
        "cancelled by the kit",
    ]


class FoldsRunIds(MutantContext):
    """Run ids that differ in case are one run."""

    def __init__(self, run_id: str) -> None:
        MemoryContext.__init__(self, self.backend, run_id.lower())


def test_runs_that_meet_are_both_named() -> None:
    with opened(Target.CONTEXT, FoldsRunIds) as settings:
        verdict, said = judge(Target.CONTEXT, FoldsRunIds, settings, "CTX-ALL-01")
    assert verdict is Verdict.FAIL
    assert "run 'k': set('same', " in said
    assert "run 'K': set('same', " in said
