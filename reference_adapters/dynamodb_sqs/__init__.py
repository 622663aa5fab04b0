"""The adapter on DynamoDB and SQS, in two layouts of the state, with its store and contexts.

Targets of the kit, behind ``reference_adapters.dynamodb_sqs:``, are the adapters ``DynamoDbSqsHarness`` (the state of a
run in one item, as documented) and ``DynamoDbSqsItemPerKeyHarness`` (one item a key), the store ``store``, and the
contexts ``context`` and ``item_per_key_context``. They talk to the servers of FLOWCRAFT_DYNAMODB_URL and
FLOWCRAFT_SQS_URL, else to servers that are started for the run.
"""

from __future__ import annotations

from reference_adapters.dynamodb_sqs.adapter import DynamoDbSqsAdapter, Layout
from reference_adapters.dynamodb_sqs.calls import CALL_SECONDS, AwsClient, AwsSettings
from reference_adapters.dynamodb_sqs.coordination import DynamoDbCoordinationStore
from reference_adapters.dynamodb_sqs.harness import (
    DynamoDbSqsHarness,
    DynamoDbSqsItemPerKeyHarness,
    context,
    item_per_key_context,
    store,
)
from reference_adapters.dynamodb_sqs.key_items import KeyItemsContext
from reference_adapters.dynamodb_sqs.queue import QueueSettings, create_queues, delete_queues
from reference_adapters.dynamodb_sqs.results import read_result
from reference_adapters.dynamodb_sqs.run_item import RunItemContext
from reference_adapters.dynamodb_sqs.tables import Tables, create_tables, delete_tables

__all__ = [
    "CALL_SECONDS",
    "AwsClient",
    "AwsSettings",
    "DynamoDbCoordinationStore",
    "DynamoDbSqsAdapter",
    "DynamoDbSqsHarness",
    "DynamoDbSqsItemPerKeyHarness",
    "KeyItemsContext",
    "Layout",
    "QueueSettings",
    "RunItemContext",
    "Tables",
    "context",
    "create_queues",
    "create_tables",
    "delete_queues",
    "delete_tables",
    "item_per_key_context",
    "read_result",
    "store",
]
