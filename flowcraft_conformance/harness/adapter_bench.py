"""Where checks meet an adapter: its harness, set up once, and captured runs on the kit's own loop."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.bench import BenchSettings, hash_text
from flowcraft_conformance.harness.captured.judging import Problem, Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.harness.captured.scenario import Scenario, Step
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.errors import CallTimeoutError, TargetError
from flowcraft_conformance.harness.harnesses import ADAPTER_METHODS
from flowcraft_conformance.harness.harnesses import harness_class as harness_class
from flowcraft_conformance.harness.live.crew import Crew
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import PossibleOutcomes, only_outcome, possible_outcomes
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.surroundings import Surroundings, adapter_surroundings
from flowcraft_conformance.harness.target import TargetSpec
from flowcraft_conformance.harness.workers.process import WorkerOrder
from flowcraft_conformance.runtime.flow import Answers

T = TypeVar("T")

_SETUP_CALLS = 4
"""Set-up and tear-down may take so many times what one call may."""


class AdapterTarget:
    """One harness that is set up: it gives stores and contexts to their suites, and captured runs to the others."""

    def __init__(self, harness: type[AdapterHarness], settings: BenchSettings) -> None:
        self.settings = settings
        self.harness = harness(f"fc{uuid.uuid4().hex[:10]}")
        self._client: DistributedAdapter | None = None
        self._around: Mapping[Target, Surroundings] = {}
        self.order: WorkerOrder | None = None
        """What other processes make the same adapter from; None: they cannot."""
        self._crew: Crew | None = None

    def surround(self, spec: TargetSpec, named: Any, faults: Faults, *, store: str | None = "") -> None:
        """Say what lies around it; see :func:`adapter_surroundings`."""
        self._around, self.order = adapter_surroundings(
            spec, named, self.harness.scope, self.settings.capabilities, faults, store=store
        )
        self.settings.surroundings = self._around[Target.STORE if self.judges_store else Target.CONTEXT]

    def crew(self) -> Crew:
        """Processes that work on its queue.

        Raises:
            Unsupported: it is declared or found to belong to one process.
            ClauseViolation: it declares ``processes`` and is not shared, or the other way round.
            Unobservable: it cannot be started in another process.
        """
        self.settings.surroundings.pool()
        if self._crew is None:
            assert self.order is not None
            self._crew = Crew(self.order)
        return self._crew

    def settings_of(self, part: Target) -> BenchSettings:
        """The settings for the checks of its store or of its contexts."""
        return replace(self.settings, surroundings=self._around[part]) if self._around else self.settings

    def open(self, what: str) -> None:
        """Set the harness up, and see whether it gives a store and an adapter.

        Raises:
            TargetError: it cannot be used; the text begins with ``what``.
        """
        try:
            self.settings.loop.run(self._open(), within=self._within, what="its set-up")
        except CallTimeoutError as error:
            raise TargetError(f"{what}: {error}", "Is its backend reachable?") from None
        except TargetError:
            raise
        except BaseException as error:
            raise TargetError(
                f"{what}: its harness cannot be used: {type(error).__name__}: {error}",
                "setup(), create_store() and create_adapter(options) must work in this environment.",
            ) from error

    @property
    def _within(self) -> float:
        return _SETUP_CALLS * self.settings.capabilities.call_timeout_seconds

    def reconnect(self) -> None:
        """Make the client of the contexts anew, as it is to see a server behind a proxy."""
        self.settings.loop.run(self._reconnect(), within=self._within, what="connecting again")

    async def _reconnect(self) -> None:
        await self._close_client()
        await self._connect()

    async def _open(self) -> None:
        await self.harness.setup()
        await self._connect()

    async def _connect(self) -> None:
        store = await self.create_store()
        adapter = await self.harness.create_adapter(AdapterOptions(RuntimeOptions(), store))
        missing = [name for name in ADAPTER_METHODS if not callable(getattr(adapter, name, None))]
        if missing:
            raise TypeError(f"create_adapter gave {type(adapter).__name__}, which has no {', '.join(missing)}")
        await adapter.open()
        self._client = adapter

    @property
    def judges_store(self) -> bool:
        """Whether the store is the author's and not the kit's."""
        return bool(getattr(self.harness, "brings_store", True))

    async def create_store(self) -> ICoordinationStore:
        """Another client of the harness's store."""
        return await self.harness.create_store()

    def create_context(self, run_id: str) -> IAsyncContext:
        """Another client of the state of a run."""
        assert self._client is not None
        return self._client.create_context(run_id)

    def close(self) -> None:
        """Remove what was made; what fails here harms no verdict."""
        for around in self._around.values():
            around.close()
        if self._crew is not None:
            self._crew.close()
        for call in (self._close_client, self.harness.teardown):
            try:
                self.settings.loop.run(call(), within=self._within, what="its teardown")
            except Exception:
                continue

    async def _close_client(self) -> None:
        if self._client is not None:
            await self._client.close()


