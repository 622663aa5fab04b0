"""The adapter as targets of the kit, in both layouts and with both stores."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    Capabilities,
    FinalResult,
    ICoordinationStore,
    postgres_service,
    rabbitmq_service,
)
from reference_adapters.postgres_rabbitmq.adapter import Layout, PostgresRabbitMQAdapter, read_result
from reference_adapters.postgres_rabbitmq.coordination import PostgresCoordinationStore
from reference_adapters.postgres_rabbitmq.database import CALL_SECONDS, Database
from reference_adapters.postgres_rabbitmq.pools import shared_pool
from reference_adapters.postgres_rabbitmq.queue import Broker, QueueSettings
from reference_adapters.postgres_rabbitmq.schema import drop, migrate

_CAPABILITIES = Capabilities(
    processes=True,
    ttl_granularity=0.01,  # the server counts microseconds
    ttl_lag=0.05,
    call_timeout_seconds=CALL_SECONDS + 2,
    lease_seconds=4,  # the broker gives a silent worker up after two heartbeats, short for the checks
    redelivery_seconds=5,
    queue_attempts=5,
    proxy_env=("FLOWCRAFT_POSTGRES_URL", "FLOWCRAFT_RABBITMQ_URL"),
)


class PostgresRabbitMQHarness(AdapterHarness):
    """The target ``reference_adapters.postgres_rabbitmq:PostgresRabbitMQHarness``: one row a key, PostgreSQL's store.

    A scope is a schema and queues of its own.
    """

    capabilities: ClassVar[Capabilities] = _CAPABILITIES
    layout: ClassVar[Layout] = "rows"

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()
        self.settings = QueueSettings(
            prefix=f"{scope}-",
            attempts=_CAPABILITIES.queue_attempts or 1,
            retry_seconds=0.05,
            longest_retry_seconds=1,
            heartbeat_seconds=2,
        )

    async def setup(self) -> None:
        """Make the tables; the queues come with the first connection."""
        await migrate(await self._database(), self.scope)

    async def teardown(self) -> None:
        """Remove the schema and the queues, and close what was opened."""
        try:
            await drop(await self._database(), self.scope)
            await self._broker().delete_queues()
        finally:
            await self._stack.aclose()

    async def create_store(self) -> ICoordinationStore:
        """A store over the pool of this loop."""
        return PostgresCoordinationStore(await self._database(), schema=self.scope)

    async def create_adapter(self, options: AdapterOptions) -> PostgresRabbitMQAdapter:
        """An adapter over the pool of this loop, with a connection to the broker of its own."""
        return PostgresRabbitMQAdapter(
            options,
            await self._database(),
            rabbitmq_service().url,
            schema=self.scope,
            layout=self.layout,
            queue=self.settings,
        )

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue."""
        broker = self._broker()
        await broker.send(self.settings.jobs, body, {})

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        result = await read_result(await self._database(), run_id, schema=self.scope)
        return [] if result is None else [result]

    async def _database(self) -> Database:
        return await self._stack.enter_async_context(shared_pool(postgres_service().url))

    def _broker(self) -> Broker:
        broker = Broker(rabbitmq_service().url, self.settings)
        self._stack.push_async_callback(broker.close)
        return broker


class DocumentHarness(PostgresRabbitMQHarness):
    """The same with the state as the documentation page has it: one JSONB document a run."""

    layout: ClassVar[Layout] = "document"
