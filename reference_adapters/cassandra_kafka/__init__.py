"""The adapter on Cassandra and Kafka, coordinated on Redis, with its contexts in two layouts.

Targets of the kit, behind ``reference_adapters.cassandra_kafka:``, are the adapters ``CassandraKafkaHarness`` (one row
a key) and ``CassandraKafkaDocumentHarness`` (one document a run, as documented), and the contexts ``context`` and
``document_context``. They talk to the servers of FLOWCRAFT_CASSANDRA_URL, FLOWCRAFT_KAFKA_URL and FLOWCRAFT_REDIS_URL,
else to servers that are started for the run.
"""

from __future__ import annotations

from reference_adapters.cassandra_kafka.adapter import CassandraKafkaAdapter, Layout
from reference_adapters.cassandra_kafka.database import CALL_SECONDS, Database
from reference_adapters.cassandra_kafka.documents import DocumentContext
from reference_adapters.cassandra_kafka.harness import (
    CassandraKafkaDocumentHarness,
    CassandraKafkaHarness,
    context,
    document_context,
)
from reference_adapters.cassandra_kafka.queue import KafkaSettings, QueueSettings, create_topics, delete_topics
from reference_adapters.cassandra_kafka.results import read_result, unfinished_runs
from reference_adapters.cassandra_kafka.rows import RowContext
from reference_adapters.cassandra_kafka.schema import create_schema, drop_schema

__all__ = [
    "CALL_SECONDS",
    "CassandraKafkaAdapter",
    "CassandraKafkaDocumentHarness",
    "CassandraKafkaHarness",
    "Database",
    "DocumentContext",
    "KafkaSettings",
    "Layout",
    "QueueSettings",
    "RowContext",
    "context",
    "create_schema",
    "create_topics",
    "delete_topics",
    "document_context",
    "drop_schema",
    "read_result",
    "unfinished_runs",
]
