"""From a scenario to plans, from plans to the smallest one that breaks a rule."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from flowcraft_conformance.contract.keys import BLUEPRINT_ID
from flowcraft_conformance.contract.payloads import DeleteOp
from flowcraft_conformance.contract.protocols import IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.captured.events import single_events
from flowcraft_conformance.harness.captured.judging import Also, Problem, Trace, judge
from flowcraft_conformance.harness.captured.orders import DeliveryOrders
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.shrinking import Shrinking
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.errors import InternalError
from flowcraft_conformance.harness.oracle import PossibleOutcomes

_MOST_ORDERS = 300
"""Orders of delivery of one scenario that are tried one by one; where there are more, others are drawn."""
_DRAWN_ORDERS = 60
_MOST_MISSES = 1000


@dataclass(slots=True)
class SearchResult:
    """How many distinct plans were run, how many of each kind, and the smallest problem found."""

    plans: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    problem: Problem | None = None
    stacks: set[tuple[str, int]] = field(default_factory=set)
    calls: int = 0
    """Calls of the run that nothing happened to."""
    idle: int = 0
    """Plans of which an event never came to happen, as the run was over before: each is as good as a smaller one."""
    all_orders: bool = False
    """Whether every order of delivery was tried."""


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
        """Run one plan on a fresh run id, and remove the run afterwards.

        Raises:
            InternalError: the kit's own code failed in it, whatever became of the run.
        """
        world = await self.world(scenario, plan)
        error: Exception | None = None
        try:
            await world.run()
        except InternalError:
            with contextlib.suppress(Exception):
                await self.clean(world)
            raise
        except Exception as raised:
            error = raised
        states = await self.clean(world)
        seen = world.happenings
        return Trace(
            scenario, plan, world.run_id, world.calls, world.deliveries, world.executions, world.results,
            world.enqueued, seen.happened, world.events, world.choices, states[world.run_id], seen.crashed_stacks,
            world.versions, world.hangs, seen.disturbed, error, world.beside, world.published, states, world.left,
            world.client_errors,
        )  # fmt: skip

    async def clean(self, world: World) -> dict[str, dict[str, object]]:
        """Remove the runs of a world from the target; the last state of each."""
        states: dict[str, dict[str, object]] = {}
        for run_id in (world.run_id, *world.beside):
            states[run_id] = await _remove(world.open_context(run_id)) if world.has_begun else {}
        await world.delete_keys()
        await world.disconnect()
        return states

    async def search(
        self,
        scenario: Scenario,
        *,
        seconds: float,
        least_plans: int = 1,
        most_plans: int = 1_000_000,
        kinds: Sequence[Kind] = tuple(Kind),
        orders: bool = True,
        allowed: PossibleOutcomes | None = None,
        same_graph: bool = False,
        seed: int = 0,
        also: Also | None = None,
        shrink_plain: bool = True,
    ) -> SearchResult:
        """Try single events at every call, orders of delivery, then pairs at random; end at the first problem.

        However little time there is, ``least_plans`` are run: the one that does nothing, then an event of each of
        ``kinds`` in order. The problem is made smaller before it is returned, one without a plan only if
        ``shrink_plain``. ``also``: one rule more than :func:`judge` has. ``same_graph``: the problem is to be shown on
        this graph.
        """
        expected = allowed or await scenario.outcomes()
        result = SearchResult()
        started = time.monotonic()
        base = await self.run_plan(scenario, Plan())
        result.calls = len(base.calls)
        ordered = DeliveryOrders(base.choices if orders else (), _MOST_ORDERS)
        for plan in _plans(base, kinds, ordered, random.Random(seed)):
            timed_out = result.plans >= least_plans and time.monotonic() - started > seconds
            if timed_out or result.plans >= most_plans:
                break
            trace = base if plan == Plan() else await self.run_plan(scenario, plan)
            if not plan.events:
                ordered.learn(plan.order, trace.choices)
            result.plans += 1
            result.idle += len(trace.happened) < len(plan.events)
            kind = "+".join(event.kind.name.lower() for event in plan.events) or ("order" if plan.order else "plain")
            result.by_kind[kind] = result.by_kind.get(kind, 0) + 1
            for stack in trace.stacks:
                result.stacks.update(stack)
            problem = judge(trace, expected, also)
            if problem is not None and problem.is_plain and not shrink_plain:
                result.problem = problem
                break
            if problem is not None:
                shrinking = Shrinking(self.run_plan, expected, also, same_graph=same_graph)
                result.problem = await shrinking.smallest(problem, base)
                break
        result.all_orders = ordered.exhausted
        return result


async def _remove(context: IAsyncContext) -> dict[str, object]:
    """Remove the state of a run; what it was."""
    state = dict(await context.to_dict())
    gone = [DeleteOp(key) for key in state if key != BLUEPRINT_ID]
    for first in range(0, len(gone), 20):
        await context.patch(gone[first : first + 20])
    await context.delete(BLUEPRINT_ID)
    return state


def _plans(base: Trace, kinds: Sequence[Kind], orders: DeliveryOrders, dice: random.Random) -> Iterator[Plan]:
    """Distinct plans: the plain one, then single events, orders of delivery and random mixtures by turns."""
    yield Plan()
    seen = {Plan()}
    events = list(single_events(base, kinds))
    varied = any(ways > 1 for ways in base.choices) and not orders.exhausted
    mixed = _mixtures(base, events, varied, dice)
    singles = (Plan((event,)) for event in _by_turns(events, kinds, dice))
    sources = [
        source for source, share in ((singles, 5), (_ordered(base, orders, dice), 1), (mixed, 1)) for _ in range(share)
    ]
    while sources:
        for source in tuple(sources):
            plan = next((one for one in source if one not in seen), None)
            if plan is not None:
                seen.add(plan)
                yield plan
            elif source in sources:
                sources = [one for one in sources if one is not source]


def _by_turns(events: Sequence[Event], kinds: Sequence[Kind], dice: random.Random) -> Iterator[Event]:
    """Each kind in turn, each in random order: a search that is cut short has still been everywhere in the run."""
    of_kind: dict[Kind, list[Event]] = {kind: [] for kind in kinds}
    for event in events:
        of_kind.setdefault(event.kind, []).append(event)
    for same in of_kind.values():
        dice.shuffle(same)
    return (event for turn in zip_longest(*of_kind.values()) for event in turn if event is not None)


def _ordered(base: Trace, orders: DeliveryOrders, dice: random.Random) -> Iterator[Plan]:
    for order in orders:
        yield Plan(order=order)
    for _ in range(0 if orders.exhausted else _DRAWN_ORDERS):
        yield Plan(order=_random_order(base, dice))


def _mixtures(base: Trace, events: Sequence[Event], varied: bool, dice: random.Random) -> Iterator[Plan]:
    """Two events, or one, with or without an order; ends once nearly all that is drawn was drawn before."""
    drawn: set[Plan] = set()
    misses = 0
    while events and misses < _MOST_MISSES:
        chosen = {dice.choice(events)}
        if dice.random() < 0.7:
            chosen.add(_moved(dice.choice(events), base, dice))
        order = _random_order(base, dice) if varied and dice.random() < 0.5 else ()
        plan = Plan(tuple(sorted(chosen, key=str)), order)
        misses = misses + 1 if plan in drawn else 0
        drawn.add(plan)
        yield plan


def _moved(event: Event, base: Trace, dice: random.Random) -> Event:
    """The event somewhere else, beyond the plain run too, as another event may make a run longer."""
    return replace(event, at=dice.randrange(len(base.calls) + len(base.calls) // 2 + 1))


def _random_order(base: Trace, dice: random.Random) -> tuple[int, ...]:
    return tuple(dice.randrange(4) for _ in range(len(base.choices) + 2))
