"""Where a check meets a target: fresh keys, recorded clients, examples that shrink, and everything removed after."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.checking.exploration import explore
from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.calls import Health, Recorder, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.evidence import trace
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.profile import PROFILES, Profile
from flowcraft_conformance.harness.surroundings import Surroundings
from flowcraft_conformance.harness.target import open_client as open_client

T = TypeVar("T")
Example = TypeVar("Example")
SpaceT = TypeVar("SpaceT", bound="Space")

_HUNG_WITHIN = 5.0
"""Seconds a call is given once the target has hung: enough for a call that works."""
_OPEN_CALLS_AT_CLEANUP = 32
_CLEANUP_SECONDS = 10.0


@dataclass(slots=True)
class BenchSettings:
    """What all checks of one target share."""

    loop: LoopThread
    capabilities: Capabilities = field(default_factory=Capabilities)
    profile: Profile = PROFILES["standard"]
    seed: int = 0
    shared: bool = True
    """Whether two calls of the factory give clients of one state; else one instance serves all."""
    clock: VirtualClock | None = None
    """Given where the target takes a clock."""
    surroundings: Surroundings = field(default_factory=Surroundings)
    """Other processes with the target in them, and the proxies in front of its servers."""
    health: Health = field(default_factory=Health)
    memo: dict[str, Any] = field(default_factory=dict)
    """What several checks of this target share, such as one wait for many TTLs."""


class Space:
    """One example's own corner of the target: nothing of another example is seen in it."""

    def __init__(self, bench: Bench[Any], stack: AsyncExitStack, clients: dict[Any, Any]) -> None:
        self.bench = bench
        self.name = f"fc-{uuid.uuid4().hex[:12]}"
        self.stack = stack
        self.recorder = Recorder(bench.call_seconds, bench.settings.health)
        self._clients = clients

    @property
    def profile(self) -> Profile:
        """The sizes of this run."""
        return self.bench.settings.profile

    @property
    def capabilities(self) -> Capabilities:
        """What the target declares."""
        return self.bench.settings.capabilities

    def violated(self, summary: str) -> ClauseViolation:
        """A violation that shows the calls of this example, the last one marked."""
        return ClauseViolation(summary, trace(self.recorder.records, hide=self.name))

    async def target(self, identity: Any, *arguments: Any) -> Any:
        """The client with this identity, opened when first asked for; one instance for all where state is unshared."""
        if not self.bench.settings.shared:
            identity = arguments
        if identity not in self._clients:
            self._clients[identity] = await self.bench.open(self.stack, *arguments)
        return self._clients[identity]

    async def clean(self) -> None:
        """Remove what this example left in the target."""
        raise NotImplementedError


class Bench(Generic[SpaceT]):
    """Runs the body of a check against one target.

    ``factory`` is what the adapter's author gave; it is only ever called on the kit's own event loop.
    """

    clients_outlive_examples: ClassVar[bool]
    """Whether the examples of one search share their clients."""

    def __init__(self, factory: Callable[..., Any], settings: BenchSettings, name: str) -> None:
        self.factory = factory
        self.settings = settings
        self.name = name
        self.seed = settings.seed ^ (hash_text(name) & 0x7FFFFFFF)
        self._counter = itertools.count()

    @property
    def call_seconds(self) -> float:
        """How long one call may take."""
        declared = self.settings.capabilities.call_timeout_seconds
        return min(declared, _HUNG_WITHIN) if self.settings.health.hung_call else declared

    def random(self) -> random.Random:
        """A fresh generator: the same seed and check give the same numbers."""
        return random.Random(f"{self.seed}-{next(self._counter)}")

    async def open(self, stack: AsyncExitStack, *arguments: Any) -> Any:
        """One more client from the factory."""
        keywords = {} if self.settings.clock is None else {"clock": self.settings.clock}
        return await open_client(stack, self.factory, *arguments, **keywords)

    def run(self, body: Callable[[SpaceT], Awaitable[T]]) -> T:
        """Run ``body`` once, in a space of its own.

        Raises:
            ClauseViolation: the body said so, a call raised where none should, or a call did not return in time.
        """
        return self._on_loop(self._in_one_space(body))

    def explore(
        self,
        strategy: SearchStrategy[Example],
        body: Callable[[SpaceT, Example], Awaitable[None]],
        *,
        first: Sequence[Example] = (),
    ) -> None:
        """Run ``body`` on ``first`` and on many more examples, each in its own space; raise the smallest failure."""
        profile = self.settings.profile
        clients: dict[Any, Any] = {}
        stack = AsyncExitStack()

        async def once(example: Example) -> None:
            if self.clients_outlive_examples:
                await self._in_space(stack, clients, lambda space: body(space, example))
            else:
                await self._in_one_space(lambda space: body(space, example))

        try:
            explore(
                strategy,
                lambda example: self._on_loop(once(example)),
                seed=self.seed,
                examples=profile.examples,
                search_seconds=profile.search_seconds,
                shrink_seconds=profile.shrink_seconds,
                first=first,
            )
        finally:
            with contextlib.suppress(Exception):
                self._on_loop(stack.aclose())

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        hung = self.settings.health.hung_call is not None
        within = 4 * _HUNG_WITHIN if hung else self.settings.profile.check_seconds + self.call_seconds
        try:
            return self.settings.loop.run(coroutine, within=within, what=f"{self.name} as a whole")
        except CallTimeoutError as error:
            previously = self.settings.health.hung_call
            self.settings.health.hung_call = previously or error.what
            raise self._hung(error, previously, "") from None

    async def _in_one_space(self, body: Callable[[SpaceT], Awaitable[T]]) -> T:
        async with AsyncExitStack() as stack:
            return await self._in_space(stack, {}, body)

    async def _in_space(
        self, stack: AsyncExitStack, clients: dict[Any, Any], body: Callable[[SpaceT], Awaitable[T]]
    ) -> T:
        space = self._space(stack, clients)
        try:
            return await self._guarded(space, lambda: body(space))
        finally:
            await space.clean()

    async def _guarded(self, space: Space, body: Callable[[], Awaitable[T]]) -> T:
        previously = self.settings.health.hung_call
        try:
            return await body()
        except TargetRaised as raised:
            observed = trace(space.recorder.records, hide=space.name, marked=(raised.record,))
            raise ClauseViolation(str(raised), observed) from raised.error
        except CallTimeoutError as error:
            raise self._hung(error, previously, trace(space.recorder.records, hide=space.name)) from None

    @staticmethod
    def _hung(error: CallTimeoutError, previously: str | None, observed: str) -> Exception:
        if previously is not None:
            return Inconclusive(f"{error}; this target had hung before, in {previously}")
        return ClauseViolation(str(error), observed)

    def _space(self, stack: AsyncExitStack, clients: dict[Any, Any]) -> SpaceT:
        raise NotImplementedError


async def clean_quietly(calls: list[Callable[[], Awaitable[Any]]]) -> None:
    """Make the calls, some at a time, within a bound; what a target refuses to remove is not the check's concern."""
    gate = asyncio.Semaphore(_OPEN_CALLS_AT_CLEANUP)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            with contextlib.suppress(Exception):
                await call()

    tasks = [asyncio.ensure_future(one(call)) for call in calls]
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=_CLEANUP_SECONDS)
        for task in pending:
            task.cancel()


def hash_text(text: str) -> int:
    """A hash that is the same in every process."""
    return int.from_bytes(uuid.uuid5(uuid.NAMESPACE_OID, text).bytes[:8], "big")
