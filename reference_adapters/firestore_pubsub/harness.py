"""The targets of the kit: the adapter in both layouts, and the contexts of both layouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    Capabilities,
    FinalResult,
    ICoordinationStore,
    firestore_service,
    pubsub_service,
    redis_service,
)
from reference_adapters.firestore_pubsub import key_documents, run_document
from reference_adapters.firestore_pubsub.adapter import FirestorePubSubAdapter, Layout
from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient, GoogleSettings, PubSubClient
from reference_adapters.firestore_pubsub.collections import Collections, delete_collections
from reference_adapters.firestore_pubsub.key_documents import KeyDocumentsContext
from reference_adapters.firestore_pubsub.queue import PubSubQueue, QueueSettings, create_queues, delete_queues
from reference_adapters.firestore_pubsub.results import read_result
from reference_adapters.firestore_pubsub.run_document import RunDocumentContext
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect
from reference_adapters.redis_bullmq import store as store  # coordination is on Redis, by the same code

_FIRESTORE = "FLOWCRAFT_FIRESTORE_URL"
_PUBSUB = "FLOWCRAFT_PUBSUB_URL"
_REDIS = "FLOWCRAFT_REDIS_URL"
_KIT = Collections("flowcraft-kit-")

_CONTEXT = Capabilities(processes=True, call_timeout_seconds=CALL_SECONDS + 2, proxy_env=(_FIRESTORE,))
_RUN_DOCUMENT = replace(
    _CONTEXT,
    max_value_bytes=run_document.MAX_VALUE_BYTES,
    max_patch_operations=run_document.MAX_PATCH_OPERATIONS,
    delta_persistence=False,  # little travels, but Firestore writes the whole document, which ends at 1 MiB
)
_KEY_DOCUMENTS = replace(
    _CONTEXT,
    max_value_bytes=key_documents.MAX_VALUE_BYTES,
    max_patch_operations=key_documents.MAX_PATCH_OPERATIONS,
)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RunDocumentContext]:
    """A target of the kit: the state of a run in one document, with a client of its own."""
    async with _firestore() as firestore:
        yield RunDocumentContext(firestore, _KIT.runs, run_id)


@asynccontextmanager
async def document_per_key_context(run_id: str) -> AsyncIterator[KeyDocumentsContext]:
    """A target of the kit: the state of a run in one document a key, with a client of its own."""
    async with _firestore() as firestore:
        yield KeyDocumentsContext(firestore, _KIT.run_keys, run_id)


context.capabilities = _RUN_DOCUMENT  # type: ignore[attr-defined]
document_per_key_context.capabilities = _KEY_DOCUMENTS  # type: ignore[attr-defined]


def _of_adapter(context_capabilities: Capabilities) -> Capabilities:
    return replace(
        context_capabilities,
        ttl_granularity=0.01,
        ttl_lag=0.05,
        lease_seconds=2,  # the ack deadline, in whole seconds, short for the checks
        redelivery_seconds=14,  # Pub/Sub waits ten for a worker that dies before it says anything
        queue_attempts=5,
        proxy_env=(_FIRESTORE, _PUBSUB, _REDIS),
    )


class FirestorePubSubHarness(AdapterHarness):
    """The adapter with the state of a run in one document, on the servers of ``firestore_service``, ``pubsub_service``
    and ``redis_service``."""

    layout: ClassVar[Layout] = "run"
    capabilities: ClassVar[Capabilities] = _of_adapter(_RUN_DOCUMENT)

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()

    async def setup(self) -> None:
        """Make the topics and subscriptions of the scope; collections come with what is written."""
        async with _pubsub() as pubsub:
            await create_queues(pubsub, self._settings)

    async def teardown(self) -> None:
        """Remove all that carries the scope, and close what was opened."""
        await self._stack.aclose()
        async with _pubsub() as pubsub:
            await delete_queues(pubsub, self._settings)
        async with _firestore() as firestore:
            await delete_collections(firestore, self._collections)
        async with connect(redis_service().url) as redis:
            async for key in redis.scan_iter(match=f"{self.scope}:*"):
                await redis.unlink(key)

    async def create_store(self) -> ICoordinationStore:
        """A store with a client of its own."""
        client = connect(redis_service().url)
        self._stack.push_async_callback(client.aclose)
        return RedisCoordinationStore(client, prefix=f"{self.scope}:")

    async def create_adapter(self, options: AdapterOptions) -> FirestorePubSubAdapter:
        """An adapter with connections of its own."""
        return FirestorePubSubAdapter(
            options,
            firestore=GoogleSettings.at(firestore_service().url),
            pubsub=GoogleSettings.at(pubsub_service().url),
            collections=self._collections,
            queue=self._settings,
            layout=self.layout,
        )

    async def send_raw(self, body: bytes) -> None:
        """A raw message on the queue."""
        async with _pubsub() as pubsub:
            await PubSubQueue(pubsub, self._settings.name).send(body)

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """The published result."""
        async with _firestore() as firestore:
            result = await read_result(firestore, self._collections.results, run_id)
        return [] if result is None else [result]

    @property
    def _collections(self) -> Collections:
        return Collections(f"{self.scope}-")

    @property
    def _settings(self) -> QueueSettings:
        lease = int(self.capabilities.lease_seconds)
        return QueueSettings(f"{self.scope}-jobs", lease_seconds=lease, poll_seconds=2, retry_seconds=0)


class FirestorePubSubDocumentPerKeyHarness(FirestorePubSubHarness):
    """The same with one document a key."""

    layout: ClassVar[Layout] = "key"
    capabilities: ClassVar[Capabilities] = _of_adapter(_KEY_DOCUMENTS)


def _firestore() -> FirestoreClient:
    return FirestoreClient(GoogleSettings.at(firestore_service().url))


def _pubsub() -> PubSubClient:
    return PubSubClient(GoogleSettings.at(pubsub_service().url))
