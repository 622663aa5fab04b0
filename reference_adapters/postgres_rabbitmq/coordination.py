"""The coordination store on PostgreSQL alone: one statement an operation, deadlines judged by the server's clock."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import sql

from reference_adapters._ttl import require_ttl
from reference_adapters.postgres_rabbitmq.database import Database
from reference_adapters.postgres_rabbitmq.schema import DEFAULT_SCHEMA

_PURGE_SECONDS = 60.0

# Every write looks at the row once it holds its lock, so that two calls on one key come one after the other. The
# expiry is computed there too: a call that waited counts its TTL from when it was carried out.
_STATEMENTS = {
    "increment": """
        INSERT INTO {table} AS c (key, value, expires_at)
        VALUES (%(key)s, '1', clock_timestamp() + make_interval(secs => %(ttl)s))
        ON CONFLICT (key) DO UPDATE SET
            value = CASE WHEN c.expires_at <= clock_timestamp() OR c.value !~ {number} THEN '1'
                         ELSE (c.value::numeric + 1)::text END,
            expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
        WHERE c.expires_at <= clock_timestamp() OR c.value ~ {number}
        RETURNING value
    """,
    "set_if_not_exist": """
        INSERT INTO {table} AS c (key, value, expires_at)
        VALUES (%(key)s, %(value)s, clock_timestamp() + make_interval(secs => %(ttl)s))
        ON CONFLICT (key) DO UPDATE SET
            value = excluded.value, expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
        WHERE c.expires_at <= clock_timestamp()
        RETURNING true
    """,
    "extend_ttl": """
        UPDATE {table} SET expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
        WHERE key = %(key)s AND expires_at > clock_timestamp()
        RETURNING true
    """,
    "delete": "DELETE FROM {table} WHERE key = %(key)s",
    "get": "SELECT value FROM {table} WHERE key = %(key)s AND expires_at > clock_timestamp()",
    "purge": """
        DELETE FROM {table} WHERE key IN (
            SELECT key FROM {table} WHERE expires_at <= clock_timestamp()
            ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED
        )
    """,
}
_NUMBER = "^(0|-?[1-9][0-9]{0,17})$"


class PostgresCoordinationStore:
    """An ``ICoordinationStore`` on one database. An expired row is absent for every operation, and purged in time.

    Every operation raises psycopg.Error or TimeoutError when PostgreSQL fails, within CALL_SECONDS. Which operation
    was carried out is then unknown; nothing is repeated. ``prefix`` stands before every key.
    """

    def __init__(self, database: Database, *, schema: str = DEFAULT_SCHEMA, prefix: str = "") -> None:
        self._database = database
        self._prefix = prefix
        table = sql.Identifier(schema, "coordination")
        self._statements = {
            name: sql.SQL(text).format(table=table, number=sql.Literal(_NUMBER)) for name, text in _STATEMENTS.items()
        }
        self._purged = time.monotonic()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up and re-arm in one step; raises ValueError where the key holds no number."""
        rows = await self._run("increment", key, ttl=require_ttl(ttl_seconds))
        if not rows:
            raise ValueError(f"the key {key!r} holds no number that can be counted up")
        await self._purge()
        return int(rows[0][0])

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """Insert, or take over what has expired."""
        if not isinstance(value, str):
            raise TypeError(f"a value is a str, this is {value!r}")
        won = bool(await self._run("set_if_not_exist", key, value=value, ttl=require_ttl(ttl_seconds)))
        await self._purge()
        return won

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """Set the expiry of a key that has not expired."""
        return bool(await self._run("extend_ttl", key, ttl=require_ttl(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """Delete the row."""
        await self._run("delete", key)

    async def get(self, key: str) -> str | None:
        """The value of a key that has not expired."""
        rows = await self._run("get", key)
        return rows[0][0] if rows else None

    async def _run(self, name: str, key: str, **parameters: Any) -> list[tuple[Any, ...]]:
        if not isinstance(key, str):
            raise TypeError(f"a key is a str, this is {key!r}")
        return await self._database.run(self._statements[name], {"key": self._prefix + key, **parameters})

    async def _purge(self) -> None:
        """Once a minute remove what has expired; rows in use are left for the next time."""
        if time.monotonic() - self._purged < _PURGE_SECONDS:
            return
        self._purged = time.monotonic()
        try:
            await self._database.run(self._statements["purge"])
        except (psycopg.Error, TimeoutError):
            return  # the caller's operation is done, and the next purge will do this one's work
