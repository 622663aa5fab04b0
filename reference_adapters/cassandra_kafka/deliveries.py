"""What becomes of one record: a job is run, sent again or given up; a waiting one is sent when it is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord

from flowcraft_conformance import ICoordinationStore, ILogger, InvalidJobError, JobDeferred, JobPayload
from reference_adapters.cassandra_kafka.queue import FAILURES, Sender, headers_of

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]

COUNT_SECONDS = 86_400
"""How long it is known that a delivery was begun."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_DIED = "its deliveries were used up by workers that died"


class Deliveries:
    """Does the work of a record and of what follows from it. When a method returns, nothing is left to do for it.

    Kafka does not count deliveries; the coordination store does, or a job over which every worker dies would never be
    given up. A worker that dies between the outcome and the commit makes a duplicate, never a loss.
    """

    def __init__(
        self, sender: Sender, store: ICoordinationStore, handler: Handler, abandon: Abandon, logger: ILogger
    ) -> None:
        self._sender = sender
        self._settings = sender.settings
        self._store = store
        self._handler = handler
        self._abandon = abandon
        self._logger = logger

    async def run(self, record: ConsumerRecord) -> None:
        """Hand one job to the handler; what it raises says what becomes of the job (JOB-NACK-01)."""
        job = self._job_of(record)
        if job is None:
            return
        counted = await self._count(record)
        attempt = headers_of(record)[0] + counted - 1
        job = JobPayload(job.run_id, job.blueprint_id, job.node_id, attempt, attempt >= self._settings.attempts)
        body = job.to_json()
        if attempt > self._settings.attempts:
            await self._surely(lambda: self._sender.bury(body, _DIED))
            return
        try:
            await self._handler(job)
        except JobDeferred as deferred:
            delay = deferred.delay_seconds
            await self._surely(lambda: self._sender.send_later(body, delay, attempt=attempt))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            await self._surely(lambda: self._after_failure(job, body, reason))

    async def forget(self, record: ConsumerRecord) -> None:
        """It will not come again: its count is removed. Where that fails it expires."""
        try:
            await self._store.delete(_count_key(record))
        except Exception as error:
            self._logger.debug("the count of a delivery was left to expire", error=repr(error))

    async def send_when_due(self, record: ConsumerRecord) -> None:
        """Put a job that waited on the topic of jobs."""
        attempt, _, due = headers_of(record)
        await asyncio.sleep(max(due - time.time(), 0))
        await self._surely(lambda: self._sender.send(record.value or b"", attempt=attempt))

    async def give_up(self, record: ConsumerRecord) -> None:
        """The run fails and says why (DLQ-01). Where that fails it is tried again, less and less often."""
        job = self._job_of(record)
        if job is None:
            return
        reason = headers_of(record)[1] or _DIED
        pause = _SHORTEST_PAUSE
        while True:
            try:
                await self._abandon(job, reason)
            except Exception as error:
                self._logger.warning("a job could not be given up and is kept", job=job.node_id, error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._settings.longest_retry_seconds)
            else:
                return

    async def _after_failure(self, job: JobPayload, body: bytes, reason: str) -> None:
        if job.is_last_attempt:
            await self._sender.bury(body, reason)
        else:
            delay = self._settings.retry_after(job.attempt)
            await self._sender.send_later(body, delay, attempt=job.attempt + 1)

    async def _surely(self, send: Callable[[], Awaitable[None]]) -> None:
        """Kafka takes no record back: what is to be sent in its place is sent, or the record is not done."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                await send()
            except FAILURES as error:
                self._logger.warning("Kafka was not told how a job ended; it is told again", error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def _count(self, record: ConsumerRecord) -> int:
        try:
            return await self._store.increment(_count_key(record), COUNT_SECONDS)
        except Exception as error:
            self._logger.warning("a delivery could not be counted", error=repr(error))
            return 1

    def _job_of(self, record: ConsumerRecord) -> JobPayload | None:
        """The job; a message that is none is dropped, with a line in the log (JOB-BAD-01)."""
        try:
            return JobPayload.from_wire(record.value or b"")
        except (InvalidJobError, UnicodeDecodeError) as error:
            text = repr((record.value or b"")[:200])
            self._logger.warning("a message that is no job was dropped", error=str(error), data=text)
            return None


def _count_key(record: ConsumerRecord) -> str:
    """The record's time too: the offsets of a topic that was made anew begin again."""
    return f"flowcraft:delivery:{record.topic}:{record.partition}:{record.offset}:{record.timestamp}"
