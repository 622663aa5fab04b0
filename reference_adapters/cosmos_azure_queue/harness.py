"""The targets of the kit: the adapter, its store, and its context."""

from __future__ import annotations

import re
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
    azure_queue_service,
    cosmos_service,
    redis_service,
)
from reference_adapters.cosmos_azure_queue import run_item
from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount, QueueAccount
from reference_adapters.cosmos_azure_queue.adapter import CosmosAzureQueueAdapter
from reference_adapters.cosmos_azure_queue.bare import BarePatch, bare_patch_of
from reference_adapters.cosmos_azure_queue.calls import CALL_SECONDS, Cosmos
from reference_adapters.cosmos_azure_queue.database import RUNS, create_database, delete_database
from reference_adapters.cosmos_azure_queue.kit_database import own_database
from reference_adapters.cosmos_azure_queue.queue import AzureQueue, QueueSettings, connect, create_queues, delete_queues
from reference_adapters.cosmos_azure_queue.results import read_result
from reference_adapters.cosmos_azure_queue.run_item import RunItemContext
from reference_adapters.redis_bullmq import RedisCoordinationStore
from reference_adapters.redis_bullmq import connect as connect_redis

_COSMOS = "FLOWCRAFT_COSMOS_URL"
_QUEUE = "FLOWCRAFT_AZURE_QUEUE_URL"
_REDIS = "FLOWCRAFT_REDIS_URL"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_RUN_ITEM = Capabilities(
    processes=True,
    call_timeout_seconds=CALL_SECONDS + 2,
    max_value_bytes=run_item.MAX_VALUE_BYTES,
    delta_persistence=False,  # little travels, but Cosmos DB writes and charges the whole item, which ends at 2 MB
    proxy_env=(_COSMOS,),
)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RunItemContext]:
    """A target of the kit: the state of a run in one item, with a client of its own."""
    account = CosmosAccount.at(cosmos_service().url)
    async with Cosmos(account, await own_database(account)) as cosmos:
        yield RunItemContext(cosmos, RUNS, run_id)


@asynccontextmanager
async def bare_patch(run_id: str) -> AsyncIterator[BarePatch]:
    """The bare client of a run, for benchmarks."""
    account = CosmosAccount.at(cosmos_service().url)
    async with bare_patch_of(account, await own_database(account), run_id) as patch:
        yield patch


context.capabilities = _RUN_ITEM  # type: ignore[attr-defined]
context.bare_patch = bare_patch  # type: ignore[attr-defined]


class CosmosAzureQueueHarness(AdapterHarness):
    """The adapter on the servers of ``cosmos_service``, ``azure_queue_service`` and ``redis_service``.

    A scope is a database, two queues and a prefix on Redis.
    """

    capabilities: ClassVar[Capabilities] = replace(
        _RUN_ITEM,
        ttl_granularity=0.01,  # Redis judges deadlines, to the millisecond
        ttl_lag=0.05,
        lease_seconds=2,  # the visibility timeout, in whole seconds, short for the checks
        redelivery_seconds=6,
        queue_attempts=5,
        proxy_env=(_COSMOS, _QUEUE, _REDIS),
    )

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()

    async def setup(self) -> None:
        """Make the database and the queues of the scope."""
        async with self._database() as cosmos, connect(_storage()) as service:
            await create_database(cosmos)
            await create_queues(service, self._settings)

    async def teardown(self) -> None:
        """Remove them and the store's keys, and close what was opened."""
        await self._stack.aclose()
        async with connect_redis(redis_service().url) as client:
            async for key in client.scan_iter(match=f"{self.scope}:*"):
                await client.unlink(key)
        async with self._database() as cosmos, connect(_storage()) as service:
            await delete_queues(service, self._settings)
            await delete_database(cosmos)

    async def create_store(self) -> ICoordinationStore:
        """A store on Redis with a client of its own."""
        client = connect_redis(redis_service().url)
        self._stack.push_async_callback(client.aclose)
        return RedisCoordinationStore(client, prefix=f"{self.scope}:")

    async def create_adapter(self, options: AdapterOptions) -> CosmosAzureQueueAdapter:
        """An adapter with connections of its own."""
        return CosmosAzureQueueAdapter(
            options,
            cosmos=CosmosAccount.at(cosmos_service().url),
            storage=_storage(),
            database=self.scope,
            queue=self._settings,
        )

    @asynccontextmanager
    async def create_bare_patch(self, run_id: str) -> AsyncIterator[BarePatch]:
        """azure-cosmos and its patch operations."""
        async with bare_patch_of(CosmosAccount.at(cosmos_service().url), self.scope, run_id) as patch:
            yield patch

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue; what XML cannot carry becomes a replacement character."""
        text = _NOT_IN_XML.sub("\ufffd", body.decode("utf-8", "replace"))
        async with connect(_storage()) as service:
            await AzureQueue(service, self._settings.name).send(text)

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        async with self._database() as cosmos:
            result = await read_result(cosmos, run_id)
        return [] if result is None else [result]

    def _database(self) -> Cosmos:
        return Cosmos(CosmosAccount.at(cosmos_service().url), self.scope)

    @property
    def _settings(self) -> QueueSettings:
        lease = int(self.capabilities.lease_seconds)
        return QueueSettings(f"{self.scope}-jobs", lease_seconds=lease, poll_seconds=0.2, retry_seconds=0)


def _storage() -> QueueAccount:
    return QueueAccount.at(azure_queue_service().url)
