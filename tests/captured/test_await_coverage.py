"""Every await of the reference runtime is a place where a worker was killed, and no run came to harm by it."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowcraft_conformance import runtime
from flowcraft_conformance.harness.captured.await_coverage import Await, await_coverage, awaits_of, coverage_report
from flowcraft_conformance.harness.captured.judging import Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.oracle import possible_outcomes
from tests.captured.reach import REACH, Reach
from tests.mutants.adapters import harness_of

_NO_PLACE_OF_DEATH = {
    "flow.py": "the in-process runtime has no workers",
    "in_flight.py": "around a job as the adapter's own queue delivers it; what it awaits is the job",
    "BaseDistributedAdapter.start": "the adapter's own queue",
    "BaseDistributedAdapter.close": "the adapter's own queue",
    "BaseDistributedAdapter.__aenter__": "the adapter's own queue",
    "BaseDistributedAdapter.__aexit__": "the adapter's own queue",
    "stop(": "waits for a task of this process; no call is under way",
    "ScopedContext.set": "what a node writes is kept in memory until the commit",
    "ScopedContext.delete": "the same",
    "ScopedContext.patch": "the same",
    "state.set(": "a change that is kept in memory until the commit",
    "_ShortKeys.delete": "part of the interface; the runtime deletes by patches only",
    "no_longer_waiting(": "a change that is kept in memory until the commit",
}
"""File, function or text of an await -> why a captured run cannot kill a worker there."""


def _excused(one: Await) -> bool:
    names = (Path(one.file).name, one.function)
    return any(key in names or key in one.text or key == f"{one.function}(" for key in _NO_PLACE_OF_DEATH)


def _crashes(trace: Trace, first: tuple[Event, ...] = ()) -> Iterator[Plan]:
    """The worker dies at every call, before it is applied and after."""
    after = max((event.at for event in first), default=-1)
    for call in trace.calls:
        if call.number > after:
            for applied in (False, True):
                yield Plan((*first, Event(call.number, Kind.CRASH, applied)))


def _first_blows(plain: Trace) -> Iterator[Event]:
    """Who wakes up too late finds that another has decided; who is killed at the end, or fails, leaves it half told."""
    for call in plain.calls:
        if call.name == "publish_final_result":
            yield Event(call.number, Kind.FAIL)
        if call.name == "patch_if_absent" and call.delivery >= 0:
            yield Event(call.number, Kind.PAUSE)
            if call.about == "_status":
                yield Event(call.number, Kind.CRASH, after=True)


async def _kill_everywhere(reach: Reach) -> tuple[set[tuple[str, int]], int]:
    scenario = reach.scenario
    allowed = reach.allowed or await possible_outcomes(
        scenario.blueprint,
        scenario.registry,
        scenario.initial_context,
        blueprints=scenario.blueprints,
        answers=reach.answers or {},
    )
    captured = Captured(harness_of(reach.adapter)("reach"))
    plain = await captured.run_plan(scenario, Plan())
    plans = [*_crashes(plain)]
    for first in _first_blows(plain) if reach.twice else ():
        plans += _crashes(await captured.run_plan(scenario, Plan((first,))), (first,))
    places: set[tuple[str, int]] = set()
    for plan in plans:
        trace = await captured.run_plan(scenario, plan)
        problem = judge(trace, allowed)
        assert problem is None, f"{reach.name}: {plan.encode()}: {problem}"
        for stack in trace.stacks:
            places.update(stack)
    return places, len(plans)


def test_a_worker_can_be_killed_at_every_await_of_the_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    places: set[tuple[str, int]] = set()
    plans = 0
    for reach in REACH:
        more, count = asyncio.run(_kill_everywhere(reach))
        places |= more
        plans += count
    coverage = await_coverage(runtime, places)
    with capsys.disabled():
        print(f"\n{plans} kills\n{coverage_report(runtime, places)}", file=sys.stderr)
    missed = [str(one) for one in coverage.uncovered if not _excused(one)]
    assert not missed, "no worker was killed at these: reach them in reach.py, or say why not: " + "; ".join(missed)


def _module(folder: Path, source: str) -> types.ModuleType:
    file = folder / "some.py"
    file.write_text(source, encoding="utf-8")
    module = types.ModuleType("some")
    module.__file__ = str(file)
    return module


def test_awaits_are_found_with_the_function_around_them(tmp_path: Path) -> None:
    module = _module(tmp_path, "class A:\n    async def b(self):\n        return [await x for x in await y(\n 1)]\n")
    assert [(one.line, one.function) for one in awaits_of(module)] == [(3, "A.b")]


def test_an_await_that_nobody_was_killed_at_is_told(tmp_path: Path) -> None:
    module = _module(tmp_path, "async def a():\n    await b()\n    await c()\n")
    coverage = await_coverage(module, [(str(module.__file__), 2)])
    assert [one.text for one in coverage.uncovered] == ["await c()"]
    assert coverage.share == 0.5
    assert "never: line 3 in a: await c()" in str(coverage)


def test_a_module_without_source_is_refused() -> None:
    with pytest.raises(ValueError, match="no source files"):
        awaits_of(types.ModuleType("nowhere"))
