"""A database and queues of one test; where no server can be had the test is not run, with the reason."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from azure.storage.queue.aio import QueueServiceClient

from flowcraft_conformance import ServiceUnavailableError, azure_queue_service, cosmos_service
from reference_adapters.cosmos_azure_queue import (
    Cosmos,
    CosmosAccount,
    QueueAccount,
    QueueSettings,
    connect,
    create_database,
    create_queues,
    delete_database,
    delete_queues,
)


@dataclass(frozen=True, slots=True)
class Queues:
    """A client and queues of its own."""

    service: QueueServiceClient
    settings: QueueSettings


@asynccontextmanager
async def database() -> AsyncIterator[Cosmos]:
    """A database that is removed in the end."""
    try:
        account = CosmosAccount.at(cosmos_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
    async with Cosmos(account, f"t{uuid.uuid4().hex[:10]}") as cosmos:
        await create_database(cosmos)
        try:
            yield cosmos
        finally:
            await delete_database(cosmos)


@asynccontextmanager
async def queues() -> AsyncIterator[Queues]:
    """Queues that are removed in the end."""
    try:
        account = QueueAccount.at(azure_queue_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
    settings = QueueSettings(
        f"t{uuid.uuid4().hex[:10]}", lease_seconds=2, poll_seconds=0.1, retry_seconds=0, attempts=3
    )
    async with connect(account) as service:
        await create_queues(service, settings)
        try:
            yield Queues(service, settings)
        finally:
            await delete_queues(service, settings)
