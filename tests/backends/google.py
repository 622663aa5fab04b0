"""Collections and topics of one test; where no server can be had the test is not run, with the reason."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from flowcraft_conformance import ServiceUnavailableError, firestore_service, pubsub_service
from reference_adapters.firestore_pubsub import (
    Collections,
    FirestoreClient,
    GoogleSettings,
    PubSubClient,
    QueueSettings,
    create_queues,
    delete_collections,
    delete_queues,
)


@dataclass(frozen=True, slots=True)
class Database:
    """A client and collections of its own."""

    client: FirestoreClient
    collections: Collections


@dataclass(frozen=True, slots=True)
class Queues:
    """A client and topics of its own."""

    client: PubSubClient
    settings: QueueSettings


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Collections that are removed in the end."""
    try:
        settings = GoogleSettings.at(firestore_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
    async with FirestoreClient(settings) as client:
        made = Database(client, Collections(f"t{uuid.uuid4().hex[:10]}-"))
        try:
            yield made
        finally:
            await delete_collections(client, made.collections)


@asynccontextmanager
async def queues(attempts: int = 5) -> AsyncIterator[Queues]:
    """Topics that are removed in the end."""
    try:
        place = GoogleSettings.at(pubsub_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
    settings = QueueSettings(
        f"t{uuid.uuid4().hex[:10]}", lease_seconds=2, poll_seconds=2, retry_seconds=0, attempts=attempts
    )
    async with PubSubClient(place) as client:
        await create_queues(client, settings)
        try:
            yield Queues(client, settings)
        finally:
            await delete_queues(client, settings)
