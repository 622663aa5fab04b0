"""Tables and queues of one test; where no server can be had the test is not run, with the reason."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from flowcraft_conformance import ServiceUnavailableError, dynamodb_service, sqs_service
from reference_adapters.dynamodb_sqs import (
    AwsClient,
    AwsSettings,
    QueueSettings,
    Tables,
    create_queues,
    create_tables,
    delete_queues,
    delete_tables,
)


@dataclass(frozen=True, slots=True)
class Database:
    """A client and tables of its own."""

    client: AwsClient
    tables: Tables


@dataclass(frozen=True, slots=True)
class Queues:
    """A client and queues of its own."""

    client: AwsClient
    settings: QueueSettings


def dynamodb_settings() -> AwsSettings:
    """Where DynamoDB is."""
    try:
        return AwsSettings.at(dynamodb_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")


def sqs_settings() -> AwsSettings:
    """Where SQS is."""
    try:
        return AwsSettings.at(sqs_service().url)
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Tables that are removed in the end."""
    tables = Tables(f"t{uuid.uuid4().hex[:10]}-")
    async with AwsClient("dynamodb", dynamodb_settings()) as client:
        await create_tables(client, tables)
        try:
            yield Database(client, tables)
        finally:
            await delete_tables(client, tables)


@asynccontextmanager
async def queues(*, fifo: bool = False) -> AsyncIterator[Queues]:
    """Queues that are removed in the end."""
    settings = QueueSettings(
        f"t{uuid.uuid4().hex[:10]}", lease_seconds=2, poll_seconds=1, retry_seconds=0, attempts=3, fifo=fifo
    )
    async with AwsClient("sqs", sqs_settings()) as client:
        await create_queues(client, settings)
        try:
            yield Queues(client, settings)
        finally:
            await delete_queues(client, settings)
