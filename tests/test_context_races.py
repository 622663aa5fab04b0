"""The parts of the checks between processes: what counts as a race, what is half a patch, what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from flowcraft_conformance import SetOp
from flowcraft_conformance.contract.clauses import clause
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Verdict
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.process_races import Round, race_processes
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.harness.workers.pool import WorkerPool
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.results import TargetFindings
from flowcraft_conformance.report.terminal import summary_lines
from flowcraft_conformance.suites.context_processes import overlapping_in_rounds
from flowcraft_conformance.suites.patch_watched import Watched
from flowcraft_conformance.suites.survivors import require_survivors
from tests.right.contexts import SharedMemory
from tests.support import opened


class _Planned:
    """Stands for a pool; the calls of one process start so many seconds after those of the one before."""

    def __init__(self, apart: float, error: Exception | None = None) -> None:
        self.apart = apart
        self.error = error

    def run(self, programs: Sequence[Sequence[Lane]], **_: Any) -> list[CallRecord]:
        return [
            CallRecord(
                lane.client, call.name, call.arguments, 10 * index + self.apart * process, None, None, self.error
            )
            for process, lanes in enumerate(programs)
            for lane in lanes
            for index, call in enumerate(lane.calls)
        ]


class _Ended(_Planned):
    def run(self, programs: Sequence[Sequence[Lane]], **_: Any) -> list[CallRecord]:
        records = super().run(programs)
        for record in records:
            record.end = record.start + 1
        return sorted(records, key=lambda record: record.start)


def _raced(pool: _Planned) -> list[int]:
    """How many calls met in each attempt."""
    met: list[int] = []

    async def judge(_rounds: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
        met.append(overlapping_in_rounds(records))
        return met[-1]

    async def body(space: ContextSpace) -> None:
        call = PlannedCall("set", ("k", 1))
        await race_processes(space, cast(WorkerPool, pool), lambda _: [Round("run", [[call]] * 3)] * 2, judge)

    with opened(Target.CONTEXT, SharedMemory) as settings:
        ContextBench(SharedMemory, settings, "a race").run(body)
    return met


def test_a_race_is_repeated_until_enough_calls_have_met() -> None:
    assert _raced(_Ended(apart=0.5)) == [6, 6]


def test_a_race_in_which_no_calls_meet_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="only 0 calls of the processes met"):
        _raced(_Ended(apart=2))


def test_a_call_that_raises_in_a_race_is_a_violation() -> None:
    with pytest.raises(ClauseViolation, match="set raised KeyError in a race between processes"):
        _raced(_Ended(apart=0.5, error=KeyError("k")))


def test_a_call_that_never_returns_in_a_race_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="set did not return in time"):
        _raced(_Planned(apart=0.5))


def test_what_was_patched_together_is_whole_or_half() -> None:
    watched = Watched(4)
    whole = dict.fromkeys(watched.keys, "new") | dict.fromkeys(
        ["guard.n.1", "out.0.n.1", "out.1.n.1", "out.2.n.1"], "n.1"
    )
    assert watched.half(whole) is None
    assert "'z1' held 'old'" in str(watched.half({**whole, "z1": "old"}))
    for key in ("guard.n.1", "out.1.n.1"):
        without = {name: value for name, value in whole.items() if name != key}
        assert f"{key!r} of the same patch was not" in str(watched.half(without))
    assert watched.half(None) is not None


def test_a_lost_write_is_shown_with_the_call_that_it_met_and_the_look_after_it() -> None:
    def patch(client: int, start: float, end: float) -> CallRecord:
        return CallRecord(client, "patch", ([SetOp(f"k{client}", client)],), start, end)

    calls = [patch(0, 0, 1), patch(1, 0.5, 1.5), patch(2, 50, 51)]
    look = CallRecord(3, "to_dict", (), 100, 101, {"k1": 1, "k2": 2})

    async def body(space: ContextSpace) -> None:
        require_survivors(space, calls, look, {"k0": 0, "k1": 1, "k2": 2}, "clients", "a new run")

    with opened(Target.CONTEXT, SharedMemory) as settings, pytest.raises(ClauseViolation) as violation:
        ContextBench(SharedMemory, settings, "lost").run(body)
    assert violation.value.summary == "1 of 3 values that 3 clients wrote to a new run are lost, first 'k0'"
    lines = violation.value.observed.splitlines()
    assert [line[:3] for line in lines[:3]] == [">c0", " c1", " c3"]
    assert lines[2].endswith("to_dict() -> no 'k0' in it")


def test_what_a_passing_check_has_measured_is_in_the_reports() -> None:
    name = TargetName(Target.CONTEXT, "mine:Context")
    findings = TargetFindings(name, [clause("PATCH-COST-01")], {"PATCH-COST-01": ["test_cost"]})
    findings.add(Finding(name, "PATCH-COST-01", "test_cost", Verdict.PASS, "700 bytes each", "10 KB: 700\n1 MB: 700"))
    result = findings.result({}, strict=False)
    assert result.clauses[0].to_json()["evidence"] == "700 bytes each\n10 KB: 700\n1 MB: 700"
    assert any(line.text.endswith("PATCH-COST-01 pass (SHOULD): 700 bytes each") for line in summary_lines(result))
