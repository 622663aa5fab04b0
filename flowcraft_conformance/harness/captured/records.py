"""What is noted of a captured run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.payloads import JobPayload


class InjectedError(ConnectionError):
    """A call that the plan lets fail."""


class LivelockError(Exception):
    """A run that goes on for ever: jobs are delivered again and again and nothing is decided."""


@dataclass(frozen=True, slots=True)
class CallSeen:
    """One call of a worker."""

    number: int
    worker: int
    delivery: int
    part: str
    name: str
    about: str


@dataclass(slots=True)
class Execution:
    """One execution of a node: by which delivery, with what input, and when on the
    world's time, and which outputs were stored (where watched)."""

    node: str
    delivery: int
    input: Any
    at: float
    stored: frozenset[str] = frozenset()


@dataclass(slots=True)
class Queued:
    """A job in the world's queue."""

    job: JobPayload
    due: float


@dataclass(slots=True)
class Delivery:
    """One delivery of one job, and how it ended."""

    number: int
    job: JobPayload
    worker: int
    outcome: str = "running"
    error: BaseException | None = None
    calls: int = 0
    hold_at: int | None = None


class LiveKeys:
    """The coordination keys there are, with the world time of their expiry."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.deadlines: dict[str, float] = {}
        self._first = float("inf")

    def arm(self, key: str, ttl: float) -> None:
        """The key now ends so much later."""
        self.deadlines[key] = self._clock.monotonic() + ttl
        self._first = min(self._first, self.deadlines[key])

    def forget(self, key: str) -> None:
        """The key is gone."""
        self.deadlines.pop(key, None)

    def expired(self) -> list[str]:
        """Keys that are past their end; they are forgotten."""
        now = self._clock.monotonic()
        if now < self._first:
            return []
        past = [key for key, deadline in self.deadlines.items() if deadline <= now]
        for key in past:
            del self.deadlines[key]
        self._first = min(self.deadlines.values(), default=float("inf"))
        return past


def stacks_of_tasks() -> list[tuple[str, int]]:
    """File and line of every await on which a task of this loop stands."""
    places: list[tuple[str, int]] = []
    for task in asyncio.all_tasks():
        current: Any = task.get_coro()
        while current is not None:
            frame = getattr(current, "cr_frame", None)
            if frame is not None:
                places.append((frame.f_code.co_filename, frame.f_lineno))
            current = getattr(current, "cr_await", None)
    return places


class QuietLogger:
    """A logger for runs that are made by the thousand."""

    def debug(self, message: str, **fields: Any) -> None:
        """Nothing."""

    info = warning = error = debug
