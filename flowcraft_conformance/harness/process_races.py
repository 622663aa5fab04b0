"""Races between worker processes: rounds that start at one moment in all of them, repeated until they overlapped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowcraft_conformance.checking.drawing import draw_time_line
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.bench import Bench, Space
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.evidence import draw
from flowcraft_conformance.harness.workers.pool import Signal, WorkerPool
from flowcraft_conformance.harness.workers.process import WorkerError
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall

_ROUND_SECONDS = 0.01
"""From the start of one round to that of the next: a few calls of a server that is near."""
_ATTEMPTS = 5
_ENOUGH = 8
"""Calls that met one of another process: with fewer it is raced again."""
_CULPRITS = 2
"""Calls of others that are shown beside the one that went wrong."""


@dataclass(frozen=True, slots=True)
class Round:
    """What each process does at one appointed moment, with the state of one run: its calls, one after the other."""

    run: str
    calls: Sequence[Sequence[PlannedCall]]


async def run_processes(
    bench: Bench[Any], pool: WorkerPool, programs: Sequence[Sequence[Lane]], signals: Iterable[Signal] = ()
) -> list[CallRecord]:
    """The calls of programs that run in processes side by side.

    Raises:
        Inconclusive: a process could not be started, ended by itself or did not finish in time.
    """
    within = bench.settings.profile.check_seconds / 2
    try:
        return await asyncio.to_thread(
            lambda: pool.run(programs, call_seconds=bench.call_seconds, within=within, signals=signals)
        )
    except WorkerError as error:
        raise Inconclusive(str(error)) from None


async def race_processes(
    space: Space,
    pool: WorkerPool,
    rounds: Callable[[int], Sequence[Round]],
    judge: Callable[[Sequence[Round], Sequence[list[CallRecord]]], Awaitable[int]],
) -> None:
    """Run rounds and judge the calls of each, until enough of them met a call of another process.

    ``rounds`` is given the number of the attempt. ``judge`` is given the rounds and the calls of each, the client being
    the number of the process; it returns how many of them met one of another process.

    Raises:
        ClauseViolation: ``judge`` said so, or a call raised.
        Inconclusive: too few of the calls met, a call did not return, or a process could not be used.
    """
    met = 0
    for attempt in range(_ATTEMPTS):
        planned = rounds(attempt)
        records = await _run(space, pool, planned)
        for calls in records:
            _require_answers(space, calls)
        met += await judge(planned, records)
        if met >= _ENOUGH:
            return
    raise Inconclusive(f"only {met} calls of the processes met in {_ATTEMPTS} attempts: there was no race")


def show_race(space: Space, wrong: CallRecord, records: Iterable[CallRecord], *after: CallRecord) -> str:
    """A call, the calls of others nearest to it that it met, and what was seen ``after`` them, as bars on a time line.

    What came after is moved up to them, so that one still sees how they overlapped.
    """
    others = [record for record in records if record.client != wrong.client and record.end is not None]
    nearest = sorted(others, key=lambda record: _apart(record, wrong))
    met = [record for record in nearest if _apart(record, wrong) <= 0] or nearest[:1]
    shown = [wrong, *met[:_CULPRITS]]
    last = max(record.end if record.end is not None else record.start for record in shown)
    first = min(record.start for record in shown)
    moved = [replace(one, start=last + (last - first) / 10, end=last + (last - first) / 5) for one in after]
    return draw_time_line([draw(record, space.name, marked=record is wrong) for record in [*shown, *moved]])


def _apart(one: CallRecord, other: CallRecord) -> float:
    """Seconds between two calls; less than 0, the more they overlap."""
    return max(one.start, other.start) - min(_end(one), _end(other))


def _end(record: CallRecord) -> float:
    return record.start if record.end is None else record.end


async def _run(space: Space, pool: WorkerPool, rounds: Sequence[Round]) -> list[list[CallRecord]]:
    """The calls of each round."""
    processes = len(rounds[0].calls)
    runs = list(dict.fromkeys(each.run for each in rounds))
    lanes = {
        (process, number): Lane(process + processes * number, [], (run,))
        for process in range(processes)
        for number, run in enumerate(runs)
    }
    round_of: dict[int, list[int]] = {lane.client: [] for lane in lanes.values()}
    for index, each in enumerate(rounds):
        for process, calls in enumerate(each.calls):
            key = process, runs.index(each.run)
            timed = [replace(call, at=index * _ROUND_SECONDS) if not n else call for n, call in enumerate(calls)]
            lanes[key] = replace(lanes[key], calls=[*lanes[key].calls, *timed])
            round_of[lanes[key].client] += [index] * len(calls)
    programs = [[lane for (one, _), lane in lanes.items() if one == process] for process in range(processes)]
    found: list[list[CallRecord]] = [[] for _ in rounds]
    for record in await run_processes(space.bench, pool, programs):
        index = round_of[record.client].pop(0)  # a client makes its calls one after the other
        found[index].append(replace(record, client=record.client % processes))
    return found


def _require_answers(space: Space, records: Sequence[CallRecord]) -> None:
    for record in records:
        if record.error is not None:
            raise ClauseViolation(
                f"{record.name} raised {type(record.error).__name__} in a race between processes: {record.error}",
                show_race(space, record, records),
            )
        if record.end is None:
            raise Inconclusive(f"{record.name} did not return in time, in a race between processes")
