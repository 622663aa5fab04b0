"""Coordination stores that are right and written differently: none of them may ever be accused."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from flowcraft_conformance import ICoordinationStore
from reference_adapters._ttl import require_ttl
from reference_adapters.memory import MemoryBackend, MemoryCoordinationStore

EXACT: dict[str, Any] = {"ttl_granularity": 0.01, "ttl_lag": 0.01}


class LockedStore:
    """Reads, waits and writes under one lock; counters and texts live apart."""

    capabilities: ClassVar[dict[str, Any]] = EXACT

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._texts: dict[str, tuple[str, float]] = {}
        self._counters: dict[str, tuple[int, float]] = {}

    async def _sweep(self, key: str) -> None:
        await asyncio.sleep(0)
        for table in (self._texts, self._counters):
            if key in table and table[key][1] <= time.monotonic():
                del table[key]

    async def increment(self, key: str, ttl_seconds: int) -> int:
        deadline = require_ttl(ttl_seconds) + time.monotonic()
        async with self._lock:
            await self._sweep(key)
            if key in self._texts:
                raise RuntimeError("this key holds a text")
            count = self._counters.get(key, (0, 0.0))[0] + 1
            await asyncio.sleep(0)
            self._counters[key] = (count, deadline)
            return count

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        ttl = require_ttl(ttl_seconds)
        async with self._lock:
            await self._sweep(key)
            if key in self._texts or key in self._counters:
                return False
            await asyncio.sleep(0)
            self._texts[key] = (value, time.monotonic() + ttl)
            return True

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        ttl = require_ttl(ttl_seconds)
        async with self._lock:
            await self._sweep(key)
            deadline = time.monotonic() + ttl
            if key in self._texts:
                self._texts[key] = (self._texts[key][0], deadline)
            elif key in self._counters:
                self._counters[key] = (self._counters[key][0], deadline)
            else:
                return False
            return True

    async def delete(self, key: str) -> None:
        async with self._lock:
            await asyncio.sleep(0)
            self._texts.pop(key, None)
            self._counters.pop(key, None)

    async def get(self, key: str) -> str | None:
        async with self._lock:
            await self._sweep(key)
            if key in self._counters:
                return str(self._counters[key][0])
            return self._texts[key][0] if key in self._texts else None


class SlowStore(MemoryCoordinationStore):
    """Takes its time before and after each operation, on a backend that all clients share."""

    capabilities: ClassVar[dict[str, Any]] = {"ttl_granularity": 0, "ttl_lag": 0}
    shared: ClassVar[MemoryBackend] = MemoryBackend()

    def __init__(self) -> None:
        super().__init__(self.shared)
        self._dice = random.Random(0)

    async def _dawdle(self) -> None:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)
        if self._dice.random() < 0.02:
            await asyncio.sleep(0.01)

    async def increment(self, key: str, ttl_seconds: int) -> int:
        await self._dawdle()
        count = await super().increment(key, ttl_seconds)
        await self._dawdle()
        return count

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        await self._dawdle()
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        await self._dawdle()
        return won

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        await self._dawdle()
        return await super().extend_ttl(key, ttl_seconds)

    async def delete(self, key: str) -> None:
        await super().delete(key)
        await self._dawdle()

    async def get(self, key: str) -> str | None:
        await self._dawdle()
        value = await super().get(key)
        await self._dawdle()
        return value


class RoundsDeadlines(MemoryCoordinationStore):
    """Keeps deadlines in whole seconds, rounded down, as it declares."""

    capabilities: ClassVar[dict[str, Any]] = {"ttl_granularity": 1, "ttl_lag": 0}

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self._items[key].deadline = math.floor(self._items[key].deadline)


class SweepsLate(MemoryCoordinationStore):
    """Expired keys go at the next whole second, as it declares."""

    capabilities: ClassVar[dict[str, Any]] = {"ttl_granularity": 0, "ttl_lag": 1}

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self._items[key].deadline = math.ceil(self._items[key].deadline)


class _SqliteStore:
    """One statement an operation; every client has a connection of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _one(self, statement: str, *values: object) -> Any:
        with self._connection:
            return self._connection.execute(statement, values).fetchone()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        now = time.time()
        row = self._one(
            "INSERT INTO items VALUES (?1, '1', 1, ?2) ON CONFLICT (key) DO UPDATE SET"
            " value = CASE WHEN deadline <= ?3 THEN '1' ELSE CAST(value + 1 AS TEXT) END,"
            " counter = 1, deadline = ?2 WHERE counter = 1 OR deadline <= ?3 RETURNING value",
            key,
            now + require_ttl(ttl_seconds),
            now,
        )
        if row is None:
            raise ValueError("this key holds a text")
        return int(row[0])

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        now = time.time()
        row = self._one(
            "INSERT INTO items VALUES (?1, ?2, 0, ?3) ON CONFLICT (key) DO UPDATE SET"
            " value = ?2, counter = 0, deadline = ?3 WHERE deadline <= ?4 RETURNING 1",
            key,
            value,
            now + require_ttl(ttl_seconds),
            now,
        )
        return row is not None

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        now = time.time()
        statement = "UPDATE items SET deadline = ?2 WHERE key = ?1 AND deadline > ?3 RETURNING 1"
        return self._one(statement, key, now + require_ttl(ttl_seconds), now) is not None

    async def delete(self, key: str) -> None:
        self._one("DELETE FROM items WHERE key = ?1", key)

    async def get(self, key: str) -> str | None:
        row = self._one("SELECT value FROM items WHERE key = ?1 AND deadline > ?2", key, time.time())
        return None if row is None else str(row[0])


_FOLDER = tempfile.TemporaryDirectory(prefix="flowcraft-tests-")
_PATH = os.environ.setdefault("FLOWCRAFT_TESTS_SQLITE", str(Path(_FOLDER.name) / "store.db"))
"""Processes that are started later find the same file."""


@asynccontextmanager
async def sqlite_store() -> AsyncIterator[ICoordinationStore]:
    connection = sqlite3.connect(_PATH, isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, value TEXT, counter INT, deadline REAL) WITHOUT ROWID"
    )
    try:
        yield _SqliteStore(connection)
    finally:
        connection.close()


sqlite_store.capabilities = EXACT  # type: ignore[attr-defined]

STORES = (MemoryCoordinationStore, LockedStore, SlowStore, RoundsDeadlines, SweepsLate, sqlite_store)
