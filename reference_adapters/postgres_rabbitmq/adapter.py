"""The adapter on PostgreSQL and RabbitMQ."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Literal

from psycopg import sql

from flowcraft_conformance import AdapterOptions, BaseDistributedAdapter, FinalResult, IAsyncContext, JobPayload
from reference_adapters.postgres_rabbitmq.database import Database
from reference_adapters.postgres_rabbitmq.documents import DocumentContext
from reference_adapters.postgres_rabbitmq.queue import Broker, Consumer, Handler, QueueSettings
from reference_adapters.postgres_rabbitmq.rows import RowContext
from reference_adapters.postgres_rabbitmq.schema import DEFAULT_SCHEMA, migrate

Layout = Literal["rows", "document"]

_LAYOUTS: dict[Layout, type[RowContext | DocumentContext]] = {"rows": RowContext, "document": DocumentContext}
_PUBLISH = """
    INSERT INTO {table} (run_id, result) VALUES (%s, %s::json)
    ON CONFLICT (run_id) DO UPDATE SET result = excluded.result
"""
_TABLES: dict[Layout, str] = {"rows": "state", "document": "document"}
_UNFINISHED = "SELECT DISTINCT run_id FROM {state} EXCEPT SELECT run_id FROM {result}"
_READ = "SELECT result::text FROM {table} WHERE run_id = %s"


class PostgresRabbitMQAdapter(BaseDistributedAdapter):
    """Workers and clients on one database and one broker. All tables are in ``schema``, which :meth:`open` brings
    up to date; ``layout`` is how the state of a run is kept, and must be the same for all that share a schema.
    ``database`` is a URL, or a pool that is shared with others and not closed here.
    """

    def __init__(
        self,
        options: AdapterOptions,
        database: Database | str,
        broker_url: str,
        *,
        schema: str = DEFAULT_SCHEMA,
        layout: Layout = "rows",
        queue: QueueSettings | None = None,
    ) -> None:
        super().__init__(options)
        self._database = Database(database) if isinstance(database, str) else database
        self._owns_database = isinstance(database, str)
        self._broker = Broker(broker_url, queue or QueueSettings())
        self._schema = schema
        self._layout = _LAYOUTS[layout]
        self._consumer: Consumer | None = None

    async def open(self) -> None:
        """Bring the schema up to date; raises as :func:`migrate` does."""
        await migrate(self._database, self._schema)

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run, over this adapter's pool."""
        return self._layout(self._database, run_id, schema=self._schema)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs; may be called again after :meth:`close`."""
        if self._consumer is None:
            consumer = Consumer(self._broker, handler, self.abandon_job, self.logger)
            await consumer.start()
            self._consumer = consumer

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the queue; raises as :meth:`Broker.send` does where RabbitMQ fails."""
        await self._broker.send(self._broker.settings.jobs, job.to_json(), {})

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Write the result where the run's client reads it."""
        statement = sql.SQL(_PUBLISH).format(table=sql.Identifier(self._schema, "result"))
        await self._database.run(statement, [run_id, json.dumps(result.to_wire())])

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Release every connection; the adapter may be opened again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        await self._broker.close()
        if self._owns_database:
            await self._database.close()


async def read_result(database: Database, run_id: str, *, schema: str = DEFAULT_SCHEMA) -> FinalResult | None:
    """The published result of a run; None as long as there is none. Raises as :meth:`Database.run` does."""
    rows = await database.run(sql.SQL(_READ).format(table=sql.Identifier(schema, "result")), [run_id])
    return FinalResult.from_wire(json.loads(rows[0][0])) if rows else None


async def unfinished_runs(
    database: Database, *, schema: str = DEFAULT_SCHEMA, layout: Layout = "rows"
) -> AsyncIterator[str]:
    """The ids of all runs without a published result, for a reconciler. Raises as :meth:`Database.run` does."""
    state, result = sql.Identifier(schema, _TABLES[layout]), sql.Identifier(schema, "result")
    for (run_id,) in await database.run(sql.SQL(_UNFINISHED).format(state=state, result=result)):
        yield run_id
