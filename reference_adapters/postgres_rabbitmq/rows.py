"""The state of a run in PostgreSQL, one row a key: a patch costs what it changes, whatever the size of the state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from psycopg import sql

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode, encode, encode_patch, require_key
from reference_adapters.postgres_rabbitmq.database import Database
from reference_adapters.postgres_rabbitmq.schema import DEFAULT_SCHEMA

# A patch deletes by writing NULL, and the rows are locked in the order of their keys: a DELETE would not see a row that
# another patch is about to write, and the two together would come to what no order of them gives.
_STATEMENTS = {
    "get": "SELECT value::text FROM {table} WHERE run_id = %s AND key = %s AND value IS NOT NULL",
    "set": """
        INSERT INTO {table} (run_id, key, value) VALUES (%s, %s, %s::json)
        ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value
    """,
    "has": "SELECT true FROM {table} WHERE run_id = %s AND key = %s AND value IS NOT NULL",
    "delete": "DELETE FROM {table} WHERE run_id = %s AND key = %s AND value IS NOT NULL RETURNING true",
    "to_dict": "SELECT key, value::text FROM {table} WHERE run_id = %s AND value IS NOT NULL",
    "patch": """
        INSERT INTO {table} (run_id, key, value)
        SELECT %s, key, value::json FROM unnest(%s::text[], %s::text[]) AS change (key, value) ORDER BY key COLLATE "C"
        ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value
    """,
    "patch_if_absent": """
        WITH guard AS (
            INSERT INTO {table} AS s (run_id, key, value) VALUES (%(run)s, %(guard)s, %(first)s::json)
            ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value WHERE s.value IS NULL
            RETURNING true
        ), changes AS (
            INSERT INTO {table} (run_id, key, value)
            SELECT %(run)s, key, value::json
            FROM guard, unnest(%(keys)s::text[], %(values)s::text[]) AS change (key, value) ORDER BY key COLLATE "C"
            ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value
        )
        SELECT true FROM guard
    """,
}


class RowContext:
    """An ``IGuardedContext``: each value is JSON text in a row of its own, exactly as it was written.

    Every operation raises psycopg.Error or TimeoutError when PostgreSQL fails, within CALL_SECONDS. Values that are no
    JSON, and keys with U+0000 or lone surrogates, raise before anything is sent (CTX-SET-04, CTX-KEY-01).
    """

    def __init__(self, database: Database, run_id: str, *, schema: str = DEFAULT_SCHEMA) -> None:
        self._database = database
        self._run_id = run_id
        self._schema = schema

    async def get(self, key: str) -> Any:
        """The value of the key's row."""
        rows = await self._run("get", require_key(key))
        return decode(rows[0][0]) if rows else None

    async def set(self, key: str, value: Any) -> None:
        """Insert or update the key's row."""
        await self._run("set", require_key(key), encode(value).decode())

    async def has(self, key: str) -> bool:
        """Whether the key has a row."""
        return bool(await self._run("has", require_key(key)))

    async def delete(self, key: str) -> bool:
        """Delete the key's row."""
        return bool(await self._run("delete", require_key(key)))

    async def to_dict(self) -> dict[str, Any]:
        """Every row of the run, in one statement: one snapshot."""
        return {key: decode(text) for key, text in await self._run("to_dict")}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """All changes in one statement; a patch without operations sends nothing."""
        keys, values = _columns(encode_patch(operations))
        if keys:
            await self._run("patch", keys, values)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same where ``guard`` is absent, in one statement that locks the guard's row before it looks at it."""
        changes = encode_patch(operations)
        first = changes.pop(require_key(guard), None)
        keys, values = _columns(changes)
        parameters = {"run": self._run_id, "guard": guard, "first": _text(first), "keys": keys, "values": values}
        return bool(await self._database.run(_statement(self._schema, "patch_if_absent"), parameters))

    async def _run(self, name: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return await self._database.run(_statement(self._schema, name), [self._run_id, *parameters])


@lru_cache(maxsize=256)
def _statement(schema: str, name: str) -> bytes:
    """Rendered once: psycopg would do it again for every call."""
    return sql.SQL(_STATEMENTS[name]).format(table=sql.Identifier(schema, "state")).as_bytes()


def _columns(changes: dict[str, bytes | None]) -> tuple[list[str], list[str | None]]:
    return list(changes), [_text(value) for value in changes.values()]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
