"""The jobs a worker has taken, so that closing it can wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import Clock, ILogger
from flowcraft_conformance.runtime.execution import stop

Handler = Callable[[JobPayload], Awaitable[None]]

_CLOSING_DEFERRAL = 1.0
"""Seconds until a job that reached a closing worker is looked at by another."""


class JobsInFlight:
    """Counts jobs between delivery and outcome."""

    def __init__(self, clock: Clock, logger: ILogger) -> None:
        self._clock = clock
        self._logger = logger
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def reopen(self) -> None:
        """Take jobs again."""
        self._closing = False

    def counting(self, handle: Handler) -> Handler:
        """The handler for the queue: the same, counted, and in a task of its own, so that it can be cancelled."""

        async def counted(job: JobPayload) -> None:
            if self._closing:
                raise JobDeferred(_CLOSING_DEFERRAL, "this worker is closing")
            task = asyncio.ensure_future(_awaited(handle(job)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                await stop(task)
                if (current := asyncio.current_task()) is not None and current.cancelling():
                    raise
                # Cut off by drain: to the queue that is no cancellation of its own task.
                raise JobDeferred(_CLOSING_DEFERRAL, "this worker closed before the job was done") from None

        return counted

    async def drain(self, grace_seconds: float) -> None:
        """Take no more jobs, wait for those in flight, and cancel what is not done after so many seconds."""
        self._closing = True
        tasks = set(self._tasks)
        if not tasks:
            return
        alarm = asyncio.ensure_future(_awaited(self._clock.sleep(grace_seconds)))
        everything = asyncio.gather(*tasks, return_exceptions=True)
        either: set[asyncio.Future[Any]] = {everything, alarm}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await stop(alarm)
        late = [task for task in tasks if not task.done()]
        if late:
            self._logger.warning("jobs were cut off by closing; they will be delivered again", jobs=len(late))
        for task in late:
            await stop(task)
        everything.cancel()


async def _awaited(call: Awaitable[None]) -> None:
    await call
