"""Where checks meet an adapter: its harness, set up once, and captured runs on the kit's own loop."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.bench import BenchSettings, hash_text, open_client
from flowcraft_conformance.harness.captured.details import details_of_run
from flowcraft_conformance.harness.captured.judging import Problem, Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.harness.captured.scenario import Scenario, Step
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.errors import CallTimeoutError, TargetError
from flowcraft_conformance.harness.memory_store import KitMemoryStore
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import PossibleOutcomes, only_outcome, possible_outcomes
from flowcraft_conformance.runtime.flow import Answers

T = TypeVar("T")

_SETUP_CALLS = 4
"""Set-up and tear-down may take so many times what one call may."""
_METHODS = ("create_context", "process_jobs", "enqueue_job", "publish_final_result", "start_run", "handle_job", "close")


def harness_class(named: Any, store: Callable[[], Any] | None = None) -> type[AdapterHarness]:
    """The harness that a target's object stands for.

    ``named``: an AdapterHarness subclass, or a class that is built from AdapterOptions alone; that one gets the store
    of ``store``, else one of the kit's own.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(named, type) and issubclass(named, AdapterHarness):
        return named
    if not isinstance(named, type) or not all(hasattr(named, method) for method in _METHODS):
        raise TypeError("it is neither an AdapterHarness subclass nor an adapter class")
    return type(
        f"{named.__name__}Harness",
        (_BareHarness,),
        {"adapter": named, "store": staticmethod(store or _own), "brings_store": store is not None},
    )


def _own() -> ICoordinationStore:
    return KitMemoryStore()


class _BareHarness(AdapterHarness):
    """For a class that can be built from AdapterOptions alone. ``brings_store``: the store is the author's."""

    brings_store = False

    capabilities = Capabilities(processes=False)
    adapter: Any
    store: Any

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()
        self._shared: ICoordinationStore | None = None

    async def teardown(self) -> None:
        await self._stack.aclose()

    async def create_store(self) -> ICoordinationStore:
        if self._shared is None:
            self._shared = await open_client(self._stack, self.store)
        return self._shared

    async def create_adapter(self, options: AdapterOptions) -> DistributedAdapter:
        adapter: DistributedAdapter = self.adapter(options)
        return adapter


class AdapterTarget:
    """One harness that is set up: it gives stores and contexts to their suites, and captured runs to the others."""

    def __init__(self, harness: type[AdapterHarness], settings: BenchSettings) -> None:
        self.settings = settings
        self.harness = harness(f"fc{uuid.uuid4().hex[:10]}")
        self._client: DistributedAdapter | None = None

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
        missing = [name for name in _METHODS if not callable(getattr(adapter, name, None))]
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

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the kit's loop, within the profile's bound.

        Raises:
            Inconclusive: time ran out.
        """
        profile = self.settings.profile
        within = profile.check_seconds + self.settings.capabilities.call_timeout_seconds
        try:
            return self.settings.loop.run(body, within=within, what=self.name)
        except CallTimeoutError as error:
            raise Inconclusive(f"{error}: the adapter is slow, or a call of it never returns") from None

    def captured(self) -> Captured:
        """Captured runs on this adapter.

        Raises:
            NotApplicable: only a plan is replayed.
        """
        if self.settings.replay is not None:
            raise NotApplicable(f"only {self.settings.replay} is replayed, and this check searches for no plan")
        return self._captured()

    def _captured(self) -> Captured:
        return Captured(self.target.harness, f"r{uuid.uuid4().hex[:8]}")

    def _replayed(self) -> Plan | None:
        """The one plan to run, where one is replayed."""
        token = self.settings.replay
        try:
            return None if token is None else Plan.decode(token)
        except ValueError:
            raise NotApplicable(f"only {token} is replayed, which is no plan") from None

    def _replay(
        self,
        plan: Plan,
        scenarios: Iterable[Scenario],
        allowed: PossibleOutcomes | None,
        also: Callable[[Trace], str | None] | None,
    ) -> None:
        """Run one plan on each scenario: a token does not say on which it was found.

        Raises:
            ClauseViolation: it breaks a rule.
        """

        async def body() -> Problem | None:
            captured = self._captured()
            for one in scenarios:
                expected = allowed or await possible_outcomes(one.blueprint, one.registry, one.initial_context)
                problem = judge(await captured.run_plan(one, plan), expected, also)
                if problem is not None:
                    return problem
            return None

        problem = self.run(body())
        if problem is not None:
            raise violation(problem)

    def trace(self, scenario: Scenario) -> Trace:
        """One run that nothing is done to."""
        captured = self.captured() if self._replayed() != Plan() else self._captured()
        return self.run(captured.run_plan(scenario, Plan()))

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
        if (replayed := self._replayed()) is not None:
            self._replay(replayed, [scenario], allowed, also)
            return

        async def body() -> Problem | None:
            captured = self._captured()
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
        if (replayed := self._replayed()) is not None:
            self._replay(replayed, chosen, allowed, also)
            return

        async def body() -> Problem | None:
            captured = self._captured()
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
    return ClauseViolation(problem.got.replace(problem.trace.run_id, "run"), tell(problem), details_of_run(problem))
