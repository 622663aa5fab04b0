"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class VirtualClock:
    """Virtual time in seconds; implements :class:`Clock`. Sleepers wake when :meth:`advance` passes their time."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def monotonic(self) -> float:
        """The present moment."""
        return self._now

    def time(self) -> float:
        """The present moment; virtual time has only one origin."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved by so many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._count), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move on and wake whoever is due, in the order of their deadlines."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def advance_to_next(self) -> bool:
        """Move to the earliest deadline of a sleeper; False where nobody sleeps."""
        if not self._sleepers:
            return False
        self.advance(max(self._sleepers[0][0] - self._now, 0.0))
        return True
