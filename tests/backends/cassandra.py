"""A namespace or topics of one test; where no server can be had the test is not run, with the reason."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from flowcraft_conformance import ServiceUnavailableError, cassandra_service, kafka_service
from reference_adapters.cassandra_kafka import (
    Database,
    KafkaSettings,
    QueueSettings,
    create_schema,
    create_topics,
    delete_topics,
)
from reference_adapters.cassandra_kafka.schema import clear_namespace

KEYSPACE = "flowcraft_tests"


def cassandra_url() -> str:
    """Where Cassandra is."""
    try:
        return cassandra_service().url
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")


def kafka_settings() -> KafkaSettings:
    """Where Kafka is."""
    try:
        return KafkaSettings.at(kafka_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")


@asynccontextmanager
async def namespace() -> AsyncIterator[tuple[Database, str]]:
    """Connections, and a namespace that is removed in the end."""
    name = f"t{uuid.uuid4().hex[:10]}"
    async with Database(cassandra_url()) as database:
        await create_schema(database, KEYSPACE)
        try:
            yield database, name
        finally:
            await clear_namespace(database, name, KEYSPACE)


@asynccontextmanager
async def topics(**settings: float) -> AsyncIterator[QueueSettings]:
    """Topics that are removed in the end."""
    kafka = kafka_settings()
    made = QueueSettings(
        **{  # type: ignore[arg-type]
            "prefix": f"t{uuid.uuid4().hex[:10]}-",
            "attempts": 3,
            "retry_seconds": 0.05,
            "session_seconds": 2.0,
            "hand_over_seconds": 1.0,
            "partitions": 4,
            **settings,
        }
    )
    await create_topics(kafka, made)
    try:
        yield made
    finally:
        await delete_topics(kafka, made)
