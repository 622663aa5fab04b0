"""Where a check meets a target: fresh keys, recorded clients, examples that shrink, and everything removed after."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.checking.exploration import explore
from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable
from flowcraft_conformance.harness.calls import CallRecord, Recorder, TargetRaised, outcome_of
from flowcraft_conformance.harness.errors import CallTimeoutError, describe_error
from flowcraft_conformance.harness.evidence import violation
from flowcraft_conformance.harness.health import HUNG_WITHIN, Health
from flowcraft_conformance.harness.loop import LoopThread, bounded
from flowcraft_conformance.harness.profile import PROFILES, Profile
from flowcraft_conformance.harness.surroundings import Surroundings
from flowcraft_conformance.harness.target import open_client as open_client

T = TypeVar("T")
Example = TypeVar("Example")
SpaceT = TypeVar("SpaceT", bound="Space")

_OPEN_CALLS_AT_CLEANUP = 32
_CLEANUP_SECONDS = 10.0
_FEWEST_EXAMPLES = 10
_OPENING = "building a client"
_CLOSING = "closing a client"
_CLEANING = "removing what a check left"


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
    replay: str | None = None
    """The token of the one schedule or plan that is run; checks that search for none then do not apply."""
    memo: dict[str, Any] = field(default_factory=dict)
    """What several checks of this target share, such as one wait for many TTLs."""


class Space:
    """One example's own corner of the target: nothing of another example is seen in it."""

    def __init__(self, bench: Bench[Any], stack: AsyncExitStack, clients: dict[Any, Any]) -> None:
        self.bench = bench
        self.name = f"fc-{uuid.uuid4().hex[:12]}"
        self.stack = stack
        self.recorder = Recorder(bench.settings.capabilities.call_timeout_seconds, bench.settings.health)
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
        return violation(summary, self.recorder.records, hide=self.name)

    def own_health(self) -> None:
        """From here on a call that hangs is this example's own matter.

        Raises:
            Inconclusive: the target has hung before.
        """
        if (hung := self.bench.settings.health.hung_call) is not None:
            raise Inconclusive(f"this target had hung before, in {hung}")
        self.recorder.health = Health()

    async def target(self, identity: Any, *arguments: Any) -> Any:
        """The client with this identity, opened when first asked for; one instance for all where state is unshared."""
        if not self.bench.settings.shared:
            identity = arguments
        if identity not in self._clients:
            self._clients[identity] = await self.bench.open(self.stack, *arguments)
        return self._clients[identity]

    async def touch(self) -> None:
        """One harmless write and read, to see how the target answers."""
        raise NotImplementedError

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
        self.notes: list[tuple[str, str]] = []
        self._counter = itertools.count()

    def note(self, line: str, details: str = "") -> None:
        """What was measured, for the report to show although the check passes: in one line, and in full."""
        self.notes.append((line, details))

    @property
    def call_seconds(self) -> float:
        """How long one call may take."""
        declared = self.settings.capabilities.call_timeout_seconds
        return min(declared, HUNG_WITHIN) if self.settings.health.hung_call else declared

    def random(self) -> random.Random:
        """A fresh generator: the same seed and check give the same numbers."""
        return random.Random(f"{self.seed}-{next(self._counter)}")

    async def open(self, stack: AsyncExitStack, *arguments: Any) -> Any:
        """One more client from the factory.

        Raises:
            ClauseViolation: the factory raised.
            CallTimeoutError: it did not return in time.
        """
        keywords = {} if self.settings.clock is None else {"clock": self.settings.clock}
        client, error = await self._bounded(_OPENING, lambda: open_client(stack, self.factory, *arguments, **keywords))
        if error is not None:
            raise ClauseViolation(f"{_OPENING} raised {describe_error(error)}", "") from error
        return client

    async def _bounded(self, what: str, call: Callable[[], Awaitable[Any]]) -> tuple[Any, BaseException | None]:
        health = self.settings.health
        within = health.seconds_for(what, self.settings.capabilities.call_timeout_seconds)
        started = time.monotonic()
        try:
            return await bounded(lambda: outcome_of(what, call), within=within, what=what)
        except CallTimeoutError as error:
            health.note(error, started)
            raise

    async def _close(self, stack: AsyncExitStack) -> None:
        """Close clients; that one of them cannot be closed is no check's concern."""
        with contextlib.suppress(CallTimeoutError):
            await self._bounded(_CLOSING, stack.aclose)

    def run(self, body: Callable[[SpaceT], Awaitable[T]]) -> T:
        """Run ``body`` once, in a space of its own.

        Raises:
            ClauseViolation: the body said so, a call raised where none should, or a call did not return in time.
            NotApplicable: only a schedule or a plan is replayed.
        """
        self._refuse_in_replay()
        return self.try_out(body)

    def try_out(self, body: Callable[[SpaceT], Awaitable[T]]) -> T:
        """The same, to find out what a target can do and not to judge it."""
        with self._on_the_first_loop():
            return self._on_loop(self._in_one_space(body))

    def _refuse_in_replay(self) -> None:
        if self.settings.replay is not None:
            raise NotApplicable(f"only {self.settings.replay} is replayed, and this check searches for no schedule")

    def explore(
        self,
        strategy: SearchStrategy[Example],
        body: Callable[[SpaceT, Example], Awaitable[None]],
        *,
        first: Sequence[Example] = (),
        share: int = 1,
    ) -> None:
        """Run ``body`` on ``first`` and on many more examples, each in its own space; raise the smallest failure.

        ``share``: only one in so many of the profile's examples, where one example holds several.
        """
        self._refuse_in_replay()
        profile = self.settings.profile
        clients: dict[Any, Any] = {}
        stack = AsyncExitStack()

        async def once(example: Example) -> None:
            if self.clients_outlive_examples:
                await self._in_space(stack, clients, lambda space: body(space, example))
            else:
                await self._in_one_space(lambda space: body(space, example))

        try:
            with self._on_the_first_loop():
                explore(
                    strategy,
                    lambda example: self._on_loop(once(example)),
                    seed=self.seed,
                    examples=max(profile.examples // share, _FEWEST_EXAMPLES),
                    search_seconds=profile.search_seconds,
                    shrink_seconds=profile.shrink_seconds,
                    first=first,
                    settled=lambda: self.settings.health.first is not None,
                )
        finally:
            with contextlib.suppress(ClauseViolation, Inconclusive):
                self._on_loop(self._close(stack))

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        health = self.settings.health
        previously, started = health.hung_call, time.monotonic()
        try:
            return self.settings.loop.run(
                coroutine,
                within=4 * HUNG_WITHIN if previously else self.settings.profile.check_seconds + self.call_seconds,
                what=f"{self.name} as a whole",
                call_within=self.call_seconds,
            )
        except CallTimeoutError as error:
            health.note(error, started)
            raise self._hung(error, previously, ()) from None

    @contextlib.contextmanager
    def _on_the_first_loop(self) -> Iterator[None]:
        """Once a loop was lost, nothing is held against a target that may still be tied to it."""
        lost = self.settings.loop.abandoned > 0
        try:
            yield
        except ClauseViolation as violation:
            if not lost:
                raise
            raise Inconclusive(
                f"{violation.summary}; but this ran on a new event loop, because the first one was blocked by a target"
            ) from violation

    async def _in_one_space(self, body: Callable[[SpaceT], Awaitable[T]]) -> T:
        stack = AsyncExitStack()
        try:
            return await self._in_space(stack, {}, body)
        finally:
            await self._close(stack)

    async def _in_space(
        self, stack: AsyncExitStack, clients: dict[Any, Any], body: Callable[[SpaceT], Awaitable[T]]
    ) -> T:
        space = self._space(stack, clients)
        try:
            return await self._guarded(space, lambda: body(space))
        finally:
            await space.clean()

    async def _guarded(self, space: Space, body: Callable[[], Awaitable[T]]) -> T:
        previously, started = self.settings.health.hung_call, time.monotonic()
        try:
            return await body()
        except TargetRaised as raised:
            marked = (raised.record,)
            raise violation(str(raised), space.recorder.records, hide=space.name, marked=marked) from raised.error
        except CallTimeoutError as error:
            if previously is None and self.settings.health.hung_call is None:  # in an example with a health of its own
                self.settings.health.note(error, started)
            raise self._hung(error, previously, space.recorder.records, space.name) from None

    @staticmethod
    def _hung(
        error: CallTimeoutError, previously: str | None, records: Sequence[CallRecord], hide: str = ""
    ) -> Exception:
        if previously is not None:
            return Inconclusive(f"{error}; this target had hung before, in {previously}")
        return violation(str(error), records, hide=hide)

    def space(self, stack: AsyncExitStack) -> SpaceT:
        """A space with clients of its own, for who runs the examples in another way."""
        return self._space(stack, {})

    def _space(self, stack: AsyncExitStack, clients: dict[Any, Any]) -> SpaceT:
        raise NotImplementedError


async def clean_quietly(calls: list[Callable[[], Awaitable[Any]]]) -> bool:
    """Make the calls, some at a time, and say whether they returned within a bound.

    What a target refuses to remove is not the check's concern.
    """
    gate = asyncio.Semaphore(_OPEN_CALLS_AT_CLEANUP)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await bounded(lambda: outcome_of(_CLEANING, call), within=_CLEANUP_SECONDS, what=_CLEANING)

    tasks = [asyncio.ensure_future(one(call)) for call in calls]
    if not tasks:
        return True
    done, pending = await asyncio.wait(tasks, timeout=_CLEANUP_SECONDS)
    for task in pending:
        task.cancel()
    return not pending and not any(isinstance(task.exception(), CallTimeoutError) for task in done)


def hash_text(text: str) -> int:
    """A hash that is the same in every process."""
    return int.from_bytes(uuid.uuid5(uuid.NAMESPACE_OID, text).bytes[:8], "big")
