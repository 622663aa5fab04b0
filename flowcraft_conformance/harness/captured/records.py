"""What is noted of a captured run."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.runtime import short_keys


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
    keys: int = 0
    """Coordination keys there are that can be lost."""
    waiting: int = 0
    """Jobs that are due while this call is made."""
    place: str = ""
    """Of a call that something happened to: file and line in the adapter's own code."""


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


@dataclass(frozen=True, slots=True)
class KeyLeft:
    """A coordination key that is there long after the end of its run; times in seconds after that end."""

    key: str
    written: float
    """When it was last written or extended; negative: before the end."""
    ends: float


_LINES_OF_PLACE = 2
_NODE_LOCKS = "flowcraft:nodelock:"
_KIT = str(Path(__file__).parent)
_NOT_OF_THE_ADAPTER = (_KIT, str(short_keys.__file__))
"""What only passes calls on says nothing of who made them."""
_ASYNCIO = str(Path(asyncio.__file__).parent)


class LiveKeys:
    """The coordination keys there are, with the world time of their expiry."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.deadlines: dict[str, float] = {}
        self.armed_at: dict[str, float] = {}
        """When each key was last written or extended."""
        self._first = float("inf")

    @property
    def losable(self) -> list[str]:
        """The keys that may be lost at any moment, in order: all but the locks of nodes, which may be executing."""
        return sorted(key for key in self.deadlines if not key.startswith(_NODE_LOCKS))

    def arm(self, key: str, ttl: float) -> None:
        """The key now ends so much later."""
        self.armed_at[key] = self._clock.monotonic()
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
    """File and line of every await on which a task of this loop stands, and of those of the caller."""
    places: list[tuple[str, int]] = []
    frame: FrameType | None = sys._getframe(1)  # a coroutine that runs does not show what it awaits
    while frame is not None:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    for task in asyncio.all_tasks():
        current: Any = task.get_coro()
        while current is not None:
            suspended = getattr(current, "cr_frame", None)
            if suspended is not None:
                places.append((suspended.f_code.co_filename, suspended.f_lineno))
            current = getattr(current, "cr_await", None)
    return places


def place_in_adapter() -> str:
    """Where the caller's call came from: the innermost two lines that are not the kit's, ``file:line < file:line``."""
    lines: list[str] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and len(lines) < _LINES_OF_PLACE:
        file = frame.f_code.co_filename
        if file.startswith(_ASYNCIO):
            break
        if not file.startswith(_NOT_OF_THE_ADAPTER):
            lines.append(f"{Path(file).name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines)


class QuietLogger:
    """A logger for runs that are made by the thousand."""

    def debug(self, message: str, **fields: Any) -> None:
        """Nothing."""

    info = warning = error = debug
