"""The state of a run in Cassandra as the documentation page has it: read, modify, write; safe by a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode, encode
from reference_adapters._room import Room, plain
from reference_adapters.cassandra_kafka.database import Database
from reference_adapters.cassandra_kafka.schema import DEFAULT_KEYSPACE, table

MAX_VALUE_BYTES = 1_000_000
MAX_DOCUMENT_BYTES = 8_000_000
"""Cassandra writes at most half a segment of its commit log at once: 16 MB, unless it is set otherwise."""

_ROOM = Room(10_000, MAX_VALUE_BYTES, MAX_DOCUMENT_BYTES)
_READ = "SELECT version, state FROM {table} WHERE namespace = ? AND run_id = ?"
_MAKE = "INSERT INTO {table} (state, version, namespace, run_id) VALUES (?, ?, ?, ?) IF NOT EXISTS"
_REPLACE = "UPDATE {table} SET state = ?, version = ? WHERE namespace = ? AND run_id = ? IF version = ?"

Texts = dict[str, str]


class DocumentContext:
    """An ``IGuardedContext``: one document a run, JSON whose members are the JSON texts of the values.

    A change reads the document and writes it back on the condition that its version is the one that was read; where
    another was faster it is read again. So every change sends the whole state twice: :mod:`rows` does not.
    Errors are those of :class:`RowContext`; a state beyond MAX_DOCUMENT_BYTES raises ValueError, too.
    """

    def __init__(
        self, database: Database, run_id: str, *, keyspace: str = DEFAULT_KEYSPACE, namespace: str = ""
    ) -> None:
        self._database = database
        self._run = (namespace, plain(run_id))
        self._table = table(keyspace, "document")

    async def get(self, key: str) -> Any:
        """The member of the document."""
        plain(key)
        text = (await self._read())[1].get(key)
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """A patch of one key."""
        await self._write({key: _ROOM.text(plain(key), value)})

    async def has(self, key: str) -> bool:
        """Whether the document has the member."""
        return plain(key) in (await self._read())[1]

    async def delete(self, key: str) -> bool:
        """The document without the member, where it had it."""
        plain(key)
        return await self._write({key: None}, present=key)

    async def to_dict(self) -> dict[str, Any]:
        """The document."""
        return {key: decode(text) for key, text in (await self._read())[1].items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Read, modify, write; a patch without operations sends nothing."""
        changes = _ROOM.texts(operations)
        if changes:
            await self._write(_plain(changes))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same where the document lacks ``guard``."""
        return await self._write(_plain(_ROOM.texts(operations)), absent=plain(guard))

    async def _write(
        self, changes: Mapping[str, str | None], *, absent: str | None = None, present: str | None = None
    ) -> bool:
        """Whether the document lacks ``absent`` and has ``present``, and was changed."""
        async with self._database.turn(self._run):
            while True:
                version, texts = await self._read()
                if absent in texts or (present is not None and present not in texts):
                    return False
                changed = texts | {key: text for key, text in changes.items() if text is not None}
                for key in (key for key, text in changes.items() if text is None):
                    changed.pop(key, None)
                if changed == texts or await self._replace(version, changed):
                    return True

    async def _read(self) -> tuple[int, Texts]:
        """The version and the texts by their keys; version 0 where there is no document."""
        rows = await self._database.run(_READ.format(table=self._table), self._run)
        return (rows[0][0], decode(rows[0][1])) if rows else (0, {})

    async def _replace(self, version: int, texts: Texts) -> bool:
        state = encode(texts).decode()
        if len(state.encode()) > MAX_DOCUMENT_BYTES:
            raise ValueError(
                f"the state of a run has at most {MAX_DOCUMENT_BYTES} bytes in one document, this has "
                f"{len(state.encode())}; use the layout with one row a key instead"
            )
        new = (state, version + 1, *self._run)
        statement, parameters = (_REPLACE, (*new, version)) if version else (_MAKE, new)
        return bool((await self._database.run(statement.format(table=self._table), parameters))[0][0])


def _plain(changes: Mapping[str, str | None]) -> Mapping[str, str | None]:
    for key in changes:
        plain(key)
    return changes
