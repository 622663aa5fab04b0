"""Adapters that do not start or close as they should: each is the one in memory with one mistake."""

from __future__ import annotations

import asyncio
import socket

from flowcraft_conformance import JobPayload
from reference_adapters.memory.queue import Handler, MemoryConsumer, _Message
from tests.mutants.adapters_queue import QueueMutant


class StartsBeforeItListens(QueueMutant):
    """start() makes a task and returns before that one has subscribed."""

    breaks = "JOB-LIFE-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def later() -> None:
            await asyncio.sleep(2)
            await QueueMutant.process_jobs(self, handler)

        self._later = asyncio.ensure_future(later())


class BeginsWithTheNewestMessage(QueueMutant):
    """The first worker begins where the queue is when it comes."""

    breaks = "JOB-LIFE-01"

    async def process_jobs(self, handler: Handler) -> None:
        if not vars(self._cluster).setdefault("begun", False):
            vars(self._cluster)["begun"] = True
            self._cluster.queue.messages.clear()
        await super().process_jobs(handler)


class CutsJobsOff(QueueMutant):
    """close() cancels the jobs in flight."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        await self.disconnect()


class LosesTheJobInFlight(QueueMutant):
    """close() cancels the jobs in flight, and they were acknowledged before."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        self._cluster.queue.messages.clear()
        await self.disconnect()


class ClosesAtOnce(QueueMutant):
    """close() does not wait for the jobs in flight, which go on by themselves."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        self._consumer = None


class TakesJobsWhileItCloses(QueueMutant):
    """It stops to listen when all is done, and that may be never."""

    breaks = "JOB-LIFE-02"

    async def process_jobs(self, handler: Handler) -> None:
        await super().process_jobs(self.handle_job)

    async def close(self) -> None:
        consumer = self._consumer
        while consumer is not None and consumer._jobs:
            await asyncio.wait(set(consumer._jobs))
        await super().close()


class ClosesOnlyOnce(QueueMutant):
    """A second close() meets what is closed already."""

    breaks = "JOB-LIFE-02"
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("the pool is closed")
        self.closed = True
        await super().close()


class _ForgetsAtTheEnd(MemoryConsumer):
    stopping = False

    async def stop(self) -> None:
        self.stopping = True
        await super().stop()

    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        async def handle(job: JobPayload) -> None:
            await handler(job)
            if self.stopping:  # the connection on which it would be acknowledged is closed
                message.receipt += 1

        await super()._deliver(message, receipt, handle)


class ClosesBeforeItAcknowledges(QueueMutant):
    """The last jobs are done, and come back, since their connection was closed first."""

    breaks = "JOB-LIFE-02"
    consumer = _ForgetsAtTheEnd


class LeavesATaskBehind(QueueMutant):
    """Nobody ends the task that looks for dead workers."""

    breaks = "JOB-LIFE-02"

    async def open(self) -> None:
        tasks = vars(self._cluster).setdefault("tasks", set())
        tasks.add(asyncio.ensure_future(asyncio.sleep(300)))


class LeavesASocketBehind(QueueMutant):
    """Each open makes a connection, and close releases the last one only."""

    breaks = "JOB-LIFE-02"

    async def open(self) -> None:
        vars(self._cluster).setdefault("sockets", []).append(socket.socket())


LIFE: tuple[type[QueueMutant], ...] = (
    StartsBeforeItListens,
    BeginsWithTheNewestMessage,
    CutsJobsOff,
    LosesTheJobInFlight,
    ClosesAtOnce,
    TakesJobsWhileItCloses,
    ClosesOnlyOnce,
    ClosesBeforeItAcknowledges,
    LeavesATaskBehind,
    LeavesASocketBehind,
)
