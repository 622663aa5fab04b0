"""A worker's side of the queues: leases that are extended, outcomes that are told, dead letters that are published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from google.api_core.exceptions import GoogleAPICallError

from flowcraft_conformance import ILogger, InvalidJobError, JobDeferred, JobPayload
from reference_adapters._listener import Listener, ended
from reference_adapters.firestore_pubsub.queue import MAX_LEASE_SECONDS, Delivery, PubSubQueue, QueueSettings

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]
Take = Callable[[Delivery], Awaitable[None]]

_FAILURES = (GoogleAPICallError, OSError)
_STOP_SECONDS = 2.0
_DIED = "its deliveries were used up by workers that died"


class PubSubConsumer:
    """One worker: runs the jobs of one queue, and gives up those of the other."""

    def __init__(
        self,
        polling: tuple[PubSubQueue, PubSubQueue],
        queues: tuple[PubSubQueue, PubSubQueue],
        settings: QueueSettings,
        handler: Handler,
        abandon: Abandon,
        logger: ILogger,
    ) -> None:
        self._polling = polling
        self._jobs, self._dead = queues
        self._settings = settings
        self._handler = handler
        self._abandon = abandon
        self._logger = logger
        self._stopping = asyncio.Event()
        self._held: set[asyncio.Task[None]] = set()
        self._listeners = (
            self._listener(polling[0], self._jobs, settings.concurrency, self._work, self._hand_back),
            self._listener(polling[1], self._dead, 1, self._give_up, self._show_again),
        )

    async def start(self) -> None:
        """Begin to take jobs; returns once both subscriptions were found.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: a subscription is not there, or Pub/Sub refused or could not
                be reached.
            TimeoutError: Pub/Sub did not answer.
        """
        for queue in self._polling:
            await queue.find()
        for listener in self._listeners:
            listener.start()

    async def stop(self) -> None:
        """Take no new job; those in flight go on, deferred ones go back to the queue."""
        self._stopping.set()
        await asyncio.gather(*[listener.stop() for listener in self._listeners])

    async def close(self) -> None:
        """End, as :meth:`Listener.close` does."""
        await self.stop()
        await asyncio.gather(*[listener.close() for listener in self._listeners])
        await ended(set(self._held), within=_STOP_SECONDS)

    def _listener(
        self, polling: PubSubQueue, queue: PubSubQueue, concurrency: int, take: Take, hand_back: Take
    ) -> Listener[Delivery]:
        """``polling`` is the queue over a connection whose calls may wait, ``queue`` the same for everything else."""
        lease = self._settings.lease_seconds

        async def receive(most: int) -> list[Delivery]:
            return await polling.receive(most, self._settings.poll_seconds, lease)

        async def renew(delivery: Delivery) -> None:
            await queue.hide([delivery.receipt], lease)

        return Listener(receive, renew, lease, _FAILURES, concurrency, take, hand_back, self._logger)

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
            self._hold(delivery, deferred.delay_seconds)
        except Exception as error:
            if job.is_last_attempt:
                await self._bury(delivery, job, f"{type(error).__name__}: {error}")
            else:
                await self._jobs.hide([delivery.receipt], self._settings.retry_after(delivery.attempt))
        else:
            await self._jobs.delete(delivery.receipt)

    async def _job_of(self, delivery: Delivery, queue: PubSubQueue) -> JobPayload | None:
        """The job; a message that is none is dropped, with a line in the log (JOB-BAD-01)."""
        try:
            job = JobPayload.from_wire(delivery.body)
        except (InvalidJobError, UnicodeDecodeError) as error:
            shown = repr(delivery.body[:200])
            self._logger.warning("a message that is no job was dropped", error=str(error), body=shown)
            await queue.delete(delivery.receipt)
            return None
        last = delivery.attempt >= self._settings.attempts
        return JobPayload(job.run_id, job.blueprint_id, job.node_id, delivery.attempt, last)

    def _hold(self, delivery: Delivery, delay_seconds: float) -> None:
        """Keep a deferred job beside the ones that run: it takes no place among them."""
        task = asyncio.create_task(self._put_back(delivery, max(delay_seconds, 0.0)))
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _put_back(self, delivery: Delivery, delay_seconds: float) -> None:
        """Hide the message while the delay passes, then send a copy with the attempts used so far, and remove it.

        Pub/Sub delays no message and counts what it delivers, so the message itself cannot come again later without
        using up an attempt. Should this worker die it does come again, a lease after the delay.
        """
        lease = self._settings.lease_seconds
        held = min(delay_seconds, MAX_LEASE_SECONDS - lease)
        try:
            if held:
                await self._jobs.hide([delivery.receipt], int(held) + 1 + lease)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), held)
            await self._hand_back(delivery)
        except _FAILURES as error:
            self._logger.warning("a deferred job could not be put back; it comes again later", error=repr(error))

    async def _hand_back(self, delivery: Delivery) -> None:
        await self._jobs.send(delivery.body, used=delivery.attempt - 1)
        await self._jobs.delete(delivery.receipt)

    async def _show_again(self, delivery: Delivery) -> None:
        await self._dead.hide([delivery.receipt], 0)

    async def _bury(self, delivery: Delivery, job: JobPayload, reason: str) -> None:
        """Move the job to the dead letters, with the reason: what Pub/Sub moves there by itself has none."""
        await self._dead.send(job.to_json(), reason=reason)
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
            await self._dead.hide([delivery.receipt], self._settings.lease_seconds)
        else:
            await self._dead.delete(delivery.receipt)
