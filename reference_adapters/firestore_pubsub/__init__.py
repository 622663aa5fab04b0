"""The adapter on Firestore and Pub/Sub, in two layouts of the state, with its contexts; it coordinates on Redis.

Targets of the kit, behind ``reference_adapters.firestore_pubsub:``, are the adapters ``FirestorePubSubHarness`` (the
state of a run in one document, as documented) and ``FirestorePubSubDocumentPerKeyHarness`` (one document a key), the
store ``store``, and the contexts ``context`` and ``document_per_key_context``. They talk to the servers of
FLOWCRAFT_FIRESTORE_URL, FLOWCRAFT_PUBSUB_URL and FLOWCRAFT_REDIS_URL, else to servers that are started for the run.
"""

from __future__ import annotations

import reference_adapters.firestore_pubsub._extra  # noqa: F401 - first, for its text
from reference_adapters.firestore_pubsub.adapter import FirestorePubSubAdapter, Layout
from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient, GoogleSettings, PubSubClient
from reference_adapters.firestore_pubsub.collections import Collections, delete_collections
from reference_adapters.firestore_pubsub.harness import (
    FirestorePubSubDocumentPerKeyHarness,
    FirestorePubSubHarness,
    context,
    document_per_key_context,
    store,
)
from reference_adapters.firestore_pubsub.key_documents import KeyDocumentsContext
from reference_adapters.firestore_pubsub.queue import QueueSettings, create_queues, delete_queues
from reference_adapters.firestore_pubsub.results import read_result
from reference_adapters.firestore_pubsub.run_document import RunDocumentContext

__all__ = [
    "CALL_SECONDS",
    "Collections",
    "FirestoreClient",
    "FirestorePubSubAdapter",
    "FirestorePubSubDocumentPerKeyHarness",
    "FirestorePubSubHarness",
    "GoogleSettings",
    "KeyDocumentsContext",
    "Layout",
    "PubSubClient",
    "QueueSettings",
    "RunDocumentContext",
    "context",
    "create_queues",
    "delete_collections",
    "delete_queues",
    "document_per_key_context",
    "read_result",
    "store",
]
