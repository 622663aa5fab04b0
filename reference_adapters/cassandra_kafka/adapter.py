"""The adapter on Cassandra and Kafka."""

from __future__ import annotations

from typing import Literal

from flowcraft_conformance import AdapterOptions, BaseDistributedAdapter, FinalResult, IAsyncContext, JobPayload
from reference_adapters.cassandra_kafka.consumer import KafkaConsumer
from reference_adapters.cassandra_kafka.database import Database
from reference_adapters.cassandra_kafka.deliveries import Deliveries, Handler
from reference_adapters.cassandra_kafka.documents import DocumentContext
from reference_adapters.cassandra_kafka.queue import KafkaSettings, QueueSettings, Sender
from reference_adapters.cassandra_kafka.results import write_result
from reference_adapters.cassandra_kafka.rows import RowContext
from reference_adapters.cassandra_kafka.schema import DEFAULT_KEYSPACE

Layout = Literal["rows", "document"]

_LAYOUTS: dict[Layout, type[RowContext | DocumentContext]] = {"rows": RowContext, "document": DocumentContext}


class CassandraKafkaAdapter(BaseDistributedAdapter):
    """Workers and clients on one keyspace and one set of topics, which must be there.

    ``database`` is a URL, or an object that is shared with others and not closed here. ``namespace`` keeps runs of the
    same id apart. ``layout`` is how the state of a run is kept, and the same for all workers of a run.
    """

    def __init__(
        self,
        options: AdapterOptions,
        database: Database | str,
        kafka: KafkaSettings,
        *,
        keyspace: str = DEFAULT_KEYSPACE,
        namespace: str = "",
        layout: Layout = "rows",
        queue: QueueSettings | None = None,
    ) -> None:
        super().__init__(options)
        self._database = Database(database) if isinstance(database, str) else database
        self._owns_database = isinstance(database, str)
        self._store = options.coordination_store
        self._kafka = kafka
        self._settings = queue or QueueSettings()
        self._place = {"keyspace": keyspace, "namespace": namespace}
        self._layout = _LAYOUTS[layout]
        self._sender = Sender(kafka, self._settings)
        self._consumer: KafkaConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's connections."""
        return self._layout(self._database, run_id, **self._place)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`. Raises as :meth:`KafkaConsumer.start` does."""
        if self._consumer is None:
            deliveries = Deliveries(self._sender, self._store, handler, self.abandon_job, self.logger)
            consumer = KafkaConsumer(self._kafka, self._settings, deliveries, self.logger)
            await consumer.start()
            self._consumer = consumer

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises as :meth:`Sender.send` does where Kafka fails."""
        await self._sender.send(job.to_json())

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        await write_result(self._database, run_id, result, **self._place)

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        await self._sender.close()
        if self._owns_database:
            await self._database.close()
