"""The adapter on DynamoDB and SQS."""

from __future__ import annotations

from typing import Literal

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    FinalResult,
    IAsyncContext,
    JobPayload,
)
from reference_adapters.dynamodb_sqs.calls import AwsClient, AwsSettings
from reference_adapters.dynamodb_sqs.consumer import Handler, SqsConsumer
from reference_adapters.dynamodb_sqs.key_items import KeyItemsContext
from reference_adapters.dynamodb_sqs.queue import QueueSettings, SqsQueue, body_of
from reference_adapters.dynamodb_sqs.results import write_result
from reference_adapters.dynamodb_sqs.run_item import RunItemContext
from reference_adapters.dynamodb_sqs.tables import Tables

Layout = Literal["run", "key"]


class DynamoDbSqsAdapter(BaseDistributedAdapter):
    """Workers and clients on one set of tables and queues, which must be there.

    ``layout``: the state of a run in one item (``run``, as documented) or in one item a key (``key``, for states beyond
    400 KB). All workers of a run use the same one.
    """

    def __init__(
        self,
        options: AdapterOptions,
        *,
        dynamodb: AwsSettings | None = None,
        sqs: AwsSettings | None = None,
        tables: Tables | None = None,
        queue: QueueSettings | None = None,
        layout: Layout = "run",
    ) -> None:
        super().__init__(options)
        self._settings = queue or QueueSettings()
        self._tables = tables or Tables()
        self._layout = layout
        self._dynamodb = AwsClient("dynamodb", dynamodb or AwsSettings())
        self._sqs = AwsClient("sqs", sqs or AwsSettings())
        # A poll keeps its connection for as long as it waits: it must not keep an acknowledgement waiting.
        self._polls = AwsClient("sqs", sqs or AwsSettings(), wait_seconds=self._settings.poll_seconds)
        self._queues = self._queues_over(self._sqs)
        self._consumer: SqsConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's connections."""
        if self._layout == "run":
            return RunItemContext(self._dynamodb, self._tables.runs, run_id)
        return KeyItemsContext(self._dynamodb, self._tables.run_keys, run_id)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`."""
        if self._consumer is None:
            polling = self._queues_over(self._polls)
            consumer = SqsConsumer(polling, self._queues, self._settings, handler, self.abandon_job, self.logger)
            await consumer.start()
            self._consumer = consumer

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises ClientError, BotoCoreError or TimeoutError where SQS fails."""
        await self._queues[0].send(body_of(job))

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        await write_result(self._dynamodb, self._tables.results, run_id, result)

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        for client in (self._polls, self._sqs, self._dynamodb):
            await client.close()

    def _queues_over(self, sqs: AwsClient) -> tuple[SqsQueue, SqsQueue]:
        return SqsQueue(sqs, self._settings.jobs_name), SqsQueue(sqs, self._settings.dead_name)
