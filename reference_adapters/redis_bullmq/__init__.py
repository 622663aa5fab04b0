"""The adapter on Redis or Valkey with BullMQ, as the documentation page has it, with its store and contexts.

Targets of the kit: ``--flowcraft-adapter=reference_adapters.redis_bullmq:RedisBullMQHarness``,
``--flowcraft-store=reference_adapters.redis_bullmq:store`` and
``--flowcraft-context=reference_adapters.redis_bullmq:context``. They talk to the server of FLOWCRAFT_REDIS_URL, else to
an embedded or installed one that is started for the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowcraft_conformance import Capabilities, redis_service
from reference_adapters.redis_bullmq.adapter import RedisBullMQAdapter, RedisBullMQHarness
from reference_adapters.redis_bullmq.calls import CALL_SECONDS, connect
from reference_adapters.redis_bullmq.coordination import RedisCoordinationStore
from reference_adapters.redis_bullmq.queue import QueueSettings
from reference_adapters.redis_bullmq.state import BarePatch, RedisContext, bare_patch_of

__all__ = [
    "CALL_SECONDS",
    "QueueSettings",
    "RedisBullMQAdapter",
    "RedisBullMQHarness",
    "RedisContext",
    "RedisCoordinationStore",
    "connect",
    "context",
    "store",
]

_CAPABILITIES = Capabilities(
    processes=True,
    ttl_granularity=0.01,
    ttl_lag=0.05,
    call_timeout_seconds=CALL_SECONDS + 2,
    proxy_env=("FLOWCRAFT_REDIS_URL",),
)


@asynccontextmanager
async def store() -> AsyncIterator[RedisCoordinationStore]:
    """A target of the kit: a store with a client of its own."""
    async with connect(redis_service().url) as client:
        yield RedisCoordinationStore(client)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RedisContext]:
    """A target of the kit: the state of a run, with a client of its own."""
    async with connect(redis_service().url) as client:
        yield RedisContext(client, run_id)


@asynccontextmanager
async def bare_patch(run_id: str) -> AsyncIterator[BarePatch]:
    """The bare client of a run, for benchmarks."""
    async with bare_patch_of(redis_service().url, run_id) as patch:
        yield patch


store.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
context.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
context.bare_patch = bare_patch  # type: ignore[attr-defined]
