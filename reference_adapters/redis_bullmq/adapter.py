"""The adapter on Redis and BullMQ, and its harness."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from redis.asyncio import Redis

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    BaseDistributedAdapter,
    Capabilities,
    FinalResult,
    IAsyncContext,
    ICoordinationStore,
    JobPayload,
    redis_service,
)
from reference_adapters.redis_bullmq.calls import CALL_SECONDS, RedisCalls, connect
from reference_adapters.redis_bullmq.coordination import RedisCoordinationStore
from reference_adapters.redis_bullmq.queue import BullMQConsumer, BullMQSender, Handler, QueueSettings
from reference_adapters.redis_bullmq.state import BarePatch, RedisContext, bare_patch_of
from reference_adapters.redis_bullmq.texts import encoded

_SCANNED_AT_ONCE = 500


class RedisBullMQAdapter(BaseDistributedAdapter):
    """Workers and clients on one Redis. ``prefix`` stands before every key but those of the queue.

    The final status of a run is kept at ``workflow:status:{run}`` as JSON.
    """

    def __init__(
        self, options: AdapterOptions, url: str, *, prefix: str = "", queue: QueueSettings | None = None
    ) -> None:
        super().__init__(options)
        self._url = url
        self._prefix = prefix
        self._settings = queue or QueueSettings()
        self._redis: Redis = connect(url)
        self._sender: BullMQSender | None = None
        self._consumer: BullMQConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's connections."""
        return RedisContext(self._redis, run_id, prefix=self._prefix)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`."""
        if self._consumer is None:
            self._consumer = BullMQConsumer(self._url, self._settings, handler, self.abandon_job, self.logger)
            await self._consumer.start()

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises redis.RedisError or TimeoutError where Redis fails."""
        if self._sender is None:
            self._sender = BullMQSender(self._url, self._settings)
        await self._sender.send(job.to_wire())

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        await RedisCalls(self._redis)("SET", status_key(self._prefix, run_id), json.dumps(result.to_wire()))

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        sender, self._sender = self._sender, None
        if consumer is not None:
            await consumer.close()
        if sender is not None:
            await sender.close()
        await self._redis.aclose()


def status_key(prefix: str, run_id: str) -> bytes:
    """Where the final status of a run is."""
    return encoded(f"{prefix}workflow:status:{run_id}")


class RedisBullMQHarness(AdapterHarness):
    """The target ``reference_adapters.redis_bullmq:RedisBullMQHarness``, on the server of ``redis_service()``."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        processes=True,
        ttl_granularity=0.01,  # the server counts milliseconds
        ttl_lag=0.05,
        call_timeout_seconds=CALL_SECONDS + 2,
        lease_seconds=1,  # BullMQ's lock on an active job, short for the checks
        redelivery_seconds=5,  # a lock that ended is seen at the second of two looks
        queue_attempts=5,
        proxy_env=("FLOWCRAFT_REDIS_URL",),
    )

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._opened: list[Redis] = []

    async def teardown(self) -> None:
        """Delete every key of the scope and close what was opened."""
        client = self._client()
        calls = RedisCalls(client)
        cursor = b"0"
        while True:
            cursor, keys = await calls("SCAN", cursor, "MATCH", f"{self._prefix}*", "COUNT", _SCANNED_AT_ONCE)
            if keys:
                await calls("UNLINK", *keys)
            if cursor == b"0":
                break
        for opened in self._opened:
            await opened.aclose()

    async def create_store(self) -> ICoordinationStore:
        """A store with a client of its own."""
        return RedisCoordinationStore(self._client(), prefix=self._prefix)

    async def create_adapter(self, options: AdapterOptions) -> RedisBullMQAdapter:
        """An adapter with connections of its own."""
        settings = QueueSettings(
            prefix=f"{self._prefix}bull", lease_seconds=self.capabilities.lease_seconds, stalled_check_seconds=0.5
        )
        return RedisBullMQAdapter(options, redis_service().url, prefix=self._prefix, queue=settings)

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue."""
        sender = BullMQSender(redis_service().url, QueueSettings(prefix=f"{self._prefix}bull"))
        try:
            data: object = json.loads(body)
        except ValueError:
            data = body.decode("utf-8", "replace")
        try:
            await sender.send(data)
        finally:
            await sender.close()

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        text = await RedisCalls(self._client())("GET", status_key(self._prefix, run_id))
        return [] if text is None else [FinalResult.from_wire(json.loads(text))]

    @asynccontextmanager
    async def create_bare_patch(self, run_id: str) -> AsyncIterator[BarePatch]:
        """redis-py and one HSET."""
        async with bare_patch_of(redis_service().url, run_id, prefix=self._prefix) as patch:
            yield patch

    @property
    def _prefix(self) -> str:
        return f"{self.scope}:"

    def _client(self) -> Redis:
        self._opened.append(connect(redis_service().url))
        return self._opened[-1]
