"""The targets of the kit: the adapter in both layouts, and the contexts of both layouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    Capabilities,
    FinalResult,
    ICoordinationStore,
    cassandra_service,
    kafka_service,
    redis_service,
)
from reference_adapters._shared import Shared
from reference_adapters.cassandra_kafka import documents, rows
from reference_adapters.cassandra_kafka.adapter import CassandraKafkaAdapter, Layout
from reference_adapters.cassandra_kafka.database import CALL_SECONDS, Database
from reference_adapters.cassandra_kafka.documents import DocumentContext
from reference_adapters.cassandra_kafka.queue import (
    KafkaSettings,
    QueueSettings,
    Sender,
    create_topics,
    delete_topics,
)
from reference_adapters.cassandra_kafka.results import read_result
from reference_adapters.cassandra_kafka.rows import RowContext
from reference_adapters.cassandra_kafka.schema import clear_namespace, create_schema
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect

_CASSANDRA, _KAFKA, _REDIS = "FLOWCRAFT_CASSANDRA_URL", "FLOWCRAFT_KAFKA_URL", "FLOWCRAFT_REDIS_URL"
_SESSION_SECONDS = 2  # short for the checks; a broker must allow it: group.min.session.timeout.ms
_KEYSPACE = "flowcraft_kit"

_ROWS = Capabilities(
    processes=True,
    call_timeout_seconds=CALL_SECONDS + 2,
    max_value_bytes=rows.MAX_VALUE_BYTES,
    proxy_env=(_CASSANDRA,),
)
_DOCUMENT = replace(
    _ROWS,
    max_value_bytes=documents.MAX_VALUE_BYTES,
    delta_persistence=False,  # every change reads and writes the whole state
)

_shared_database = Shared(Database, Database.close)


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    async with _shared_database(cassandra_service().url) as database:
        await create_schema(database, _KEYSPACE)
        yield database


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RowContext]:
    """A target of the kit: the state of a run, one row a key, over the connections that a loop's targets share."""
    async with _database() as database:
        yield RowContext(database, run_id, keyspace=_KEYSPACE)


@asynccontextmanager
async def document_context(run_id: str) -> AsyncIterator[DocumentContext]:
    """A target of the kit: the state of a run as one document, over the shared connections."""
    async with _database() as database:
        yield DocumentContext(database, run_id, keyspace=_KEYSPACE)


context.capabilities = _ROWS  # type: ignore[attr-defined]
document_context.capabilities = _DOCUMENT  # type: ignore[attr-defined]


def _of_adapter(context_capabilities: Capabilities) -> Capabilities:
    return replace(
        context_capabilities,
        ttl_granularity=0.01,
        ttl_lag=0.05,
        lease_seconds=_SESSION_SECONDS,
        redelivery_seconds=8,  # the session of the dead worker, and the rebalance that follows
        queue_attempts=5,
        proxy_env=(_CASSANDRA, _KAFKA, _REDIS),
    )


class CassandraKafkaHarness(AdapterHarness):
    """The adapter with one row a key, on the servers of ``cassandra_service``, ``kafka_service`` and ``redis_service``.

    A scope is a namespace in a keyspace that all scopes share, topics of its own, and a prefix of Redis' keys.
    """

    layout: ClassVar[Layout] = "rows"
    capabilities: ClassVar[Capabilities] = _of_adapter(_ROWS)

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()

    async def setup(self) -> None:
        """Make the tables and the topics."""
        await create_schema(await self._shared(), _KEYSPACE)
        await create_topics(_kafka(), self._settings)

    async def teardown(self) -> None:
        """Remove what carries the scope, and close what was opened."""
        try:
            await delete_topics(_kafka(), self._settings)
            await clear_namespace(await self._shared(), self.scope, _KEYSPACE)
            async with connect(redis_service().url) as redis:
                async for key in redis.scan_iter(match=f"{self.scope}:*"):
                    await redis.unlink(key)
        finally:
            await self._stack.aclose()

    async def create_store(self) -> ICoordinationStore:
        """A store with a client of its own."""
        client = connect(redis_service().url)
        self._stack.push_async_callback(client.aclose)
        return RedisCoordinationStore(client, prefix=f"{self.scope}:")

    async def create_adapter(self, options: AdapterOptions) -> CassandraKafkaAdapter:
        """An adapter over the database connections of this loop, with connections to Kafka of its own."""
        return CassandraKafkaAdapter(
            options,
            await self._shared(),
            _kafka(),
            keyspace=_KEYSPACE,
            namespace=self.scope,
            layout=self.layout,
            queue=self._settings,
        )

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue."""
        sender = Sender(_kafka(), self._settings)
        try:
            await sender.send(body)
        finally:
            await sender.close()

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        result = await read_result(await self._shared(), run_id, keyspace=_KEYSPACE, namespace=self.scope)
        return [] if result is None else [result]

    async def _shared(self) -> Database:
        return await self._stack.enter_async_context(_shared_database(cassandra_service().url))

    @property
    def _settings(self) -> QueueSettings:
        return QueueSettings(
            prefix=f"{self.scope}-",
            attempts=self.capabilities.queue_attempts or 1,
            retry_seconds=0.05,
            longest_retry_seconds=1,
            session_seconds=_SESSION_SECONDS,
            hand_over_seconds=1,
        )


class CassandraKafkaDocumentHarness(CassandraKafkaHarness):
    """The same with the state as the documentation page has it: one document a run, read, modified and written."""

    layout: ClassVar[Layout] = "document"
    capabilities: ClassVar[Capabilities] = _of_adapter(_DOCUMENT)


def _kafka() -> KafkaSettings:
    """The broker of the kit is one, and may be behind the proxy, of which it knows nothing."""
    url = kafka_service().url
    return KafkaSettings.at(url, tunnel="," not in url)
