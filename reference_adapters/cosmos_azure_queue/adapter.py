"""The adapter on Cosmos DB and Azure Queue Storage."""

from __future__ import annotations

from azure.storage.queue.aio import QueueServiceClient

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    FinalResult,
    IAsyncContext,
    JobPayload,
)
from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount, QueueAccount
from reference_adapters.cosmos_azure_queue.calls import Cosmos
from reference_adapters.cosmos_azure_queue.consumer import Handler, QueueConsumer
from reference_adapters.cosmos_azure_queue.database import RUNS
from reference_adapters.cosmos_azure_queue.queue import AzureQueue, QueueSettings, body_of, connect
from reference_adapters.cosmos_azure_queue.results import write_result
from reference_adapters.cosmos_azure_queue.run_item import RunItemContext


class CosmosAzureQueueAdapter(BaseDistributedAdapter):
    """Workers and clients on one database and its queues, which must be there."""

    def __init__(
        self,
        options: AdapterOptions,
        *,
        cosmos: CosmosAccount,
        storage: QueueAccount,
        database: str = "flowcraft",
        queue: QueueSettings | None = None,
    ) -> None:
        super().__init__(options)
        self._settings = queue or QueueSettings()
        self._cosmos = Cosmos(cosmos, database)
        self._storage = storage
        self._service: QueueServiceClient | None = None
        self._consumer: QueueConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's connections."""
        return RunItemContext(self._cosmos, RUNS, run_id)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`."""
        if self._consumer is None:
            jobs, poison = self._queue(self._settings.name), self._queue(self._settings.poison_name)
            consumer = QueueConsumer(jobs, poison, self._settings, handler, self.abandon_job, self.logger)
            await consumer.start()
            self._consumer = consumer

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises azure.core.exceptions.AzureError or TimeoutError where Azure fails."""
        await self._queue(self._settings.name).send(body_of(job))

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        await write_result(self._cosmos, run_id, result)

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        service, self._service = self._service, None
        if service is not None:
            await service.close()
        await self._cosmos.close()

    def _queue(self, name: str) -> AzureQueue:
        if self._service is None:
            self._service = connect(self._storage)
        return AzureQueue(self._service, name)
