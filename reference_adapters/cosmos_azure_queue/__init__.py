"""The adapter on Cosmos DB and Azure Queue Storage, with coordination on Redis, as the documentation page has it.

Targets of the kit, behind ``reference_adapters.cosmos_azure_queue:``, are the adapter ``CosmosAzureQueueHarness``, the
context ``context`` (the state of a run in one item), and the store ``store``, which is that of
``reference_adapters.redis_bullmq``. They talk to the servers of FLOWCRAFT_COSMOS_URL, FLOWCRAFT_AZURE_QUEUE_URL and
FLOWCRAFT_REDIS_URL, else to servers that are started for the run.
"""

from __future__ import annotations

from reference_adapters.cosmos_azure_queue import _extra as _extra
from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount, QueueAccount
from reference_adapters.cosmos_azure_queue.adapter import CosmosAzureQueueAdapter
from reference_adapters.cosmos_azure_queue.calls import CALL_SECONDS, Cosmos, WeakConsistencyError
from reference_adapters.cosmos_azure_queue.database import RESULTS, RUNS, create_database, delete_database
from reference_adapters.cosmos_azure_queue.harness import CosmosAzureQueueHarness, context
from reference_adapters.cosmos_azure_queue.queue import QueueSettings, connect, create_queues, delete_queues
from reference_adapters.cosmos_azure_queue.results import read_result
from reference_adapters.cosmos_azure_queue.run_item import RunItemContext
from reference_adapters.redis_bullmq import RedisCoordinationStore, store

__all__ = [
    "CALL_SECONDS",
    "RESULTS",
    "RUNS",
    "Cosmos",
    "CosmosAccount",
    "CosmosAzureQueueAdapter",
    "CosmosAzureQueueHarness",
    "QueueAccount",
    "QueueSettings",
    "RedisCoordinationStore",
    "RunItemContext",
    "WeakConsistencyError",
    "connect",
    "context",
    "create_database",
    "create_queues",
    "delete_database",
    "delete_queues",
    "read_result",
    "store",
]
