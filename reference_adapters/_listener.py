"""A worker's side of a queue that is asked for messages and leases them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from flowcraft_conformance import ILogger

D = TypeVar("D")

_STOP_SECONDS = 2.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class Listener(Generic[D]):
    """Takes messages from one queue, ``concurrency`` at a time, and renews the lease of each until ``take`` ends.

    ``hand_back`` is given those that come when it is being stopped. ``receive`` is told how many there may be, and
    waits for some. ``failures`` are what the queue raises when it cannot be reached.
    """

    def __init__(
        self,
        receive: Callable[[int], Awaitable[Sequence[D]]],
        renew: Callable[[D], Awaitable[None]],
        lease_seconds: float,
        failures: tuple[type[Exception], ...],
        concurrency: int,
        take: Callable[[D], Awaitable[None]],
        hand_back: Callable[[D], Awaitable[None]],
        logger: ILogger,
    ) -> None:
        self._receive = receive
        self._renewed = renew
        self._lease_seconds = lease_seconds
        self._failures = failures
        self._concurrency = concurrency
        self._take = take
        self._hand_back = hand_back
        self._logger = logger
        self._freed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether it takes no more messages."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Begin to take messages."""
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Take no more messages; what is in flight goes on.

        A poll that has not come back soon is cut off: a message it was just being given comes again after its lease.
        """
        self._stopped.set()
        self._freed.set()
        listening, self._listening = self._listening, None
        if listening is not None:
            await ended({listening}, within=_STOP_SECONDS)

    async def close(self) -> None:
        """End: what was done is still told to the queue; what is not done comes again after its lease."""
        await self.stop()
        await ended(set(self._deliveries), within=_STOP_SECONDS)

    async def _listen(self) -> None:
        pause = _SHORTEST_PAUSE
        while not self.stopping:
            free = self._concurrency - len(self._deliveries)
            if free <= 0:
                self._freed.clear()
                await self._freed.wait()
                continue
            try:
                deliveries = await self._receive(free)
            except self._failures as error:
                self._logger.warning("the queue could not be read; it is tried again", error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _SHORTEST_PAUSE
            self._begin(deliveries)

    def _begin(self, deliveries: Sequence[D]) -> None:
        take = self._hand_back if self.stopping else self._take
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery, take))
            self._deliveries.add(task)
            task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        self._freed.set()

    async def _deliver(self, delivery: D, take: Callable[[D], Awaitable[None]]) -> None:
        renewing = asyncio.create_task(self._renew(delivery))
        try:
            await take(delivery)
        except self._failures as error:
            self._logger.warning(
                "the queue was not told how a job ended; it comes again after its lease", error=repr(error)
            )
        finally:
            renewing.cancel()

    async def _renew(self, delivery: D) -> None:
        """Keep the message hidden (JOB-LONG-01); a renewal that fails stops nothing."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._renewed(delivery)
            except self._failures as error:
                self._logger.warning("the lease of a job could not be renewed", error=repr(error))


async def ended(tasks: set[asyncio.Task[Any]], *, within: float) -> None:
    """Wait for the tasks, and cancel those that take longer."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=within)
