"""The state of a run in PostgreSQL as the documentation page has it: one JSONB document, ``jsonb_set()`` and ``#-``.

Every change makes PostgreSQL write the whole document anew; :mod:`rows` does not. What is sent is the change alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode, encode, encode_patch, require_key
from reference_adapters.postgres_rabbitmq.database import Database
from reference_adapters.postgres_rabbitmq.schema import DEFAULT_SCHEMA

_EXACT = "$json"
"""The one name of an object that holds a value's JSON text, where JSONB would not give the value back as it was."""
_IN_TURN = 16
"""Changes that are made one after the other; more are merged, for each call of jsonb_set copies the document."""

_WHOLE = 1e16
"""Floats from here on have no digit behind the point in their JSON text."""

_WRITE = """
    INSERT INTO {table} AS d (run_id, state) VALUES (%(run)s, %(first)s::jsonb)
    ON CONFLICT (run_id) DO UPDATE SET state = {changed}
"""
_STATEMENTS = {
    "get": "SELECT (state -> %s)::text FROM {table} WHERE run_id = %s",
    "has": "SELECT state ? %s FROM {table} WHERE run_id = %s",
    "delete": """
        UPDATE {table} SET state = state #- ARRAY[%(key)s]::text[]
        WHERE run_id = %(run)s AND state ? %(key)s RETURNING true
    """,
    "to_dict": "SELECT key, value::text FROM {table}, jsonb_each(state) WHERE run_id = %s",
}


class DocumentContext:
    """An ``IGuardedContext``: the keys of a run are the members of one JSONB object. Keys are always parameters.

    JSONB keeps numbers exactly, but knows no -0.0 and writes large floats as whole numbers; values with one of these
    stand there as text, so that they come back as they were. U+0000 is refused by the server.
    Errors are those of :class:`RowContext`.
    """

    def __init__(self, database: Database, run_id: str, *, schema: str = DEFAULT_SCHEMA) -> None:
        self._database = database
        self._run_id = run_id
        self._table = sql.Identifier(schema, "document")

    async def get(self, key: str) -> Any:
        """The member of the document."""
        rows = await self._run("get", [require_key(key), self._run_id])
        return _loaded(rows[0][0]) if rows and rows[0][0] is not None else None

    async def set(self, key: str, value: Any) -> None:
        """jsonb_set."""
        await self._write({require_key(key): encode(value)})

    async def has(self, key: str) -> bool:
        """Whether the document has the member."""
        rows = await self._run("has", [require_key(key), self._run_id])
        return bool(rows and rows[0][0])

    async def delete(self, key: str) -> bool:
        """``#-``."""
        return bool(await self._run("delete", {"key": require_key(key), "run": self._run_id}))

    async def to_dict(self) -> dict[str, Any]:
        """The document."""
        return {key: _loaded(text) for key, text in await self._run("to_dict", [self._run_id])}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """jsonb_set and ``#-`` in one statement; a patch without operations sends nothing."""
        changes = encode_patch(operations)
        if changes:
            await self._write(changes)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same where the document lacks ``guard``, in the same statement."""
        return await self._write(encode_patch(operations), guard=require_key(guard))

    async def _write(self, changes: Mapping[str, bytes | None], guard: str | None = None) -> bool:
        texts = {key: _stored(text) for key, text in changes.items()}
        written = ",".join(f"{encode(key).decode()}:{text}" for key, text in texts.items() if text is not None)
        parameters: dict[str, Any] = {"run": self._run_id, "first": f"{{{written}}}"}
        changed = (_in_turn if len(texts) <= _IN_TURN else _merged)(texts, parameters)
        statement = sql.SQL(_WRITE).format(table=self._table, changed=changed)
        if guard is not None:
            parameters["guard"] = guard
            statement += sql.SQL("WHERE NOT d.state ? %(guard)s ")
        return bool(await self._database.run(statement + sql.SQL("RETURNING true"), parameters))

    async def _run(self, name: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return await self._database.run(sql.SQL(_STATEMENTS[name]).format(table=self._table), parameters)


def _in_turn(texts: Mapping[str, str | None], parameters: dict[str, Any]) -> sql.Composable:
    """The document with one change after the other; adds the keys and values to the parameters."""
    changed: sql.Composable = sql.SQL("d.state")
    for number, (key, text) in enumerate(texts.items()):
        path = sql.SQL("ARRAY[{}]::text[]").format(sql.Placeholder(f"key{number}"))
        parameters[f"key{number}"] = key
        if text is None:
            changed = sql.SQL("({} #- {})").format(changed, path)
        else:
            parameters[f"value{number}"] = text
            value = sql.Placeholder(f"value{number}")
            changed = sql.SQL("jsonb_set({}, {}, {}::jsonb)").format(changed, path, value)
    return changed


def _merged(texts: Mapping[str, str | None], parameters: dict[str, Any]) -> sql.Composable:
    """The same for many changes: one copy of the document for all of them. What is written is ``first``."""
    parameters["deleted"] = [key for key, text in texts.items() if text is None]
    return sql.SQL("(d.state - %(deleted)s::text[]) || %(first)s::jsonb")


def _stored(text: bytes | None) -> str | None:
    """The JSON text that JSONB gives back as the same value."""
    if text is None:
        return None
    plain = text.decode()
    return plain if _is_exact(decode(plain)) else encode({_EXACT: plain}).decode()


def _is_exact(value: Any) -> bool:
    if isinstance(value, dict) and set(value) == {_EXACT}:
        return False
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, float) and (abs(part) >= _WHOLE or (part == 0 and math.copysign(1, part) < 0)):
            return False
        if isinstance(part, list):
            parts.extend(part)
        elif isinstance(part, dict):
            parts.extend(part.values())
    return True


def _loaded(text: str) -> Any:
    value = decode(text)
    return decode(value[_EXACT]) if isinstance(value, dict) and set(value) == {_EXACT} else value
