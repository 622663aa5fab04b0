"""Where checks meet an adapter: captured runs on the kit's own loop, one by one or searched."""

from __future__ import annotations

import asyncio
import json
import math
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable, Unobservable
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.bench import hash_text
from flowcraft_conformance.harness.captured.details import details_of_run
from flowcraft_conformance.harness.captured.hooks import GOES_PAST
from flowcraft_conformance.harness.captured.judging import Also, Problem, Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.replay import Replay
from flowcraft_conformance.harness.captured.scenario import Scenario, Step
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.shrinking import Shrinking
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import PossibleOutcomes, possible_outcomes
from flowcraft_conformance.runtime.flow import Answers

T = TypeVar("T")

_STRIDE = 8


class AdapterBench:
    """Runs the body of a check against one adapter."""

    def __init__(self, target: AdapterTarget, name: str) -> None:
        self.target = target
        self.settings = target.settings
        self.name = name
        self.seed = self.settings.seed ^ (hash_text(name) & 0x7FFFFFFF)
        self.replayed = False
        """Whether the run that is to be replayed was one of this check's."""

    def random(self) -> Random:
        """A generator: the same seed and check give the same numbers."""
        return Random(self.seed)

    def shared_random(self) -> Random:
        """A generator that gives every check of this run the same numbers."""
        return Random(self.settings.seed)

    def run(self, body: Coroutine[Any, Any, T], *, seconds: float = 0) -> T:
        """Run a coroutine on the kit's loop, within the profile's bound and ``seconds`` more.

        With ``seconds`` no call may block the loop for longer than it may take.

        Raises:
            Inconclusive: time ran out.
        """
        profile = self.settings.profile
        within = seconds + profile.check_seconds + self.settings.capabilities.call_timeout_seconds
        try:
            blocked = self.settings.capabilities.call_timeout_seconds if seconds else None
            return self.settings.loop.run(body, within=within, what=self.name, call_within=blocked)
        except CallTimeoutError as error:
            raise Inconclusive(f"{error}: the adapter is slow, or a call of it never returns") from None

    def captured(self) -> Captured:
        """Captured runs on this adapter.

        Raises:
            NotApplicable: only one run is replayed.
            Unobservable: the kit cannot take the place of its queue.
        """
        if self.settings.replay is not None:
            raise NotApplicable(f"only {self.settings.replay} is replayed, and this check searches for no plan")
        return self._captured()

    def _captured(self) -> Captured:
        if self.target.goes_past:
            raise Unobservable(GOES_PAST)
        return Captured(self.target.harness, f"r{uuid.uuid4().hex[:8]}")

    def trace(self, scenario: Scenario, *events: Event) -> Trace:
        """One run, with these events.

        Raises:
            NotApplicable: only one run is replayed, and it is another one.
        """
        if self.settings.replay is not None:
            replay = Replay.decode(self.settings.replay)
            self.replayed = replay.on(scenario) is not None and replay.plan == Plan(events)
        captured = self._captured() if self.replayed else self.captured()
        return self.run(captured.run_plan(scenario, Plan(events)))

    def expected(self, scenario: Scenario) -> PossibleOutcomes:
        """What a run may come to; worked out once for all checks of the target."""
        blueprints = [one.to_dict() for one in (scenario.blueprint, *scenario.blueprints)]
        key = json.dumps(["outcomes", blueprints, dict(scenario.initial_context)], sort_keys=True)
        if key not in self.settings.memo:
            self.settings.memo[key] = asyncio.run(scenario.outcomes())
        known: PossibleOutcomes = self.settings.memo[key]
        return known

    def plain(self, scenario: Scenario, *, any_order: bool = False, also: Also | None = None) -> None:
        """One run that nothing is done to ends as in one process; ``any_order``: that has only one outcome.

        Raises:
            ClauseViolation: it does not.
        """
        if self.settings.replay is not None:
            self._replay([scenario], None, also)
            return
        allowed = asyncio.run(scenario.one_outcome()) if any_order else self.expected(scenario)
        problem = judge(self.trace(scenario), allowed, also)
        if problem is not None:
            raise violation(problem)

    def compared(self, usual: Scenario, changed: Scenario, *, also: Also | None = None) -> None:
        """A run under other circumstances ends as it should, given that it does so under the usual ones.

        Raises:
            ClauseViolation: it does not.
            Inconclusive: nor does it under the usual ones.
        """
        allowed = self.expected(usual)
        first = judge(self.trace(usual), allowed)
        if first is not None:
            raise Inconclusive(WRONG_WHEN_PLAIN.format(usual.blueprint.id, first.got))
        problem = judge(self.trace(changed), allowed, also)
        if problem is not None:
            raise violation(problem)

    def beside(self, scenarios: Iterable[Scenario], kinds: Sequence[Kind]) -> None:
        """Each of these scenarios is of several runs at once, and each run ends as it does alone.

        Raises:
            ClauseViolation: one does not; told as a story.
        """
        chosen = list(scenarios)
        allowed = {
            other.id: self.expected(Scenario(other, kit_registry))
            for scenario in chosen
            for _, other in scenario.beside
        }

        def others(trace: Trace) -> str | None:
            for run_id, blueprint in trace.beside.items():
                problem = judge(trace.of_run(run_id, blueprint), allowed[blueprint.id])
                if problem is not None:
                    return f"the run beside it, {run_id!r}: {problem}"
            return None

        self._search(chosen, (), None, others, None, orders=False, share=None)
        self._search(chosen, kinds, None, others, None, orders=True, share=1)

    def resumed(self, blueprint: WorkflowBlueprint, steps: tuple[Step, ...], answers: Answers) -> None:
        """A run that waits is resumed by ``steps`` and ends as one that had these answers, whatever is done to it."""
        allowed = asyncio.run(possible_outcomes(blueprint, kit_registry, answers=answers))
        scenario = Scenario(blueprint, kit_registry, steps=steps)
        self.search([scenario], (Kind.DUPLICATE, Kind.CRASH), allowed=allowed, share=0.25)

    def at_each(
        self,
        scenario: Scenario,
        events: Callable[[Trace], Iterable[Event]],
        *,
        also: Also | None = None,
        when_plain: Collection[str] | None = None,
    ) -> None:
        """Try each of the single events that ``events`` makes from the plain run.

        Only where an adapter is so slow that ``each_seconds`` are too short for all, some are left out; those that are
        tried are then from everywhere in the run.
        ``when_plain``: see :meth:`search`.

        Raises:
            ClauseViolation: a plan breaks a rule; told as a story.
            Inconclusive: the run is wrong without any plan, and that is another clause's.
        """
        if self.settings.replay is not None:
            self._replay([scenario], None, also)
            return
        allowed = self.expected(scenario)

        async def body() -> Problem | None:
            captured = self.captured()
            base = await captured.run_plan(scenario, Plan())
            first = judge(base, allowed, also)
            if first is not None:
                return first
            until = time.monotonic() + self.settings.profile.each_seconds
            for event in _from_everywhere(list(events(base))):
                if time.monotonic() > until:
                    break
                problem = judge(await captured.run_plan(scenario, Plan((event,))), allowed, also)
                if problem is not None:
                    return await Shrinking(captured.run_plan, allowed, also).smallest(problem, base)
            return None

        problem = self.run(body())
        if problem is not None and not self._is_anothers(problem, allowed, also, when_plain):
            raise violation(problem)
        if problem is not None:
            raise Inconclusive(WRONG_WHEN_PLAIN.format(problem.trace.scenario.blueprint.id, problem.got))

    def each_plain(self, scenarios: Iterable[Scenario]) -> None:
        """Each of these, with nothing done to it, ends as in one process, however short the profile is.

        Raises:
            ClauseViolation: one does not; told as a story.
        """
        chosen = list(scenarios)
        if self.settings.replay is not None:
            self._replay(chosen, None, None)
            return
        self._search(chosen, (), None, None, None, orders=False, share=None)

    def search(
        self,
        scenarios: Iterable[Scenario],
        kinds: Sequence[Kind],
        *,
        orders: bool = True,
        allowed: PossibleOutcomes | None = None,
        also: Also | None = None,
        share: float = 1,
        when_plain: Collection[str] | None = None,
    ) -> None:
        """Try plans on each scenario, as many as the profile has room for in this share of a check's time.

        ``when_plain``: the rules by which the clause is broken even where nothing is done to a run; None: all of them,
        and what ``also`` says is always the clause's own.

        Raises:
            ClauseViolation: a plan breaks a rule; told as a story.
            Inconclusive: some run is wrong without any plan, that is another clause's, and nothing else was found.
        """
        chosen = list(scenarios)
        if self.settings.replay is not None:
            self._replay(chosen, allowed, also)
            return
        self._search(chosen, kinds, allowed, also, when_plain, orders=orders, share=share)

    def _search(
        self,
        chosen: Sequence[Scenario],
        kinds: Sequence[Kind],
        allowed: PossibleOutcomes | None,
        also: Also | None,
        when_plain: Collection[str] | None,
        *,
        orders: bool,
        share: float | None,
    ) -> None:
        """``share`` None: no bound but that of the check. However short it is, each kind is tried on some scenario."""
        profile = self.settings.profile
        seconds = profile.check_seconds if share is None else share * profile.flow_seconds
        until = time.monotonic() + seconds
        captured = self.captured()
        anothers: Problem | None = None
        each = math.ceil(len(kinds) / max(len(chosen), 1))
        for number, scenario in enumerate(chosen):
            turned = [kinds[(number * each + place) % len(kinds)] for place in range(len(kinds))]
            left = max(until - time.monotonic(), 0.05) / (1 if share is None else len(chosen) - number)
            search = captured.search(
                scenario, seconds=left, least_plans=1 + each, most_plans=profile.plans if kinds or orders else 1,
                kinds=turned, orders=orders,
                allowed=allowed or self.expected(scenario), same_graph=allowed is not None, seed=self.seed + number,
                also=also, shrink_plain=when_plain is None,
            )  # fmt: skip
            problem = self.run(search).problem
            if problem is None:
                continue
            if not self._is_anothers(problem, allowed, also, when_plain):
                raise violation(problem)
            anothers = anothers or problem
        if anothers is not None:
            raise Inconclusive(WRONG_WHEN_PLAIN.format(anothers.trace.scenario.blueprint.id, anothers.got))

    def _is_anothers(
        self, problem: Problem, allowed: PossibleOutcomes | None, also: Also | None, when_plain: Collection[str] | None
    ) -> bool:
        """Whether the run is wrong with no plan at all, every time, and by no rule of this clause.

        FLOW-ORACLE-01 runs the same workflows in the same way, and says so. What is wrong only now and then it might
        not see: that stays with whoever has seen it.
        """
        if not problem.is_plain or when_plain is None or problem.rule in (*when_plain, "also"):
            return False
        if also is not None and also(problem.trace) is not None:  # this clause's own rule is broken as well
            return False
        scenario = problem.trace.scenario
        again = judge(self.trace(scenario), allowed or self.expected(scenario), also)
        return again is not None and again.rule == problem.rule

    def _replay(self, chosen: Sequence[Scenario], allowed: PossibleOutcomes | None, also: Also | None) -> None:
        """Do again the one run that was asked for, where it is on one of these scenarios.

        Raises:
            ClauseViolation: it is as wrong as it was.
        """
        try:
            replay = Replay.decode(str(self.settings.replay))
        except ValueError:
            raise NotApplicable(f"only {self.settings.replay} is replayed, which is no plan") from None
        scenarios = [fitting for one in chosen if (fitting := replay.on(one)) is not None]
        for scenario in scenarios:
            self.replayed = True
            trace = self.run(self._captured().run_plan(scenario, replay.plan))
            problem = judge(trace, allowed or self.expected(scenario), also)
            if problem is not None:
                raise violation(problem)


WRONG_WHEN_PLAIN = (
    "workflow {!r} is wrong without any fault ({}): see FLOW-ORACLE-01. What faults add to it shows once that is mended"
)


def _from_everywhere(events: Sequence[Event]) -> Iterator[Event]:
    """All of them: one in eight from the first to the last, then those behind each, and so on."""
    for first in range(_STRIDE):
        yield from events[first::_STRIDE]


def violation(problem: Problem) -> ClauseViolation:
    """The problem as what a check raises."""
    return ClauseViolation(
        problem.headline.replace(problem.trace.run_id, "run"), tell(problem), details_of_run(problem)
    )
