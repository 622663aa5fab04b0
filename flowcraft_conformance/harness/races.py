"""Races: callers that start together, and the judgement of what they saw."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

from flowcraft_conformance.checking.contradiction import Contradiction, smallest_contradiction
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
        contradiction = smallest_contradiction(result.failing_operations, model)
        clients = len({operation.client for operation in operations})
        drawn = _drawn(space, contradiction)
        raise ClauseViolation(
            f"{clients} concurrent clients saw what no order of their calls explains",
            f"{_said(contradiction)}:\n{draw_time_line(drawn)}",
            details_of_calls(drawn),
        )


def _said(contradiction: Contradiction) -> str:
    calls, others = contradiction.calls, contradiction.others
    said = "The marked call cannot have" if len(calls) == 1 else f"The {len(calls)} marked calls cannot all have"
    said += " returned what is drawn"
    if others:
        said += (
            f", whether or not the other {len(others)} took effect"
            if len(others) > 1
            else ", with or without the other"
        )
    return said + ("" if len(calls) <= _DRAWN else f" (the last {_DRAWN} are drawn)")


def _drawn(space: Space, contradiction: Contradiction) -> list[DrawnCall]:
    """The calls that contradict each other, marked, with the others beside them where these are few."""
    calls, others = contradiction.calls, contradiction.others
    shown = list(calls[-_DRAWN:])
    if len(calls) + len(others) <= _DRAWN:
        shown += others
    return [_drawn_call(space, one, marked=one in calls) for one in shown]


def _drawn_call(space: Space, operation: Operation, *, marked: bool) -> DrawnCall:
    outcome = "never returned" if operation.end is None else f"-> {shorten(operation.output)}"
    text = str(operation.input).replace(space.name + SEPARATOR, "")
    return DrawnCall(operation.client, text, outcome, operation.start, operation.end, marked)
