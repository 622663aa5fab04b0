"""A worker's side of the queues: leases that are renewed, outcomes that are told, dead letters that are published."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from botocore.exceptions import BotoCoreError, ClientError

from flowcraft_conformance import ILogger, InvalidJobError, JobDeferred, JobPayload
from reference_adapters._listener import Listener
from reference_adapters.dynamodb_sqs.queue import Delivery, QueueSettings, SqsQueue, body_of

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]
Take = Callable[[Delivery], Awaitable[None]]

_FAILURES = (ClientError, BotoCoreError, OSError)
_AT_ONCE = 10
_DIED = "its deliveries were used up by workers that died"


class SqsConsumer:
    """One worker: runs the jobs of one queue, and gives up those of the other."""

    def __init__(
        self,
        polling: tuple[SqsQueue, SqsQueue],
        queues: tuple[SqsQueue, SqsQueue],
        settings: QueueSettings,
        handler: Handler,
        abandon: Abandon,
        logger: ILogger,
    ) -> None:
        self._jobs, self._dead = queues
        self._settings = settings
        self._handler = handler
        self._abandon = abandon
        self._logger = logger
        self._listeners = (
            self._listener(polling[0], self._jobs, settings.concurrency, self._work, self._hand_back, logger),
            self._listener(polling[1], self._dead, 1, self._give_up, self._show_again, logger),
        )
        self._polling = polling

    async def start(self) -> None:
        """Begin to take jobs; returns once both queues were found.

        Raises:
            botocore.exceptions.ClientError: a queue is not there, or SQS refused.
            botocore.exceptions.BotoCoreError: SQS could not be reached.
        """
        for queue, listener in zip(self._polling, self._listeners, strict=True):
            await queue.find()
            listener.start()

    async def stop(self) -> None:
        """Take no new job; those in flight go on."""
        await asyncio.gather(*[listener.stop() for listener in self._listeners])

    async def close(self) -> None:
        """End, as :meth:`Listener.close` does."""
        await asyncio.gather(*[listener.close() for listener in self._listeners])

    def _listener(
        self, polling: SqsQueue, queue: SqsQueue, concurrency: int, take: Take, hand_back: Take, logger: ILogger
    ) -> Listener[Delivery]:
        """``polling`` is the queue over a client whose calls may wait, ``queue`` the same one for everything else."""
        lease = self._settings.lease_seconds

        async def receive(most: int) -> list[Delivery]:
            return await polling.receive(min(most, _AT_ONCE), self._settings.poll_seconds, lease)

        async def renew(delivery: Delivery) -> None:
            await queue.hide(delivery.receipt, lease)

        return Listener(receive, renew, lease, _FAILURES, concurrency, take, hand_back, logger)

    async def _work(self, delivery: Delivery) -> None:
        """Hand one job to the handler, and tell the queue what its outcome asks for (JOB-ACK-01, JOB-NACK-01)."""
        job = await self._job_of(delivery, self._jobs)
        if job is None:
            return
        if delivery.attempt > self._settings.attempts:
            await self._bury(delivery, job, _DIED)
            return
        try:
            await self._handler(job)
        except JobDeferred as deferred:
            await self._put_back(delivery, deferred.delay_seconds)
        except Exception as error:
            if job.is_last_attempt:
                await self._bury(delivery, job, f"{type(error).__name__}: {error}")
            else:
                await self._jobs.hide(delivery.receipt, self._settings.retry_after(delivery.attempt))
        else:
            await self._jobs.delete(delivery.receipt)

    async def _job_of(self, delivery: Delivery, queue: SqsQueue) -> JobPayload | None:
        """The job; a message that is none is dropped, with a line in the log (JOB-BAD-01)."""
        try:
            job = JobPayload.from_wire(delivery.body)
        except InvalidJobError as error:
            self._logger.warning("a message that is no job was dropped", error=str(error), body=delivery.body[:200])
            await queue.delete(delivery.receipt)
            return None
        last = delivery.attempt >= self._settings.attempts
        return JobPayload(job.run_id, job.blueprint_id, job.node_id, delivery.attempt, last)

    async def _put_back(self, delivery: Delivery, delay_seconds: float) -> None:
        """Send a copy that comes later, with the attempts used so far, then remove the message.

        SQS counts what it delivers, so the message itself cannot come again without using up an attempt. It delays by
        whole seconds, and nothing on a FIFO queue: the rest of the time passes here, with the lease renewed.
        """
        delay = max(delay_seconds, 0.0)
        if self._settings.fifo:
            held, delayed = min(delay, float(self._settings.lease_seconds)), 0
        else:
            held, delayed = (delay, 0) if delay < 1 else (0.0, math.ceil(delay))
        if held and not self._listeners[0].stopping:
            await asyncio.sleep(held)
        await self._hand_back(delivery, delayed)

    async def _hand_back(self, delivery: Delivery, delay_seconds: int = 0) -> None:
        await self._jobs.send(delivery.body, delay_seconds=delay_seconds, used=delivery.attempt - 1)
        await self._jobs.delete(delivery.receipt)

    async def _show_again(self, delivery: Delivery) -> None:
        await self._dead.hide(delivery.receipt, 0)

    async def _bury(self, delivery: Delivery, job: JobPayload, reason: str) -> None:
        """Move the job to the dead letters, with the reason: what SQS moves there by itself has none."""
        await self._dead.send(body_of(job), reason=reason)
        await self._jobs.delete(delivery.receipt)

    async def _give_up(self, delivery: Delivery) -> None:
        """The run of a dead letter fails, and says why (DLQ-01). Where that fails it is tried again after the lease."""
        job = await self._job_of(delivery, self._dead)
        if job is None:
            return
        job = JobPayload(job.run_id, job.blueprint_id, job.node_id, self._settings.attempts, True)
        try:
            await self._abandon(job, delivery.reason or _DIED)
        except Exception as error:
            self._logger.warning("a job could not be given up and is kept", job=job.node_id, error=repr(error))
            await self._dead.hide(delivery.receipt, self._settings.lease_seconds)
        else:
            await self._dead.delete(delivery.receipt)
