"""The adapter with its coordination store on Redis: a module of its own, for it alone needs Redis' client library."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from flowcraft_conformance import Capabilities, ICoordinationStore, redis_service
from reference_adapters.postgres_rabbitmq.harness import PostgresRabbitMQHarness
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect


class RedisStoreHarness(PostgresRabbitMQHarness):
    """The same with the coordination store on Redis, as the documentation page has it."""

    capabilities: ClassVar[Capabilities] = replace(
        PostgresRabbitMQHarness.capabilities,
        proxy_env=(*PostgresRabbitMQHarness.capabilities.proxy_env, "FLOWCRAFT_REDIS_URL"),
    )

    async def create_store(self) -> ICoordinationStore:
        """A store with a client of its own."""
        client = connect(redis_service().url)
        self._stack.push_async_callback(client.aclose)
        return RedisCoordinationStore(client, prefix=f"{self.scope}:")

    async def teardown(self) -> None:
        """Remove the store's keys, too."""
        async with connect(redis_service().url) as client:
            async for key in client.scan_iter(match=f"{self.scope}:*"):
                await client.unlink(key)
        await super().teardown()
