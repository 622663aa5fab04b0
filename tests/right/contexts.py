"""Contexts that are right and written differently: none of them may ever be accused."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from flowcraft_conformance import IAsyncContext, PatchOperation, SetOp
from reference_adapters._json import decode, encode
from reference_adapters.memory import MemoryBackend, MemoryContext
from tests.right.contexts_files import FOLDER, FileContext
from tests.right.contexts_styles import AsksAnActor, AsksAThread, ReadsKeyByKey, SwapsVersions


class SharedMemory(MemoryContext):
    """The reference context on one backend."""

    backend: ClassVar[MemoryBackend] = MemoryBackend()

    def __init__(self, run_id: str) -> None:
        super().__init__(self.backend, run_id)


class SortsMembers(SharedMemory):
    """Gives the members of an object back in another order than they were written in, as JSONB does."""

    backend: ClassVar[MemoryBackend] = MemoryBackend()

    async def get(self, key: str) -> Any:
        return _sorted(await super().get(key))

    async def to_dict(self) -> dict[str, Any]:
        return {key: _sorted(value) for key, value in (await super().to_dict()).items()}


def _sorted(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


class SlowContext(SharedMemory):
    """Takes its time before and after each operation."""

    backend: ClassVar[MemoryBackend] = MemoryBackend()

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self._dice = random.Random(run_id)

    async def _dawdle(self) -> None:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)

    async def get(self, key: str) -> Any:
        await self._dawdle()
        value = await super().get(key)
        await self._dawdle()
        return value

    async def set(self, key: str, value: Any) -> None:
        await self._dawdle()
        await super().set(key, value)
        await self._dawdle()

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await self._dawdle()
        await super().patch(operations)
        await self._dawdle()

    async def to_dict(self) -> dict[str, Any]:
        await self._dawdle()
        return await super().to_dict()


class LockedDocument:
    """One JSON document a run, read and written as a whole under a lock; it offers no guard."""

    documents: ClassVar[dict[str, str]] = {}
    locks: ClassVar[dict[str, asyncio.Lock]] = defaultdict(asyncio.Lock)
    capabilities: ClassVar[dict[str, Any]] = {"delta_persistence": False, "max_patch_operations": 100}

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    async def _read(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        document: dict[str, Any] = json.loads(self.documents.get(self._run_id, "{}"))
        return document

    async def _write(self, state: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.documents[self._run_id] = json.dumps(state, allow_nan=False)

    async def get(self, key: str) -> Any:
        return (await self._read()).get(key)

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def has(self, key: str) -> bool:
        return key in await self._read()

    async def delete(self, key: str) -> bool:
        async with self.locks[self._run_id]:
            state = await self._read()
            existed = key in state
            state.pop(key, None)
            await self._write(state)
            return existed

    async def to_dict(self) -> dict[str, Any]:
        return await self._read()

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if len(operations) > 100:
            raise ValueError("at most 100 operations")
        async with self.locks[self._run_id]:
            state = await self._read()
            for operation in operations:
                if isinstance(operation, SetOp):
                    state[operation.key] = decode(encode(operation.value))
                else:
                    state.pop(operation.key, None)
            await self._write(state)


class RefusesBrokenText(SharedMemory):
    """Has neither U+0000 nor lone surrogates, as several backends have not, and a limit of 64 KiB."""

    backend: ClassVar[MemoryBackend] = MemoryBackend()
    capabilities: ClassVar[dict[str, Any]] = {"max_value_bytes": 65536}

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)

    @staticmethod
    def _require(operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            text = encode(operation.value) if isinstance(operation, SetOp) else b""
            if b"\\u0000" in text or "\x00" in operation.key:
                raise ValueError("this backend has no U+0000")
            operation.key.encode()
            if len(text) > 65536:
                raise ValueError("the value is too large")

    async def set(self, key: str, value: Any) -> None:
        self._require([SetOp(key, value)])
        await super().set(key, value)

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        self._require(operations)
        await super().patch(operations)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        self._require(operations)
        return await super().patch_if_absent(guard, operations)


class _SqliteContext:
    """One row a key; a patch is one transaction."""

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id

    async def get(self, key: str) -> Any:
        row = self._row(key)
        return None if row is None else decode(row[0])

    async def has(self, key: str) -> bool:
        return self._row(key) is not None

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def delete(self, key: str) -> bool:
        cursor = self._connection.execute("DELETE FROM state WHERE run = ? AND key = ?", (self._run_id, key))
        return cursor.rowcount > 0

    async def to_dict(self) -> dict[str, Any]:
        rows = self._connection.execute("SELECT key, value FROM state WHERE run = ?", (self._run_id,)).fetchall()
        return {key: decode(value) for key, value in rows}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        self._apply(operations, guard=None)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        return self._apply(operations, guard=guard)

    def _row(self, key: str) -> Any:
        statement = "SELECT value FROM state WHERE run = ? AND key = ?"
        return self._connection.execute(statement, (self._run_id, key)).fetchone()

    def _apply(self, operations: Sequence[PatchOperation], guard: str | None) -> bool:
        rows = [(op.key, encode(op.value) if isinstance(op, SetOp) else None) for op in operations]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if guard is not None and self._row(guard) is not None:
                self._connection.execute("ROLLBACK")
                return False
            for key, value in rows:
                if value is None:
                    self._connection.execute("DELETE FROM state WHERE run = ? AND key = ?", (self._run_id, key))
                else:
                    statement = "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET value = ?3"
                    self._connection.execute(statement, (self._run_id, key, value))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return True


@asynccontextmanager
async def sqlite_context(run_id: str) -> AsyncIterator[IAsyncContext]:
    connection = sqlite3.connect(FOLDER / "state.db", isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS state (run TEXT, key TEXT, value BLOB, PRIMARY KEY (run, key)) WITHOUT ROWID"
    )
    try:
        yield _SqliteContext(connection, run_id)
    finally:
        connection.close()


CONTEXTS = (
    SharedMemory,
    SlowContext,
    SortsMembers,
    LockedDocument,
    RefusesBrokenText,
    sqlite_context,
    FileContext,
    ReadsKeyByKey,
    SwapsVersions,
    AsksAnActor,
    AsksAThread,
)
