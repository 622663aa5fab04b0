"""The adapter on PostgreSQL and RabbitMQ, with two layouts of a run's state and a store that needs no Redis.

Targets of the kit: ``--flowcraft-adapter=reference_adapters.postgres_rabbitmq:PostgresRabbitMQHarness`` (also
``DocumentHarness``, and ``reference_adapters.postgres_rabbitmq.redis_store:RedisStoreHarness``),
``--flowcraft-store=reference_adapters.postgres_rabbitmq:store``,
``--flowcraft-context=reference_adapters.postgres_rabbitmq:context`` (one row a key) and ``...:document_context``. They
talk to the servers of FLOWCRAFT_POSTGRES_URL and FLOWCRAFT_RABBITMQ_URL, else to some that are started for the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowcraft_conformance import Capabilities, postgres_service
from reference_adapters.postgres_rabbitmq.adapter import PostgresRabbitMQAdapter, read_result, unfinished_runs
from reference_adapters.postgres_rabbitmq.coordination import PostgresCoordinationStore
from reference_adapters.postgres_rabbitmq.database import CALL_SECONDS, Database
from reference_adapters.postgres_rabbitmq.documents import DocumentContext
from reference_adapters.postgres_rabbitmq.harness import DocumentHarness, PostgresRabbitMQHarness
from reference_adapters.postgres_rabbitmq.pools import shared_pool
from reference_adapters.postgres_rabbitmq.queue import QueueSettings
from reference_adapters.postgres_rabbitmq.rows import RowContext
from reference_adapters.postgres_rabbitmq.schema import migrate

__all__ = [
    "CALL_SECONDS",
    "Database",
    "DocumentContext",
    "DocumentHarness",
    "PostgresCoordinationStore",
    "PostgresRabbitMQAdapter",
    "PostgresRabbitMQHarness",
    "QueueSettings",
    "RowContext",
    "context",
    "document_context",
    "migrate",
    "read_result",
    "store",
    "unfinished_runs",
]

_CAPABILITIES = Capabilities(
    processes=True,
    ttl_granularity=0.01,
    ttl_lag=0.05,
    call_timeout_seconds=CALL_SECONDS + 2,
    proxy_env=("FLOWCRAFT_POSTGRES_URL",),
)


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    async with shared_pool(postgres_service().url) as database:
        await migrate(database)
        yield database


@asynccontextmanager
async def store() -> AsyncIterator[PostgresCoordinationStore]:
    """A target of the kit: another store, over the pool that all targets of a loop share."""
    async with _database() as database:
        yield PostgresCoordinationStore(database)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RowContext]:
    """A target of the kit: the state of a run, one row a key, over the shared pool."""
    async with _database() as database:
        yield RowContext(database, run_id)


@asynccontextmanager
async def document_context(run_id: str) -> AsyncIterator[DocumentContext]:
    """A target of the kit: the state of a run as one document, over the shared pool."""
    async with _database() as database:
        yield DocumentContext(database, run_id)


store.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
context.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
document_context.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
