"""Jobs on a BullMQ queue: the names and the layout of the published TypeScript adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bullmq import Queue, Worker
from bullmq.custom_errors import DelayedError, UnrecoverableError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from flowcraft_conformance import ILogger, InvalidJobError, JobDeferred, JobPayload
from reference_adapters.redis_bullmq.calls import SOCKET_SECONDS

QUEUE_NAME = "flowcraft-queue"
JOB_NAME = "executeNode"

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_NO_LIMIT = 1_000_000
"""BullMQ fails a job that stalled too often without a word; this adapter counts itself, and publishes."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``prefix`` stands before every key of the queue. Times in seconds; ``attempts``: deliveries in all."""

    prefix: str = "bull"
    lease_seconds: float = 30.0
    stalled_check_seconds: float = 30.0
    attempts: int = 5
    concurrency: int = 16


class BullMQSender:
    """Puts jobs on the queue. No job gets an id of ours: BullMQ keeps ids for days, takes a second job with one for a
    copy and drops it, and refuses ids with a colon; a retry, a loop or a reconcile would be lost.
    """

    def __init__(self, url: str, settings: QueueSettings) -> None:
        # A lost reply is an error of the caller, who knows what to do: nothing is sent twice behind its back.
        self._client: Redis = Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            protocol=2,
        )
        self._settings = settings
        self._queue = Queue(QUEUE_NAME, {"connection": self._client, "prefix": settings.prefix})

    async def send(self, data: Any) -> None:
        """Put one job on the queue; it is there when this returns."""
        options = {"attempts": self._settings.attempts, "removeOnComplete": True, "removeOnFail": True}
        async with asyncio.timeout(2 * SOCKET_SECONDS):
            await self._queue.add(JOB_NAME, data, options)

    async def close(self) -> None:
        """Release the connection."""
        await self._client.aclose()


class BullMQConsumer:
    """One worker of the queue."""

    def __init__(self, url: str, settings: QueueSettings, handler: Handler, abandon: Abandon, logger: ILogger) -> None:
        self._url = url
        self._settings = settings
        self._handler = handler
        self._abandon = abandon
        self._logger = logger
        self._worker: Any = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to take jobs; returns once they are taken.

        Raises:
            TimeoutError: the server did not answer in time.
        """
        worker = Worker(QUEUE_NAME, self._process, self._options())
        worker.on("error", self._note)
        self._worker = worker
        self._running = asyncio.create_task(worker.run())
        async with asyncio.timeout(_START_SECONDS):
            while not worker.running:
                if self._running.done():
                    self._running.result()
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Take no new job; those in flight go on."""
        if self._worker is not None and not self._worker.closing:
            await self._worker.pause(do_not_wait_active=True)

    async def close(self) -> None:
        """End: what is still in flight is cut off, and its lease will end."""
        worker, self._worker = self._worker, None
        running, self._running = self._running, None
        if worker is None or running is None:
            return
        for force in (False, True):  # first let the outcome of what is done reach the queue
            closing = asyncio.ensure_future(worker.close(force=force))
            await asyncio.wait({closing, running}, timeout=_STOP_SECONDS, return_when=asyncio.ALL_COMPLETED)
            closing.cancel()
            if running.done():
                break
        running.cancel()
        await asyncio.wait({closing, running}, timeout=_STOP_SECONDS)
        released = asyncio.ensure_future(self._release(worker))
        await asyncio.wait({released}, timeout=3 * _STOP_SECONDS)
        released.cancel()
        for task in (closing, running, released):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self._note(error)

    @staticmethod
    async def _release(worker: Any) -> None:
        """BullMQ does not wait for what it was fetching when it was closed, and that connects again: close it after."""
        left = {task for task in worker.processing if not task.done()}
        if left:
            _, late = await asyncio.wait(left, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_STOP_SECONDS)
        await worker.backend.close(force=True)

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "connection": self._url,
            "prefix": settings.prefix,
            "autorun": False,
            "concurrency": settings.concurrency,
            "lockDuration": int(settings.lease_seconds * 1000),
            "stalledInterval": int(settings.stalled_check_seconds * 1000),
            "maxStalledCount": _NO_LIMIT,
            "drainDelay": 1,
            "runRetryDelay": 500,
        }

    async def _process(self, job: Any, token: str) -> None:
        """One delivery; what it raises tells BullMQ what to do (JOB-NACK-01)."""
        try:
            payload = JobPayload.from_wire(job.data)
        except InvalidJobError as error:
            self._logger.warning("a message that is no job was dropped", error=str(error), data=repr(job.data)[:200])
            return
        attempt = 1 + job.attemptsMade + job.stalledCounter
        # A job that other code put there with fewer attempts is failed by BullMQ, without a word, at its own last one.
        last = attempt >= self._settings.attempts or job.attemptsMade + 1 >= job.attempts
        payload = JobPayload(payload.run_id, payload.blueprint_id, payload.node_id, attempt, last)
        if attempt > self._settings.attempts:
            await self._give_up(job, token, payload, "its deliveries were used up by workers that died")
            return
        try:
            await self._handler(payload)
        except JobDeferred as deferred:
            await self._put_back(job, token, deferred.delay_seconds)
        except Exception as error:
            if last:
                await self._give_up(job, token, payload, f"{type(error).__name__}: {error}")
            raise

    async def _give_up(self, job: Any, token: str, payload: JobPayload, reason: str) -> None:
        """The dead letter: the run fails and says why (DLQ-01). Where that fails too the job is kept."""
        try:
            await self._abandon(payload, reason)
        except Exception as error:
            self._logger.warning("a job could not be given up and is kept", job=payload.node_id, error=repr(error))
            await self._put_back(job, token, self._settings.lease_seconds)
        raise UnrecoverableError(reason)

    async def _put_back(self, job: Any, token: str, delay_seconds: float) -> None:
        """Delay the job without using up an attempt."""
        await job.moveToDelayed(round((time.time() + max(delay_seconds, 0.001)) * 1000), token)
        raise DelayedError

    def _note(self, error: BaseException, *_: object) -> None:
        self._logger.warning("the queue reported an error", error=repr(error))
