"""From a problem to the smallest one of its kind: fewer and earlier events, a plainer order, a smaller graph."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from flowcraft_conformance.checking.blueprints import smaller
from flowcraft_conformance.contract.blueprint import BlueprintError
from flowcraft_conformance.harness.captured.judging import Also, Problem, Trace, judge
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.oracle import EndlessRunError, PossibleOutcomes

_MOST_TRIES = 150
_MOST_GRAPHS = 60
_GRAPH_SECONDS = 5.0

RunPlan = Callable[[Scenario, Plan], Awaitable[Trace]]


@dataclass(frozen=True, slots=True)
class Shrinking:
    """Makes one problem smaller. ``same_graph``: what is expected is known for this graph only."""

    run_plan: RunPlan
    allowed: PossibleOutcomes
    also: Also | None = None
    same_graph: bool = False

    async def smallest(self, problem: Problem, plain: Trace) -> Problem:
        """The same rule broken by less. ``plain``: the run of the same scenario that nothing was done to."""
        problem = await self._smaller_plan(problem, plain, self.allowed)
        if self.same_graph or _is_tied_to_its_graph(problem.trace.scenario):
            return problem
        return await self._smaller_graph(problem)

    async def _smaller_plan(self, problem: Problem, plain: Trace, allowed: PossibleOutcomes) -> Problem:
        tries = 0
        improved = True
        while improved and tries < _MOST_TRIES:
            improved = False
            for plan in (*_alone(problem.trace, plain), *_simpler(problem.trace.plan)):
                tries += 1
                found = judge(await self.run_plan(problem.trace.scenario, plan), allowed, self.also)
                if found is not None and found.rule == problem.rule:
                    problem, improved = found, True
                    break
                if tries >= _MOST_TRIES:
                    break
        return problem

    async def _smaller_graph(self, problem: Problem) -> Problem:
        """A graph without some node or edge that breaks the same rule, by the same plan or one like it."""
        until = time.monotonic() + _GRAPH_SECONDS
        tries = 0
        improved = True
        while improved:
            improved = False
            for blueprint in smaller(problem.trace.scenario.blueprint):
                if tries >= _MOST_GRAPHS or time.monotonic() > until:
                    return problem
                tries += 1
                found = await self._on_graph(problem, replace(problem.trace.scenario, blueprint=blueprint))
                if found is not None:
                    problem, improved = found, True
                    break
        return problem

    async def _on_graph(self, problem: Problem, scenario: Scenario) -> Problem | None:
        try:
            allowed = await scenario.outcomes()
        except (BlueprintError, ValueError, EndlessRunError):
            return None
        plain = await self.run_plan(scenario, Plan())
        first = judge(plain, allowed, self.also)
        if problem.is_plain or first is not None:  # what is wrong without a plan is another problem than one with
            return first if problem.is_plain and first is not None and first.rule == problem.rule else None
        for plan in _transferred(problem.trace, plain):
            found = judge(await self.run_plan(scenario, plan), allowed, self.also)
            if found is not None and found.rule == problem.rule:
                return await self._smaller_plan(found, plain, allowed)
        return None


def _is_tied_to_its_graph(scenario: Scenario) -> bool:
    """Whether a client's steps, other workers or other runs name nodes or versions of the graph."""
    return bool(scenario.steps or scenario.first or scenario.before_delivery or scenario.worker_blueprints
                or scenario.beside)  # fmt: skip


def _transferred(trace: Trace, plain: Trace) -> Iterator[Plan]:
    """The plan for another graph: each event at the calls of the plain run there that are the same, else as it is."""
    if len(trace.plan.events) == 1 and trace.happened:
        event, seen = trace.happened[0]
        for at in _same_calls(seen, trace, plain)[:4]:
            yield replace(trace.plan, events=(replace(event, at=at),))
    yield trace.plan


def _alone(trace: Trace, plain: Trace) -> Iterator[Plan]:
    """Each of several events alone, at the calls of the plain run that are the same: its number there is another."""
    if len(trace.plan.events) < 2:
        return
    for event, seen in trace.happened:
        for at in _same_calls(seen, trace, plain):
            yield Plan((replace(event, at=at),))


def _same_calls(seen: CallSeen, trace: Trace, plain: Trace) -> list[int]:
    return [call.number for call in plain.calls if _identity(call, plain) == _identity(seen, trace)]


def _identity(call: CallSeen, trace: Trace) -> tuple[str, str, str]:
    return call.part, call.name, call.about.replace(trace.run_id, "")


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
