"""A worker's side of the queue: leases that are renewed, outcomes that are told, poison that is published and kept."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from flowcraft_conformance import ILogger, InvalidJobError, JobDeferred, JobPayload
from reference_adapters._listener import Listener
from reference_adapters.cosmos_azure_queue.calls import FAILURES
from reference_adapters.cosmos_azure_queue.queue import (
    POISON_SECONDS,
    AzureQueue,
    Delivery,
    Polls,
    QueueSettings,
    noted,
)

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]

_DIED = "its deliveries were used up by workers that died"


class QueueConsumer:
    """One worker: runs the jobs of the queue, and gives up those whose deliveries are used up."""

    def __init__(
        self,
        jobs: AzureQueue,
        poison: AzureQueue,
        settings: QueueSettings,
        handler: Handler,
        abandon: Abandon,
        logger: ILogger,
    ) -> None:
        self._jobs = jobs
        self._poison = poison
        self._settings = settings
        self._handler = handler
        self._abandon = abandon
        self._logger = logger
        self._listener = Listener(
            Polls(jobs, settings),
            self._renew,
            settings.lease_seconds,
            FAILURES,
            settings.concurrency,
            self._work,
            self._hand_back,
            logger,
        )

    async def start(self) -> None:
        """Begin to take jobs; returns once both queues were found.

        Raises:
            azure.core.exceptions.AzureError: a queue is not there, or Azure refused or could not be reached.
        """
        for queue in (self._jobs, self._poison):
            await queue.find()
        self._listener.start()

    async def stop(self) -> None:
        """Take no new job; those in flight go on."""
        await self._listener.stop()

    async def close(self) -> None:
        """End, as :meth:`Listener.close` does."""
        await self._listener.close()

    async def _renew(self, delivery: Delivery) -> None:
        await self._jobs.hide(delivery, self._settings.lease_seconds)

    async def _work(self, delivery: Delivery) -> None:
        """Hand one job to the handler, and tell the queue what its outcome asks for (JOB-ACK-01, JOB-NACK-01)."""
        job = await self._job_of(delivery)
        if job is None:
            return
        if delivery.reason is not None or delivery.attempt > self._settings.attempts:
            await self._give_up(delivery, job, delivery.reason or _DIED)
            return
        try:
            await self._handler(job)
        except JobDeferred as deferred:
            await self._put_back(delivery, deferred.delay_seconds)
        except Exception as error:
            if job.is_last_attempt:
                await self._give_up(delivery, job, f"{type(error).__name__}: {error}")
            else:
                await self._jobs.hide(delivery, self._settings.retry_after(delivery.attempt))
        else:
            await self._jobs.delete(delivery)

    async def _job_of(self, delivery: Delivery) -> JobPayload | None:
        """The job; a message that is none is dropped, with a line in the log (JOB-BAD-01)."""
        try:
            job = JobPayload.from_wire(delivery.body)
        except InvalidJobError as error:
            self._logger.warning("a message that is no job was dropped", error=str(error), body=delivery.body[:200])
            await self._jobs.delete(delivery)
            return None
        last = delivery.attempt >= self._settings.attempts
        attempt = min(delivery.attempt, self._settings.attempts)
        return JobPayload(job.run_id, job.blueprint_id, job.node_id, attempt, last)

    async def _put_back(self, delivery: Delivery, delay_seconds: float) -> None:
        """Let the message come again later, and note in it that this delivery used up no attempt.

        Azure hides by whole seconds: less than one passes here, with the lease renewed.
        """
        delay = max(delay_seconds, 0.0)
        if delay < 1 and not self._listener.stopping:
            await asyncio.sleep(delay)
            delay = 0.0
        await self._hand_back(delivery, math.ceil(delay))

    async def _hand_back(self, delivery: Delivery, delay_seconds: int = 0) -> None:
        deferred = delivery.received - delivery.attempt + 1
        await self._jobs.hide(delivery, delay_seconds, noted(delivery.body, deferred=deferred))

    async def _give_up(self, delivery: Delivery, job: JobPayload, reason: str) -> None:
        """The run of a poison message fails and says why (DLQ-01); then the message goes to the poison queue.

        In this order, so that a worker which dies on the way leaves a message that is given up again. Where the failure
        cannot be published the reason is noted in the message, which comes again after its lease.
        """
        try:
            await self._abandon(job, reason)
        except Exception as error:
            self._logger.warning("a job could not be given up and is kept", job=job.node_id, error=repr(error))
            await self._jobs.hide(delivery, self._settings.lease_seconds, noted(delivery.body, reason=reason))
            return
        await self._poison.send(noted(delivery.body, reason=reason), keep_seconds=POISON_SECONDS)
        await self._jobs.delete(delivery)
