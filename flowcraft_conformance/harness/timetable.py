"""Many small programs side by side in one wait: each says what it does when, a model of time says what it may see.

On real time all programs of a batch share one wait of a few seconds; on virtual time they share no wait at all.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.checking.coordination_model import KeyTimeline, Raised, StoreCall
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.calls import Recorder, StoreClient, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.evidence import SEPARATOR, trace, violation
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace

Program = Callable[["ProgramRun"], Awaitable[None]]

_CLIENTS = 4
_OPEN_CALLS = 16
"""Programs that may be inside a call at once: a client with a small pool is right too."""
_SLACK = 0.15
"""Seconds between a deadline and a look at it, on real time: a look that comes late is never held against a target."""


@dataclass(frozen=True, slots=True)
class Times:
    """Moments of a program in seconds from its start, far enough from every deadline to be decisive."""

    granularity: float
    lag: float
    slack: float
    may_jump: bool = False
    """Time is virtual: days cost nothing."""

    @property
    def short(self) -> int:
        """A TTL during which the key can be seen to be present, in whole seconds."""
        return 1 if self.granularity + 2 * self.slack < 1 else 2

    @property
    def later(self) -> float:
        """When a key armed with ``short`` at 0 is touched again, well before its deadline."""
        return 0.2 * (self.short - self.granularity)

    @property
    def long(self) -> int:
        """A TTL that, armed at ``later``, can be told from ``short`` armed at 0."""
        wanted = self.gone(0, self.short) + 2 * self.slack + self.granularity
        return int(wanted) + 1

    def gone(self, armed: float, ttl: float) -> float:
        """When a key armed then is surely absent."""
        return armed + ttl + self.lag + self.slack

    def kept(self, armed: float, ttl: float) -> float:
        """The last moment at which a key armed then is surely present."""
        return armed + ttl - self.granularity - self.slack


class _Pace:
    """Brings programs to their moments: by waiting, or by moving a virtual clock once all have come to rest."""

    def __init__(self, clock: VirtualClock | None, programs: int) -> None:
        self._clock = clock
        self._alive = programs
        self._resting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self.origin = self.now()

    def now(self) -> float:
        return time.monotonic() if self._clock is None else self._clock.monotonic()

    async def until(self, moment: float) -> None:
        if self._clock is None:
            await asyncio.sleep(max(self.origin + moment - self.now(), 0))
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._resting, (self.origin + moment, next(self._count), woken))
        self._move_on()
        await woken

    def leave(self) -> None:
        self._alive -= 1
        self._move_on()

    def _move_on(self) -> None:
        """Move to the earliest moment that is waited for; whoever it has come for does not rest any more."""
        if self._clock is None or len(self._resting) < self._alive or not self._resting:
            return
        due = self._resting[0][0]
        self._clock.advance(max(due - self.now(), 0.0))
        due = max(due, self.now())  # the sum may be a rounding error short of it
        while self._resting and self._resting[0][0] <= due:
            _, _, woken = heapq.heappop(self._resting)
            if not woken.done():
                woken.set_result(None)


@dataclass(slots=True)
class ProgramRun:
    """One program while it runs: its clients, its keys, and what it has seen."""

    name: str
    times: Times
    pace: _Pace
    space: StoreSpace
    recorder: Recorder
    stores: Sequence[StoreClient]
    gate: asyncio.Semaphore
    timelines: dict[str, KeyTimeline] = field(default_factory=dict)
    decisive: int = 0

    def key(self, name: str = "k") -> str:
        """A key that only this program uses."""
        return self.space.key(f"{self.name}{SEPARATOR}{name}")

    async def at(self, moment: float) -> None:
        """Go on no earlier than so many seconds after the start."""
        await self.pace.until(moment)

    async def call(self, operation: str, *arguments: Any, key: str = "k", client: int = 0) -> Any:
        """Make a call, hold what it returned against the model, and return it.

        Raises:
            ClauseViolation: no reading of the declared granularity and lag explains what was seen.
        """
        full = self.key(key)
        async with self.gate:
            try:
                output = await getattr(self.stores[client], operation)(full, *arguments)
            except TargetRaised as raised:
                output = Raised(type(raised.error).__name__, str(raised.error))
        record = self.recorder.records[-1]
        assert record.end is not None
        timeline = self.timelines.setdefault(full, KeyTimeline(self.times.granularity, self.times.lag))
        mismatch = timeline.observe(_store_call(operation, full, arguments), record.start, record.end, output)
        if mismatch is not None:
            raise self.violated(f"{operation} at {self.elapsed():.2f} s: {mismatch.explanation}")
        self.decisive += timeline.certain
        return output

    def last_end(self) -> float:
        """When the last call ended, in seconds from the start of the batch."""
        end = self.recorder.records[-1].end
        return (self.pace.now() if end is None else end) - self.pace.origin

    def elapsed(self) -> float:
        """Seconds since the program's first call."""
        return self.recorder.records[-1].start - self.recorder.records[0].start

    def violated(self, summary: str) -> ClauseViolation:
        """A violation that shows this program's calls, with their times."""
        hide = self.space.key(self.name)
        details = violation(summary, self.recorder.records, hide=hide).details
        return ClauseViolation(summary, timed_trace(self.recorder, hide=hide), details)


