"""How a run may end: the in-process runtime, tried in every order in which its nodes can start and complete."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.keys import (
    BLUEPRINT_ID,
    BLUEPRINT_VERSION,
    CONTEXT_KEY_LIMIT,
    OUTPUTS_PREFIX,
    output_key,
    short_context_key,
)
from flowcraft_conformance.contract.options import RuntimeOptions
from flowcraft_conformance.contract.payloads import NodeContext
from flowcraft_conformance.contract.protocols import NodeFunction
from flowcraft_conformance.harness.nodes import CLOCK, execution_name
from flowcraft_conformance.runtime.execution import Executed, stop
from flowcraft_conformance.runtime.flow import Answers, FlowRun

Registry = Mapping[str, NodeFunction]

_MOST_STEPS = 300
"""Nodes that a run may start and complete, beside ten for each in its blueprint, before it is taken for endless."""
_IDLE_TURNS = 8
"""Turns of the loop after which whoever is still at it is asleep."""
_MOST_IDLE_ROUNDS = 2_000
"""Rounds with nobody asleep on the clock after which a node waits for something that never comes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run, as FLOW-ORACLE-01 compares it.

    ``state`` holds the outputs and the context without the runtime's own keys; of a failed run only ``failed`` counts:
    the node of the run's own blueprint that it failed at. ``runs``: how often each node was tried, which is no part of
    what is compared.
    """

    status: str
    state: Mapping[str, Any]
    failed: str | None = None
    waiting: tuple[str, ...] = ()
    runs: Mapping[str, int] = field(default_factory=dict)

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

    def most_runs(self, node: str) -> int:
        """How often a node is tried at most."""
        return max((outcome.runs.get(node, 0) for outcome in self.outcomes), default=0)

    def comparable(self, state: Mapping[str, Any], blueprint: WorkflowBlueprint) -> dict[str, Any]:
        """The part of a state that these outcomes say something about.

        What a runtime calls the items of a batch and the nodes of a subflow is its own business.
        """
        known = {output_key(node.id) for node in blueprint.nodes}
        known |= {key for outcome in self.outcomes for key in outcome.state}
        return {
            key: value for key, value in comparable(state).items() if not key.startswith(OUTPUTS_PREFIX) or key in known
        }

    def allow(self, outcome: Outcome) -> bool:
        """Whether the outcome is one of them."""
        return any(outcome.identity == allowed.identity for allowed in self.outcomes)


class EndlessRunError(RuntimeError):
    """A run that does not end, as no workflow that has an outcome does."""


async def possible_outcomes(
    blueprint: WorkflowBlueprint,
    registry: Callable[[], Registry],
    initial_context: Mapping[str, Any] | None = None,
    *,
    blueprints: Sequence[WorkflowBlueprint] = (),
    answers: Answers | None = None,
    most_runs: int = 400,
    overlapping: bool = False,
    seed: int = 0,
) -> PossibleOutcomes:
    """Every outcome over the orders of completion; ``registry`` is called for each run, as nodes may count.

    ``blueprints``: those that its subflows name.

    ``overlapping``: nodes may also start before others complete, which counts where they read each other's context
    keys. Beyond ``most_runs`` orders, as many again are drawn at random, and the result is not complete.

    Raises:
        BlueprintError: the blueprint cannot be run.
        EndlessRunError: a loop of it does not end.
        RuntimeError: a node waits for something else than the clock, without end.
    """
    found: dict[str, Outcome] = {}

    async def once(choose: _Chooser) -> None:
        run = _Run(blueprint, blueprints, registry(), initial_context or {}, answers or {})
        outcome = await run.one_order(choose, overlapping)
        same = found.get(outcome.identity, outcome)
        runs = {name: max(times, same.runs.get(name, 0)) for name, times in outcome.runs.items()}
        found[outcome.identity] = replace(same, runs={**same.runs, **runs})

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


async def only_outcome(
    blueprint: WorkflowBlueprint,
    registry: Callable[[], Registry],
    *,
    blueprints: Sequence[WorkflowBlueprint] = (),
) -> PossibleOutcomes:
    """The outcome of a blueprint that has just one, whatever the order: tried in one order."""
    outcome = await _Run(blueprint, blueprints, registry(), {}, {}).one_order(_Chooser([]), overlapping=False)
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


class _Run:
    """One run in this process, on virtual time; how often each node is tried is counted."""

    def __init__(
        self,
        blueprint: WorkflowBlueprint,
        blueprints: Sequence[WorkflowBlueprint],
        registry: Registry,
        initial: Mapping[str, Any],
        answers: Answers,
    ) -> None:
        self._clock = VirtualClock()
        self._size = len(blueprint.nodes)
        self._runs: Counter[str] = Counter()
        options = RuntimeOptions(
            registry={uses: self._counted(uses, function) for uses, function in registry.items()},
            blueprints={one.id: one for one in blueprints},
            clock=self._clock,
            dependencies={CLOCK: self._clock},
        )
        self._run = FlowRun(blueprint, options, initial, answers)

    async def one_order(self, choose: _Chooser, overlapping: bool) -> Outcome:
        """The outcome where whoever starts or completes next is chosen."""
        run = self._run
        left = _MOST_STEPS + 10 * self._size
        executed: dict[str, asyncio.Future[Executed]] = {}
        while True:
            startable = run.startable
            ways = [(True, node) for node in startable] + [(False, node) for node in executed]
            if not ways:
                break
            left -= 1
            if left < 0:
                raise EndlessRunError("the run goes on and on: a loop of it does not end")
            starts, node = ways[choose(len(ways)) if len(ways) > 1 else 0]
            if starts:
                executed[node] = await _finished(run.execute(node), self._clock)
            if not starts or not overlapping:
                await run.commit(node, executed.pop(node))
        failed = run.failed_at[0] if run.failed_at else None
        return Outcome(run.status, comparable(run.state), failed, tuple(run.waiting), dict(self._runs))

    def _counted(self, uses: str, function: NodeFunction) -> NodeFunction:
        async def counted(given: NodeContext) -> Any:
            self._runs[execution_name(uses, given)] += 1
            return await function(given)

        return counted


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
