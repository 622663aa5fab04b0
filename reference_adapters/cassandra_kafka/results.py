"""Final results on Cassandra, and the runs that have none yet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from flowcraft_conformance import FinalResult
from reference_adapters._room import plain
from reference_adapters.cassandra_kafka.database import Database
from reference_adapters.cassandra_kafka.schema import DEFAULT_KEYSPACE, table

# Written without a condition, and never with one: a result that is published twice is the same one.
_WRITE = "INSERT INTO {table} (namespace, run_id, result) VALUES (?, ?, ?)"
_READ = "SELECT result FROM {table} WHERE namespace = ? AND run_id = ?"
_RUNS = "SELECT DISTINCT namespace, run_id FROM {table}"


async def write_result(
    database: Database, run_id: str, result: FinalResult, *, keyspace: str = DEFAULT_KEYSPACE, namespace: str = ""
) -> None:
    """Write the result where the run's client reads it; raises as :meth:`Database.run` does."""
    statement = _WRITE.format(table=table(keyspace, "result"))
    await database.run(statement, (namespace, plain(run_id), json.dumps(result.to_wire())))


async def read_result(
    database: Database, run_id: str, *, keyspace: str = DEFAULT_KEYSPACE, namespace: str = ""
) -> FinalResult | None:
    """The published result of a run; None as long as there is none. Raises as :meth:`Database.run` does."""
    rows = await database.run(_READ.format(table=table(keyspace, "result")), (namespace, plain(run_id)))
    return FinalResult.from_wire(json.loads(rows[0][0])) if rows else None


async def unfinished_runs(
    database: Database, *, keyspace: str = DEFAULT_KEYSPACE, namespace: str = "", states: str = "state"
) -> AsyncIterator[str]:
    """The ids of all runs without a published result, for a reconciler; ``states`` is ``state`` or ``document``.

    It reads the partition keys of the whole table. Raises as :meth:`Database.run` does.
    """
    for found, run_id in await database.run(_RUNS.format(table=table(keyspace, states))):
        if found == namespace and await read_result(database, run_id, keyspace=keyspace, namespace=namespace) is None:
            yield run_id