class AdapterBench:
    """Runs the body of a check against one adapter."""

    def __init__(self, target: AdapterTarget, name: str) -> None:
        self.target = target
        self.settings = target.settings
        self.name = name
        self.seed = self.settings.seed ^ (hash_text(name) & 0x7FFFFFFF)

    def random(self) -> random.Random:
        """A generator: the same seed and check give the same numbers."""
        return random.Random(self.seed)

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
        """Captured runs on this adapter."""
        return Captured(self.target.harness, f"r{uuid.uuid4().hex[:8]}")

    def trace(self, scenario: Scenario) -> Trace:
        """One run that nothing is done to."""
        return self.run(self.captured().run_plan(scenario, Plan()))

    def plain(
        self,
        scenario: Scenario,
        *,
        any_order: bool = False,
        also: Callable[[Trace], str | None] | None = None,
    ) -> None:
        """One run that nothing is done to ends as in one process; ``any_order``: that has only one outcome.

        Raises:
            ClauseViolation: it does not.
        """
        find = only_outcome if any_order else possible_outcomes
        allowed = asyncio.run(find(scenario.blueprint, scenario.registry))
        problem = judge(self.trace(scenario), allowed, also)
        if problem is not None:
            raise violation(problem)

    def resumed(self, blueprint: WorkflowBlueprint, steps: tuple[Step, ...], answers: Answers) -> None:
        """A run that waits is resumed by ``steps`` and ends as one that had these answers, whatever is done to it."""
        allowed = asyncio.run(possible_outcomes(blueprint, kit_registry, answers=answers))
        scenario = Scenario(blueprint, kit_registry, steps=steps)
        self.search([scenario], (Kind.DUPLICATE, Kind.CRASH), allowed=allowed, share=0.25)

    def at_each(
        self,
        scenario: Scenario,
        kinds: Sequence[Kind],
        which: Callable[[CallSeen], bool],
        *,
        before: bool = True,
        after: bool = True,
        also: Callable[[Trace], str | None] | None = None,
    ) -> None:
        """Try one event of each kind before and after every such call of the run, however short the profile is.

        Raises:
            ClauseViolation: a plan breaks a rule; told as a story.
        """
        allowed = asyncio.run(possible_outcomes(scenario.blueprint, scenario.registry, scenario.initial_context))

        async def body() -> Problem | None:
            captured = self.captured()
            base = await captured.run_plan(scenario, Plan())
            events = [
                Event(call.number, kind, applied)
                for call in base.calls
                if which(call)
                for kind in kinds
                for applied in (False, True)
                if (after if applied else before)
            ]
            for plan in (Plan(), *(Plan((event,)) for event in events)):
                problem = judge(await captured.run_plan(scenario, plan), allowed, also)
                if problem is not None:
                    return problem
            return None

        problem = self.run(body())
        if problem is not None:
            raise violation(problem)

    def search(
        self,
        scenarios: Iterable[Scenario],
        kinds: Sequence[Kind],
        *,
        orders: bool = True,
        allowed: PossibleOutcomes | None = None,
        also: Callable[[Trace], str | None] | None = None,
        share: float = 1,
    ) -> None:
        """Try plans on each scenario, as many as the profile has room for in this share of a check's time.

        Raises:
            ClauseViolation: a plan breaks a rule; told as a story.
        """
        chosen = list(scenarios)
        profile = self.settings.profile
        until = time.monotonic() + share * profile.flow_seconds

        async def body() -> Problem | None:
            captured = self.captured()
            for number, scenario in enumerate(chosen):
                left = max(until - time.monotonic(), 0.05) / (len(chosen) - number)
                result = await captured.search(
                    scenario, seconds=left, most_plans=profile.plans, kinds=kinds, orders=orders, allowed=allowed,
                    seed=self.seed + number, also=also,
                )  # fmt: skip
                if result.problem is not None:
                    return result.problem
            return None

        problem = self.run(body())
        if problem is not None:
            raise violation(problem)


def violation(problem: Problem) -> ClauseViolation:
    """The problem as what a check raises."""
    return ClauseViolation(problem.got.replace(problem.trace.run_id, "run"), tell(problem))