def timed_trace(recorder: Recorder, hide: str) -> str:
    """One line a call, with the time since the first."""
    first = recorder.records[0].start if recorder.records else 0.0
    lines = trace(recorder.records, hide=hide).splitlines()
    if len(lines) != len(recorder.records):
        return "\n".join(lines)
    return "\n".join(
        f"{record.start - first:7.2f} s {line}" for record, line in zip(recorder.records, lines, strict=True)
    )


def _store_call(operation: str, key: str, arguments: tuple[Any, ...]) -> StoreCall:
    if operation == "set_if_not_exist":
        return StoreCall(operation, key, value=arguments[0], ttl=arguments[1])
    return StoreCall(operation, key, ttl=arguments[0] if arguments else None)


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How one program of a batch ended; ``problem`` None means it saw nothing wrong."""

    family: str
    problem: Exception | None
    decisive: bool


def run_programs(bench: StoreBench, programs: Sequence[tuple[str, Program]]) -> list[ProgramResult]:
    """Run all programs side by side; ``programs`` are pairs of a family's name and a program."""

    async def body(space: StoreSpace) -> list[ProgramResult]:
        clock = bench.settings.clock
        capabilities = bench.settings.capabilities
        slack = _SLACK if clock is None else 0.001
        exact = clock is not None
        times = Times(
            0.0 if exact else capabilities.ttl_granularity, 0.0 if exact else capabilities.ttl_lag, slack, exact
        )
        targets = [(await space.client(number)).target for number in range(_CLIENTS)]
        pace = _Pace(clock, len(programs))
        gate = asyncio.Semaphore(_OPEN_CALLS)
        runs = []
        for number, (family, program) in enumerate(programs):
            recorder = Recorder(capabilities.call_timeout_seconds, bench.settings.health, now=pace.now)
            stores = [StoreClient(target, recorder, client) for client, target in enumerate(targets)]
            run = ProgramRun(f"p{number}", times, pace, space, recorder, stores, gate)
            runs.append((family, run, program))
        results = await asyncio.gather(*[_run_one(family, run, program) for family, run, program in runs])
        for _, run, _ in runs:
            space.recorder.records.extend(run.recorder.records)  # so that the space removes what they left
        return results

    return bench.run(body)


async def _run_one(family: str, run: ProgramRun, program: Program) -> ProgramResult:
    problem: Exception | None = None
    try:
        await program(run)
    except (ClauseViolation, Inconclusive) as error:
        problem = error
    except TargetRaised as raised:
        problem = run.violated(str(raised))
    except CallTimeoutError as error:
        first = error is run.recorder.health.first
        problem = run.violated(str(error)) if first else Inconclusive(f"{error}; other calls had hung before")
    finally:
        run.pace.leave()
    return ProgramResult(family, problem, run.decisive > 0)
