"""The keyspace and its tables: made once, by whoever deploys."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from cassandra.protocol import ServerError

from reference_adapters.cassandra_kafka.database import Database

DEFAULT_KEYSPACE = "flowcraft"
ONE_REPLICA: Mapping[str, Any] = {"class": "SimpleStrategy", "replication_factor": 1}
"""For one node. A cluster asks for ``{"class": "NetworkTopologyStrategy", "its data centre": 3}``."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)
# Every table has the run in its partition key: what is in one partition can be changed by one atomic batch.
_TABLES = {
    "state": "namespace text, run_id text, key text, value text, PRIMARY KEY ((namespace, run_id), key)",
    "document": "namespace text, run_id text, version bigint, state text, PRIMARY KEY ((namespace, run_id))",
    "result": "namespace text, run_id text, result text, PRIMARY KEY ((namespace, run_id))",
}
_TRIES = 5
_PAUSE_SECONDS = 0.3


def table(keyspace: str, name: str) -> str:
    """The full name of a table.

    Raises:
        ValueError: the keyspace's name is none that needs no quotes.
    """
    if _NAME.fullmatch(keyspace) is None:
        raise ValueError(
            f"{keyspace!r} is no name of a keyspace: use a letter, then at most 47 letters, digits and underscores, "
            "all of them small"
        )
    return f"{keyspace}.{name}"


async def create_schema(
    database: Database, keyspace: str = DEFAULT_KEYSPACE, replication: Mapping[str, Any] = ONE_REPLICA
) -> None:
    """Make the keyspace and its tables; what is there, or is made by others meanwhile, is left as it is.

    Raises as :meth:`Database.run` does.
    """
    names = [table(keyspace, name) for name in _TABLES]
    options = ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in replication.items())
    await _make(database, f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{{options}}}")
    for name, columns in zip(names, _TABLES.values(), strict=True):
        await _make(database, f"CREATE TABLE IF NOT EXISTS {name} ({columns})")


async def drop_schema(database: Database, keyspace: str = DEFAULT_KEYSPACE) -> None:
    """Remove the keyspace with all that is in it; raises as :meth:`Database.run` does."""
    table(keyspace, "state")
    await database.run_plain(f"DROP KEYSPACE IF EXISTS {keyspace}")


async def clear_namespace(database: Database, namespace: str, keyspace: str = DEFAULT_KEYSPACE) -> None:
    """Remove every run of one namespace, when nobody works on it any more; raises as :meth:`Database.run` does."""
    for name in _TABLES:
        full = table(keyspace, name)
        for found, run_id in await database.run(f"SELECT DISTINCT namespace, run_id FROM {full}"):
            if found == namespace:
                await database.run(f"DELETE FROM {full} WHERE namespace = ? AND run_id = ?", (namespace, run_id))


async def _make(database: Database, statement: str) -> None:
    """Again where another makes the same at this moment: Cassandra then tells one of the two of different ids."""
    for _ in range(_TRIES - 1):
        try:
            await database.run_plain(statement)
        except ServerError:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    await database.run_plain(statement)


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
