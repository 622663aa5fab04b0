"""The adapter on Firestore and Pub/Sub."""

from __future__ import annotations

from typing import Literal

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    FinalResult,
    IAsyncContext,
    JobPayload,
)
from reference_adapters.firestore_pubsub.clients import FirestoreClient, GoogleSettings, PubSubClient
from reference_adapters.firestore_pubsub.collections import Collections
from reference_adapters.firestore_pubsub.consumer import Handler, PubSubConsumer
from reference_adapters.firestore_pubsub.key_documents import KeyDocumentsContext
from reference_adapters.firestore_pubsub.queue import PubSubQueue, QueueSettings
from reference_adapters.firestore_pubsub.results import write_result
from reference_adapters.firestore_pubsub.run_document import RunDocumentContext

Layout = Literal["run", "key"]


class FirestorePubSubAdapter(BaseDistributedAdapter):
    """Workers and clients on one database and one pair of topics, which must be there.

    ``layout``: the state of a run in one document (``run``, as documented) or in one document a key (``key``, for
    states beyond 1 MiB). All workers of a run use the same one.
    """

    def __init__(
        self,
        options: AdapterOptions,
        *,
        firestore: GoogleSettings | None = None,
        pubsub: GoogleSettings | None = None,
        collections: Collections | None = None,
        queue: QueueSettings | None = None,
        layout: Layout = "run",
    ) -> None:
        super().__init__(options)
        self._settings = queue or QueueSettings()
        self._collections = collections or Collections()
        self._layout = layout
        self._firestore = FirestoreClient(firestore or GoogleSettings())
        self._pubsub = PubSubClient(pubsub or GoogleSettings())
        # A pull that waits must not keep an acknowledgement waiting.
        self._pulls = PubSubClient(pubsub or GoogleSettings())
        self._queues = self._queues_over(self._pubsub)
        self._consumer: PubSubConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's connection."""
        if self._layout == "run":
            return RunDocumentContext(self._firestore, self._collections.runs, run_id)
        return KeyDocumentsContext(self._firestore, self._collections.run_keys, run_id)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`."""
        if self._consumer is None:
            polling = self._queues_over(self._pulls)
            consumer = PubSubConsumer(polling, self._queues, self._settings, handler, self.abandon_job, self.logger)
            await consumer.start()
            self._consumer = consumer

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises GoogleAPICallError or TimeoutError where Pub/Sub fails."""
        await self._queues[0].send(job.to_json())

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        await write_result(self._firestore, self._collections.results, run_id, result)

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        for client in (self._pulls, self._pubsub, self._firestore):
            await client.close()

    def _queues_over(self, pubsub: PubSubClient) -> tuple[PubSubQueue, PubSubQueue]:
        return PubSubQueue(pubsub, self._settings.name), PubSubQueue(pubsub, self._settings.dead_name)
