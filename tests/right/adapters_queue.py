"""Right queues that are built or behave differently: nobody may be accused for it."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import Any

from flowcraft_conformance import AdapterOptions, InvalidJobError, JobDeferred, JobPayload
from reference_adapters.memory import MemoryAdapter, MemoryHarness
from reference_adapters.memory.queue import Handler, MemoryConsumer, _Message
from tests.mutants.adapters_queue import QueueMutant, harness_of


class RightQueue(QueueMutant):
    """Has no mistake."""


class DeliversEveryJobTwice(RightQueue):
    """A careful sender: of every job there are two messages."""

    async def enqueue_job(self, job: JobPayload) -> None:
        await super().enqueue_job(job)
        await super().enqueue_job(job)


class AnswersSlowly(RightQueue):
    """A server far away: every message is on its way for a while, and every call takes its time."""

    async def enqueue_job(self, job: JobPayload) -> None:
        await asyncio.sleep(0.02)
        self._cluster.queue.send(job.to_json(), delay_seconds=random.uniform(0.1, 0.4))

    async def open(self) -> None:
        await asyncio.sleep(0.1)

    async def stop_jobs(self) -> None:
        await asyncio.sleep(0.1)
        await super().stop_jobs()


class _NewestFirst(MemoryConsumer):
    def _next(self) -> _Message | None:
        messages = self._queue.messages
        ordered = dict(sorted(messages.items(), reverse=True))
        messages.clear()
        messages.update(ordered)
        return super()._next()


class TakesTheNewestFirst(RightQueue):
    """A stack."""

    consumer = _NewestFirst


class _Republishing(MemoryConsumer):
    """Counts attempts in the message: what is not done is sent again as a copy, and acknowledged after."""

    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        try:
            job = JobPayload.from_wire(message.body)
        except InvalidJobError as error:
            logging.getLogger("somebodys.adapter").warning("dropped: %s", error)
            self._queue.acknowledge(message, receipt)
            return
        last = job.attempt >= self._queue.attempts
        renewing = asyncio.create_task(self._renew(message, receipt))
        try:
            await handler(replace(job, is_last_attempt=last))
        except JobDeferred as deferred:
            self._queue.send(job.to_json(), delay_seconds=max(deferred.delay_seconds, 0.001))
        except Exception as error:
            if last:
                await self._abandon(job, repr(error))
            else:
                self._queue.send(replace(job, attempt=job.attempt + 1).to_json(), delay_seconds=0.05)
        finally:
            renewing.cancel()
        self._queue.acknowledge(message, receipt)


class SendsCopiesOfWhatFailed(RightQueue):
    """As a queue without attempts of its own; it logs through Python's logging."""

    consumer = _Republishing


class OneJobAtATime(RightQueue):
    """Workers without any concurrency of their own."""

    def __init__(self, options: AdapterOptions, *rest: Any) -> None:
        super().__init__(options, *rest, concurrency=1)


class _TakingAhead(MemoryConsumer):
    """Keeps up to five messages in hand, with their leases renewed, and hands them out at its own pace."""

    async def _listen(self, handler: Handler) -> None:
        while True:
            hand = [message for _ in range(5) if (message := self._queue.receive()) is not None]
            for message in hand:
                await asyncio.sleep(0.002)
                task = asyncio.create_task(self._deliver(message, message.receipt, handler))
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)
            if not hand:
                await self._wait_for_more()

    async def stop(self) -> None:
        """What is in hand goes back when its lease ends."""
        await super().stop()


class TakesJobsAhead(RightQueue):
    """Prefetches, and works on all that it has."""

    consumer = _TakingAhead


RIGHT: tuple[type[MemoryAdapter], ...] = (
    RightQueue,
    DeliversEveryJobTwice,
    AnswersSlowly,
    TakesTheNewestFirst,
    SendsCopiesOfWhatFailed,
    OneJobAtATime,
    TakesJobsAhead,
)


def right_harness(adapter: type[MemoryAdapter]) -> type[MemoryHarness]:
    """A harness class for one of them."""
    return harness_of(adapter)
