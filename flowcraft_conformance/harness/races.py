"""Races: callers that start together, and the judgement of what they saw."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

from flowcraft_conformance.checking.drawing import DrawnCall, draw_time_line, shorten
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import LinearizabilityVerdict, check_linearizable
from flowcraft_conformance.checking.models import Model
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.bench import Space
from flowcraft_conformance.harness.details import details_of_calls
from flowcraft_conformance.harness.evidence import SEPARATOR

_MOST_STEPS = 2_000_000
_DRAWN = 12


async def start_together(callers: Sequence[Callable[[], Awaitable[Any]]], *, dice: random.Random) -> list[Any]:
    """Start all callers from one gate, in a random order, and return their results in the order given.

    The first exception is raised once every caller has ended.
    """
    gate = asyncio.Event()

    async def one(caller: Callable[[], Awaitable[Any]], pauses: int) -> Any:
        await gate.wait()
        for _ in range(pauses):
            await asyncio.sleep(0)
        return await caller()

    order = list(range(len(callers)))
    dice.shuffle(order)
    tasks = {number: asyncio.ensure_future(one(callers[number], dice.randint(0, 2))) for number in order}
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*[tasks[number] for number in range(len(callers))], return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)


def judge_history(
    space: Space,
    operations: Sequence[Operation],
    model: Model[Any],
    *,
    partition: Callable[[Operation], Hashable] | None = None,
) -> None:
    """The history can be explained by some order of its calls.

    Raises:
        ClauseViolation: it cannot; the calls that cannot be placed are marked.
        Inconclusive: the search was cut off before it could tell.
    """
    result = check_linearizable(operations, model, partition=partition, max_steps=_MOST_STEPS)
    if result.verdict is LinearizabilityVerdict.UNKNOWN:
        raise Inconclusive("the history was too large to be judged within the bound")
    if result.verdict is LinearizabilityVerdict.VIOLATION:
        drawn = _drawn(space, result.failing_operations, result.unplaced)
        raise ClauseViolation(
            f"no order explains what {len({operation.client for operation in operations})} concurrent clients saw",
            draw_time_line(drawn),
            details_of_calls(drawn),
        )


def _drawn(space: Space, operations: Sequence[Operation], unplaced: Sequence[Operation]) -> list[DrawnCall]:
    last = max((operation.end or operation.start for operation in unplaced), default=0.0)
    before = [operation for operation in operations if operation.start <= last]
    shown = sorted(before, key=lambda operation: operation.start)[-_DRAWN:]
    return [
        DrawnCall(
            operation.client,
            str(operation.input).replace(space.name + SEPARATOR, ""),
            "never returned" if operation.end is None else f"-> {shorten(operation.output)}",
            operation.start,
            operation.end,
            marked=operation in unplaced,
        )
        for operation in shown
    ]
