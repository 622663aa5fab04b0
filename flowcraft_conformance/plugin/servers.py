"""Fixtures that give a running server to anybody's tests: one a test run, shared by xdist's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowcraft_conformance.harness.services.model import Service


@pytest.fixture(scope="session")
def flowcraft_redis() -> str:
    """The URL of a Redis or Valkey; the test is skipped, with the reason, where none can be had."""
    from flowcraft_conformance.harness.services.redis import redis_service

    return _url(redis_service)


@pytest.fixture(scope="session")
def flowcraft_postgres() -> str:
    """The URL of a PostgreSQL database, as its superuser; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.postgres import postgres_service

    return _url(postgres_service)


@pytest.fixture(scope="session")
def flowcraft_rabbitmq() -> str:
    """The URL of a RabbitMQ, with its default virtual host; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.rabbitmq import rabbitmq_service

    return _url(rabbitmq_service)


@pytest.fixture(scope="session")
def flowcraft_dynamodb() -> str:
    """The URL of a DynamoDB; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.dynamodb import dynamodb_service

    return _url(dynamodb_service)


@pytest.fixture(scope="session")
def flowcraft_sqs() -> str:
    """The URL of an SQS; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.sqs import sqs_service

    return _url(sqs_service)


@pytest.fixture(scope="session")
def flowcraft_cosmos() -> str:
    """The URL of a Cosmos DB; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.cosmos import cosmos_service

    return _url(cosmos_service)


@pytest.fixture(scope="session")
def flowcraft_azure_queue() -> str:
    """The URL of an account of Azure Queue Storage; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.azure_queue import azure_queue_service

    return _url(azure_queue_service)


@pytest.fixture(scope="session")
def flowcraft_firestore() -> str:
    """The URL of a Firestore; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.firestore import firestore_service

    return _url(firestore_service)


@pytest.fixture(scope="session")
def flowcraft_pubsub() -> str:
    """The URL of a Pub/Sub; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.pubsub import pubsub_service

    return _url(pubsub_service)


@pytest.fixture(scope="session")
def flowcraft_cassandra() -> str:
    """The URL of a Cassandra; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.cassandra import cassandra_service

    return _url(cassandra_service)


@pytest.fixture(scope="session")
def flowcraft_kafka() -> str:
    """The URL of a Kafka; skipped as :func:`flowcraft_redis` is."""
    from flowcraft_conformance.harness.services.kafka import kafka_service

    return _url(kafka_service)


def _url(service: Callable[[], Service]) -> str:
    from flowcraft_conformance.harness.services.model import ServiceUnavailableError

    try:
        return service().url
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
