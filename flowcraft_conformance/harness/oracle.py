"""How a run may end: the in-process runtime, tried in every order in which its nodes can start and complete."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.keys import (
    BLUEPRINT_ID,
    BLUEPRINT_VERSION,
    CONTEXT_KEY_LIMIT,
    OUTPUTS_PREFIX,
    short_context_key,
)
from flowcraft_conformance.contract.options import RuntimeOptions
from flowcraft_conformance.contract.protocols import NodeFunction
from flowcraft_conformance.harness.nodes import CLOCK
from flowcraft_conformance.runtime.execution import Executed, stop
from flowcraft_conformance.runtime.flow import Answers, FlowRun

Registry = Mapping[str, NodeFunction]

_IDLE_TURNS = 8
"""Turns of the loop after which whoever is still at it is asleep."""
_MOST_IDLE_ROUNDS = 2_000
"""Rounds with nobody asleep on the clock after which a node waits for something that never comes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run, as FLOW-ORACLE-01 compares it.

    ``state`` holds the outputs and the context without the runtime's own keys; of a failed run only ``failed`` counts.
    """

    status: str
    state: Mapping[str, Any]
    failed: str | None = None
    waiting: tuple[str, ...] = ()

    @property
    def outputs(self) -> dict[str, Any]:
        """Output by node id."""
        return {
            key.removeprefix(OUTPUTS_PREFIX): value
            for key, value in self.state.items()
            if key.startswith(OUTPUTS_PREFIX)
        }

    @property
    def identity(self) -> str:
        """Equal for outcomes that are the same."""
        state = {} if self.status == "failed" else comparable(self.state)
        return json.dumps([self.status, state, self.failed, sorted(self.waiting)], sort_keys=True)


def comparable(state: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a state that every right runtime agrees on; a key that is too long stands as it is shortened."""
    return {
        short_context_key(key) if len(key.encode(errors="surrogatepass")) > CONTEXT_KEY_LIMIT else key: value
        for key, value in state.items()
        if (not key.startswith("_") or key.startswith(OUTPUTS_PREFIX)) and key not in (BLUEPRINT_ID, BLUEPRINT_VERSION)
    }


@dataclass(frozen=True, slots=True)
class PossibleOutcomes:
    """The outcomes found; ``complete``: there are no others."""

    outcomes: tuple[Outcome, ...]
    complete: bool

    def allow(self, outcome: Outcome) -> bool:
        """Whether the outcome is one of them."""
        return any(outcome.identity == allowed.identity for allowed in self.outcomes)


async def possible_outcomes(
    blueprint: WorkflowBlueprint,
    registry: Callable[[], Registry],
    initial_context: Mapping[str, Any] | None = None,
    *,
    answers: Answers | None = None,
    most_runs: int = 400,
    overlapping: bool = False,
    seed: int = 0,
) -> PossibleOutcomes:
    """Every outcome over the orders of completion; ``registry`` is called for each run, as nodes may count.

    ``overlapping``: nodes may also start before others complete, which counts where they read each other's context
    keys. Beyond ``most_runs`` orders, as many again are drawn at random, and the result is not complete.

    Raises:
        BlueprintError: the blueprint cannot be run.
        RuntimeError: a node waits for something else than the clock, without end.
    """
    found: dict[str, Outcome] = {}

    async def once(choose: _Chooser) -> None:
        outcome = await _one_order(blueprint, registry(), initial_context or {}, answers or {}, choose, overlapping)
        found.setdefault(outcome.identity, outcome)

    chooser: _Chooser | None = _Chooser([])
    for _ in range(most_runs):
        assert chooser is not None
        await once(chooser)
        chooser = chooser.following()
        if chooser is None:
            return PossibleOutcomes(tuple(found.values()), complete=True)
    dice = random.Random(seed)
    for _ in range(most_runs):
        await once(_Chooser([], dice))
    return PossibleOutcomes(tuple(found.values()), complete=False)


async def only_outcome(blueprint: WorkflowBlueprint, registry: Callable[[], Registry]) -> PossibleOutcomes:
    """The outcome of a blueprint that has just one, whatever the order: tried in one order."""
    outcome = await _one_order(blueprint, registry(), {}, {}, _Chooser([]), overlapping=False)
    return PossibleOutcomes((outcome,), complete=True)


class _Chooser:
    """Draws among so many ways: along a given path, then the first way, or at random."""

    def __init__(self, path: list[int], dice: random.Random | None = None) -> None:
        self._path = path
        self._dice = dice
        self._taken: list[tuple[int, int]] = []

    def __call__(self, ways: int) -> int:
        choice = 0
        if len(self._taken) < len(self._path):
            choice = self._path[len(self._taken)]
        elif self._dice is not None:
            choice = self._dice.randrange(ways)
        self._taken.append((choice, ways))
        return choice

    def following(self) -> _Chooser | None:
        """The next path in order, or None after the last."""
        path = list(self._taken)
        while path:
            choice, ways = path.pop()
            if choice + 1 < ways:
                return _Chooser([*(one for one, _ in path), choice + 1])
        return None


async def _one_order(
    blueprint: WorkflowBlueprint,
    registry: Registry,
    initial: Mapping[str, Any],
    answers: Answers,
    choose: _Chooser,
    overlapping: bool,
) -> Outcome:
    clock = VirtualClock()
    options = RuntimeOptions(registry=registry, clock=clock, dependencies={CLOCK: clock})
    run = FlowRun(blueprint, options, initial, answers)
    executed: dict[str, asyncio.Future[Executed]] = {}
    while True:
        startable = run.startable
        ways = [(True, node) for node in startable] + [(False, node) for node in executed]
        if not ways:
            break
        starts, node = ways[choose(len(ways)) if len(ways) > 1 else 0]
        if starts:
            executed[node] = await _finished(run.execute(node), clock)
        if not starts or not overlapping:
            await run.commit(node, executed.pop(node))
    failed = run.errors[0].node_id if run.errors else None
    return Outcome(run.status, comparable(run.state), failed, tuple(run.waiting))


async def _finished(work: Coroutine[Any, Any, Executed], clock: VirtualClock) -> asyncio.Future[Executed]:
    """The work, done or failed, on virtual time: whoever sleeps is woken once nobody else can go on."""
    task = asyncio.ensure_future(work)
    idle = 0
    while not task.done():
        for _ in range(_IDLE_TURNS):
            await asyncio.sleep(0)
        if not task.done() and not clock.advance_to_next():
            idle += 1
        if idle > _MOST_IDLE_ROUNDS:
            await stop(task)
            raise RuntimeError("a node waits for something else than the clock: nodes of the kit sleep on CLOCK only")
    return task
