"""Store and contexts on Redis or Valkey, as the BullMQ adapter of the documentation page lays them out.

``store`` and ``context`` are targets of the kit: ``--flowcraft-store=reference_adapters.redis_bullmq:store`` and
``--flowcraft-context=reference_adapters.redis_bullmq:context``. They talk to the server of FLOWCRAFT_REDIS_URL, else to
an embedded or installed one that is started for the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowcraft_conformance import Capabilities, redis_service
from reference_adapters.redis_bullmq.calls import CALL_SECONDS, connect
from reference_adapters.redis_bullmq.coordination import RedisCoordinationStore
from reference_adapters.redis_bullmq.state import RedisContext

__all__ = ["CALL_SECONDS", "RedisContext", "RedisCoordinationStore", "connect", "context", "store"]

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


store.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
context.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
