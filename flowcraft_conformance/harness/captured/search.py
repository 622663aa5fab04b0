"""From a scenario to plans, from plans to the smallest one that breaks a rule."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flowcraft_conformance.contract.keys import BLUEPRINT_ID
from flowcraft_conformance.contract.payloads import DeleteOp
from flowcraft_conformance.contract.protocols import ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.captured.judging import Problem, Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.oracle import PossibleOutcomes, possible_outcomes

_ORDERS = 60
_MOST_SHRINKING = 150


@dataclass(slots=True)
class SearchResult:
    """How many distinct plans were run, how many of each kind, and the smallest problem found."""

    plans: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    problem: Problem | None = None
    stacks: set[tuple[str, int]] = field(default_factory=set)
    calls: int = 0
    """Calls of the run that nothing happened to."""


class Captured:
    """Runs plans of scenarios on one harness."""

    def __init__(self, harness: AdapterHarness, prefix: str = "run") -> None:
        self.harness = harness
        self._prefix = prefix
        self._count = 0
        self._store: ICoordinationStore | None = None

    async def world(self, scenario: Scenario, plan: Plan | None = None) -> World:
        """A world with a fresh run id."""
        self._count += 1
        if self._store is None:
            self._store = await self.harness.create_store()
        return World(self.harness, self._store, scenario, plan or Plan(), f"{self._prefix}-{self._count}")

    async def run_plan(self, scenario: Scenario, plan: Plan) -> Trace:
        """Run one plan on a fresh run id, and remove the run afterwards."""
        world = await self.world(scenario, plan)
        error: BaseException | None = None
        try:
            await world.run()
        except Exception as raised:
            error = raised
        state = await self.clean(world)
        return Trace(
            scenario, plan, world.run_id, world.calls, world.deliveries, world.executions, world.results,
            world.enqueued, world.happened, world.events, world.choices, state, world.crashed_stacks, world.versions,
            world.hangs, world.disturbed, error,
        )  # fmt: skip

    async def clean(self, world: World) -> dict[str, object]:
        """Remove a run from the target; its last state."""
        context = world.open_context()
        state = dict(await context.to_dict())
        gone = [DeleteOp(key) for key in state if key != BLUEPRINT_ID]
        for first in range(0, len(gone), 20):
            await context.patch(gone[first : first + 20])
        await context.delete(BLUEPRINT_ID)
        await world.delete_keys()
        await world.disconnect()
        return state

    async def search(
        self,
        scenario: Scenario,
        *,
        seconds: float,
        most_plans: int = 1_000_000,
        kinds: Sequence[Kind] = tuple(Kind),
        orders: bool = True,
        allowed: PossibleOutcomes | None = None,
        seed: int = 0,
        also: Callable[[Trace], str | None] | None = None,
    ) -> SearchResult:
        """Try single events at every call, orders of delivery, then pairs at random; end at the first problem.

        The problem is made smaller before it is returned. ``also``: one rule more than :func:`judge` has.
        """
        expected = allowed or await possible_outcomes(scenario.blueprint, scenario.registry, scenario.initial_context)
        result = SearchResult()
        started = time.monotonic()
        base = await self.run_plan(scenario, Plan())
        result.calls = len(base.calls)
        for plan in _plans(base, kinds, orders, random.Random(seed)):
            if result.plans >= most_plans or time.monotonic() - started > seconds:
                break
            trace = base if plan == Plan() else await self.run_plan(scenario, plan)
            result.plans += 1
            kind = "+".join(event.kind.name.lower() for event in plan.events) or ("order" if plan.order else "plain")
            result.by_kind[kind] = result.by_kind.get(kind, 0) + 1
            for stack in trace.stacks:
                result.stacks.update(stack)
            problem = judge(trace, expected, also)
            if problem is not None:
                result.problem = await self._smaller(problem, expected, also)
                break
        return result

    async def _smaller(
        self, problem: Problem, allowed: PossibleOutcomes, also: Callable[[Trace], str | None] | None
    ) -> Problem:
        """The same rule broken by less: fewer events, a plainer order, earlier calls."""
        tries = 0
        improved = True
        while improved and tries < _MOST_SHRINKING:
            improved = False
            for plan in _simpler(problem.trace.plan):
                tries += 1
                found = judge(await self.run_plan(problem.trace.scenario, plan), allowed, also)
                if found is not None and found.rule == problem.rule:
                    problem, improved = found, True
                    break
                if tries >= _MOST_SHRINKING:
                    break
        return problem


def _plans(base: Trace, kinds: Sequence[Kind], orders: bool, dice: random.Random) -> Iterator[Plan]:
    """Distinct plans, the simplest first; without end."""
    seen: set[Plan] = set()
    for plan in _all_plans(base, kinds, orders, dice):
        if plan not in seen:
            seen.add(plan)
            yield plan


def _all_plans(base: Trace, kinds: Sequence[Kind], orders: bool, dice: random.Random) -> Iterator[Plan]:
    yield Plan()
    events = list(_single_events(base, kinds))
    for event in events:
        yield Plan((event,))
    many = [index for index, ways in enumerate(base.choices) if ways > 1] if orders else []
    for _ in range(_ORDERS if many else 0):
        yield Plan(order=_random_order(base, dice))
    misses = 0
    while events and misses < 1000:
        first = dice.choice(events)
        others = [dice.choice(events)] if dice.random() < 0.7 else []
        order = _random_order(base, dice) if many and dice.random() < 0.5 else ()
        chosen = tuple(sorted({first, *(_moved(event, base, dice) for event in others)}, key=str))
        misses += 1
        yield Plan(chosen, order)
        misses = 0


def _single_events(base: Trace, kinds: Sequence[Kind]) -> Iterator[Event]:
    """Every single event at every call of the plain run."""
    deliveries = len(base.deliveries)
    for call in base.calls:
        for after in (False, True):
            for kind in (Kind.CRASH, Kind.FAIL, Kind.PAUSE):
                if kind in kinds and not (kind is Kind.FAIL and call.part == "node"):  # nodes fail by themselves
                    yield Event(call.number, kind, after)
            if Kind.DUPLICATE in kinds and call.delivery >= 0:
                for what in range(min(call.delivery + 1, deliveries)):
                    yield Event(call.number, Kind.DUPLICATE, after, what)
                for hold in (1, 4, 8):
                    yield Event(call.number, Kind.DUPLICATE, after, call.delivery, hold)
        if Kind.EXPIRE in kinds:
            for what in range(3):
                yield Event(call.number, Kind.EXPIRE, what=what)


def _moved(event: Event, base: Trace, dice: random.Random) -> Event:
    """The event somewhere else, beyond the plain run too, as another event may make a run longer."""
    return replace(event, at=dice.randrange(len(base.calls) + len(base.calls) // 2 + 1))


def _random_order(base: Trace, dice: random.Random) -> tuple[int, ...]:
    return tuple(dice.randrange(4) for _ in range(len(base.choices) + 2))


def _simpler(plan: Plan) -> Iterator[Plan]:
    for number in range(len(plan.events)):
        yield replace(plan, events=plan.events[:number] + plan.events[number + 1 :])
    if plan.order:
        yield replace(plan, order=())
        yield replace(plan, order=plan.order[: len(plan.order) // 2])
        for number, choice in enumerate(plan.order):
            if choice:
                yield replace(plan, order=(*plan.order[:number], 0, *plan.order[number + 1 :]))
    for number, event in enumerate(plan.events):
        for at in sorted({event.at // 2, event.at - 1} - {event.at, -1}):
            moved = replace(event, at=at)
            yield replace(plan, events=(*plan.events[:number], moved, *plan.events[number + 1 :]))
