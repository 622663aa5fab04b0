"""The targets of the kit: the adapter in both layouts, the store, and the contexts of both layouts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    Capabilities,
    FinalResult,
    ICoordinationStore,
    dynamodb_service,
    sqs_service,
)
from reference_adapters.dynamodb_sqs import key_items, run_item
from reference_adapters.dynamodb_sqs.adapter import DynamoDbSqsAdapter, Layout
from reference_adapters.dynamodb_sqs.calls import CALL_SECONDS, AwsClient, AwsSettings
from reference_adapters.dynamodb_sqs.coordination import DynamoDbCoordinationStore
from reference_adapters.dynamodb_sqs.key_items import KeyItemsContext
from reference_adapters.dynamodb_sqs.kit_tables import own_tables
from reference_adapters.dynamodb_sqs.queue import QueueSettings, SqsQueue, create_queues, delete_queues
from reference_adapters.dynamodb_sqs.results import read_result
from reference_adapters.dynamodb_sqs.run_item import RunItemContext
from reference_adapters.dynamodb_sqs.tables import Tables, create_tables, delete_tables

_DYNAMODB = "FLOWCRAFT_DYNAMODB_URL"
_SQS = "FLOWCRAFT_SQS_URL"
_NOT_ON_SQS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_STORE = Capabilities(
    processes=True,
    ttl_granularity=0.05,  # the callers judge, each by its own clock: on one machine it is the same one
    ttl_lag=0.05,
    call_timeout_seconds=CALL_SECONDS + 2,
    proxy_env=(_DYNAMODB,),
)
_RUN_ITEM = replace(
    _STORE,
    max_value_bytes=run_item.MAX_VALUE_BYTES,
    max_patch_operations=run_item.MAX_PATCH_OPERATIONS,
    delta_persistence=False,  # little travels, but DynamoDB writes and charges the whole item, which ends at 400 KB
)
_KEY_ITEMS = replace(
    _STORE,
    max_value_bytes=key_items.MAX_VALUE_BYTES,
    max_patch_operations=key_items.MAX_PATCH_OPERATIONS,
    snapshot_reads=False,  # a query is not serialised with transactions
)


@asynccontextmanager
async def store() -> AsyncIterator[DynamoDbCoordinationStore]:
    """A target of the kit: a store with a client of its own."""
    async with _client() as dynamodb:
        yield DynamoDbCoordinationStore(dynamodb, (await own_tables(dynamodb)).coordination)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RunItemContext]:
    """A target of the kit: the state of a run in one item, with a client of its own."""
    async with _client() as dynamodb:
        yield RunItemContext(dynamodb, (await own_tables(dynamodb)).runs, run_id)


@asynccontextmanager
async def item_per_key_context(run_id: str) -> AsyncIterator[KeyItemsContext]:
    """A target of the kit: the state of a run in one item a key, with a client of its own."""
    async with _client() as dynamodb:
        yield KeyItemsContext(dynamodb, (await own_tables(dynamodb)).run_keys, run_id)


store.capabilities = _STORE  # type: ignore[attr-defined]
context.capabilities = _RUN_ITEM  # type: ignore[attr-defined]
item_per_key_context.capabilities = _KEY_ITEMS  # type: ignore[attr-defined]


class DynamoDbSqsHarness(AdapterHarness):
    """The adapter with the state of a run in one item, on the servers of ``dynamodb_service`` and ``sqs_service``."""

    layout: ClassVar[Layout] = "run"
    capabilities: ClassVar[Capabilities] = replace(
        _RUN_ITEM,
        lease_seconds=2,  # the visibility timeout, in whole seconds, short for the checks
        redelivery_seconds=6,
        queue_attempts=5,
        proxy_env=(_DYNAMODB, _SQS),
    )

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._opened: list[AwsClient] = []

    async def setup(self) -> None:
        """Make the tables and queues of the scope."""
        async with _client() as dynamodb, _sqs_client() as sqs:
            await create_tables(dynamodb, self._tables)
            await create_queues(sqs, self._settings)

    async def teardown(self) -> None:
        """Remove them, and close what was opened."""
        for opened in self._opened:
            await opened.close()
        async with _client() as dynamodb, _sqs_client() as sqs:
            await delete_queues(sqs, self._settings)
            await delete_tables(dynamodb, self._tables)

    async def create_store(self) -> ICoordinationStore:
        """A store with a client of its own."""
        self._opened.append(_client())
        return DynamoDbCoordinationStore(self._opened[-1], self._tables.coordination)

    async def create_adapter(self, options: AdapterOptions) -> DynamoDbSqsAdapter:
        """An adapter with connections of its own."""
        return DynamoDbSqsAdapter(
            options,
            dynamodb=AwsSettings.at(dynamodb_service().url),
            sqs=AwsSettings.at(sqs_service().url),
            tables=self._tables,
            queue=self._settings,
            layout=self.layout,
        )

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue; what SQS cannot carry becomes a replacement character."""
        text = _NOT_ON_SQS.sub("\ufffd", body.decode("utf-8", "replace")) or "\ufffd"
        async with _sqs_client() as sqs:
            await SqsQueue(sqs, self._settings.jobs_name).send(text)

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        async with _client() as dynamodb:
            result = await read_result(dynamodb, self._tables.results, run_id)
        return [] if result is None else [result]

    @property
    def _tables(self) -> Tables:
        return Tables(f"{self.scope}-")

    @property
    def _settings(self) -> QueueSettings:
        lease = int(self.capabilities.lease_seconds)
        return QueueSettings(f"{self.scope}-jobs", lease_seconds=lease, poll_seconds=1, retry_seconds=0)


class DynamoDbSqsItemPerKeyHarness(DynamoDbSqsHarness):
    """The same with one item a key."""

    layout: ClassVar[Layout] = "key"
    capabilities: ClassVar[Capabilities] = replace(
        _KEY_ITEMS, lease_seconds=2, redelivery_seconds=6, queue_attempts=5, proxy_env=(_DYNAMODB, _SQS)
    )


def _client() -> AwsClient:
    return AwsClient("dynamodb", AwsSettings.at(dynamodb_service().url))


def _sqs_client() -> AwsClient:
    return AwsClient("sqs", AwsSettings.at(sqs_service().url))
