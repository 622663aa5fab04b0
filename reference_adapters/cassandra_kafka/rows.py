"""The state of a run in Cassandra, one row a key in one partition: a patch is one atomic batch, whatever the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters._room import Room, plain
from reference_adapters.cassandra_kafka.database import Database, Statement
from reference_adapters.cassandra_kafka.schema import DEFAULT_KEYSPACE, table

MAX_VALUE_BYTES = 4_000_000
MAX_PATCH_BYTES = 8_000_000
"""Cassandra writes at most half a segment of its commit log at once: 16 MB, unless it is set otherwise."""
MAX_PATCH_KEYS = 10_000

_ROOM = Room(MAX_PATCH_KEYS, MAX_VALUE_BYTES, MAX_PATCH_BYTES)
_OWN = "k"
"""Stands before every key: none meets the anchor, whose key is empty."""
_ANCHOR = ""

# Every write of this table is conditional. Cassandra orders conditional writes by their ballots and all others by
# clocks: of two that were mixed, the later one might lose. A write that has no condition of its own asks for the row
# that every run has, its anchor. And all write cells: a deleted row gets an earlier time in a batch than a cell.
_STATEMENTS = {
    "get": "SELECT value FROM {table} WHERE namespace = ? AND run_id = ? AND key = ?",
    "has": "SELECT key FROM {table} WHERE namespace = ? AND run_id = ? AND key = ?",
    "to_dict": "SELECT key, value FROM {table} WHERE namespace = ? AND run_id = ? AND key > ''",
    "delete": "DELETE value FROM {table} WHERE namespace = ? AND run_id = ? AND key = ? IF EXISTS",
    "make": "INSERT INTO {table} (namespace, run_id, key, value) VALUES (?, ?, ?, '') IF NOT EXISTS",
    "anchor": "UPDATE {table} SET value = '' WHERE namespace = ? AND run_id = ? AND key = ? IF value = ''",
    "guard": "UPDATE {table} SET value = ? WHERE namespace = ? AND run_id = ? AND key = ? IF value = null",
    "write": "UPDATE {table} SET value = ? WHERE namespace = ? AND run_id = ? AND key = ?",
}


class RowContext:
    """An ``IGuardedContext``: each value is JSON text in a row of its own, exactly as it was written.

    ``to_dict`` is one answer of one partition, and a snapshot. Every operation raises cassandra.DriverException,
    cassandra.cluster.NoHostAvailable or TimeoutError when Cassandra fails, within CALL_SECONDS; whether a write was
    carried out is then unknown. Values that are no JSON or too large, and text with lone surrogates, raise TypeError or
    ValueError before anything is sent.
    """

    def __init__(
        self, database: Database, run_id: str, *, keyspace: str = DEFAULT_KEYSPACE, namespace: str = ""
    ) -> None:
        self._database = database
        self._run = (namespace, plain(run_id))
        self._table = table(keyspace, "state")

    async def get(self, key: str) -> Any:
        """The value of the key's row."""
        rows = await self._ask("get", _own(key))
        return decode(rows[0][0]) if rows else None

    async def set(self, key: str, value: Any) -> None:
        """A patch of one key."""
        await self._write({key: _ROOM.text(plain(key), value)})

    async def has(self, key: str) -> bool:
        """Whether the key has a row; the value does not travel."""
        return bool(await self._ask("has", _own(key)))

    async def delete(self, key: str) -> bool:
        """DELETE ... IF EXISTS."""
        own = _own(key)
        async with self._database.turn(self._run):
            return bool((await self._ask("delete", own))[0][0])

    async def to_dict(self) -> dict[str, Any]:
        """The partition."""
        return {key[len(_OWN) :]: decode(value) for key, value in await self._ask("to_dict")}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """One batch; a patch without operations sends nothing."""
        changes = _ROOM.texts(operations)
        if changes:
            await self._write(changes)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same on the condition that ``guard`` has no value."""
        changes = _ROOM.texts(operations)
        if not changes:
            return not await self.has(guard)
        return await self._write(changes, guard)

    async def _write(self, changes: Mapping[str, str | None], guard: str | None = None) -> bool:
        """Whether the condition held. A run that has no anchor yet gets one, which nobody can see."""
        batch = self._batch(changes, guard)
        async with self._database.turn(self._run):
            while True:
                applied, *others = await self._database.run_batch(batch)
                if applied[0]:
                    return True
                if _has_anchor([applied, *others]):
                    return False
                await self._ask("make", _ANCHOR)

    def _batch(self, changes: Mapping[str, str | None], guard: str | None) -> list[Statement]:
        texts = {_own(key): text for key, text in changes.items()}
        batch: list[Statement] = [(self._text("anchor"), (*self._run, _ANCHOR))]
        if guard is not None:
            own = _own(guard)
            batch.append((self._text("guard"), (texts.pop(own, None), *self._run, own)))
        write = self._text("write")  # None is written as a deletion
        return batch + [(write, (text, *self._run, key)) for key, text in texts.items()]

    async def _ask(self, name: str, *parameters: str) -> list[tuple[Any, ...]]:
        return await self._database.run(self._text(name), (*self._run, *parameters))

    def _text(self, name: str) -> str:
        return _STATEMENTS[name].format(table=self._table)


def _has_anchor(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether a refusal shows the anchor among the rows that were looked at: applied, namespace, run, key, value."""
    return any(len(row) > 3 and row[3] == _ANCHOR for row in rows)


def _own(key: str) -> str:
    return _OWN + plain(key)
