"""Adapters that are right and written differently: none of them may ever be accused. For captured runs only."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    IAsyncContext,
    ICoordinationStore,
    JobDeferred,
    JobPayload,
    NodeDefinition,
    PatchOperation,
)
from flowcraft_conformance.contract.payloads import DeleteOp
from reference_adapters._json import decode, encode
from reference_adapters.memory import MemoryContext
from tests.queueless import OnMemory, Queueless
from tests.right.contexts import LockedDocument
from tests.right.stores import LockedStore

_LONGEST_KEY = 255
_PATCH_SECONDS = 0.0005


class CapturedAdapter(Queueless):
    """The reference adapter in memory; the kit is its queue. ``harness`` holds what its workers share."""

    def __init__(self, options: AdapterOptions, harness: RightHarness) -> None:
        super().__init__(options)
        self.harness = harness

    def create_context(self, run_id: str) -> IAsyncContext:
        return MemoryContext(self.harness.backend, run_id)


class RightHarness(OnMemory):
    """Makes one kind of adapter."""

    adapter: ClassVar[type[CapturedAdapter]] = CapturedAdapter

    async def create_adapter(self, options: AdapterOptions) -> BaseDistributedAdapter:
        return self.adapter(options, self)


class _EveryJobTwiceAdapter(CapturedAdapter):
    def __init__(self, options: AdapterOptions, harness: RightHarness) -> None:
        super().__init__(options, harness)
        core = self._runs._core
        enqueue = core.enqueue

        async def twice(state: Any, graph: Any, node_ids: Any) -> None:
            names = list(node_ids)
            await enqueue(state, graph, [*names, *reversed(names)])

        core.enqueue = twice  # type: ignore[method-assign]


class EveryJobTwice(RightHarness):
    """Puts every job on its queue twice."""

    adapter = _EveryJobTwiceAdapter


class _PutsBackAdapter(CapturedAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        key = f"asked:{job.to_json().decode()}"[:400]
        if await self.coordination_store.increment(key, 600) % 2:
            raise JobDeferred(0.5, "not at the first time of asking")
        await super().handle_job(job)


class PutsEveryJobBack(RightHarness):
    """Does a job at every second delivery only, as a queue with a limit on its rate does."""

    adapter = _PutsBackAdapter


class _QueueRetriesAdapter(CapturedAdapter):
    async def on_job_start(self, run_id: str, blueprint_id: str, node_id: str) -> None:
        await self.coordination_store.get(f"rate:{blueprint_id}")

    def should_retry_in_process(self, node: NodeDefinition) -> bool:
        return False


class LeavesRetriesToItsQueue(RightHarness):
    """Repeats a failed attempt by another delivery, and looks something up before each job."""

    adapter = _QueueRetriesAdapter


class _DocumentAdapter(CapturedAdapter):
    def create_context(self, run_id: str) -> IAsyncContext:
        return LockedDocument(f"{self.harness.scope}|{run_id}")


class OneDocumentARun(RightHarness):
    """Keeps a run in one document under a lock, without a guarded patch, and its keys in a store with locks."""

    adapter = _DocumentAdapter

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._locked = LockedStore()

    async def create_store(self) -> ICoordinationStore:
        return self._locked


class _RowContext:
    """One row a key in SQLite; keys of more than 255 bytes are refused, as some backends do."""

    def __init__(self, database: sqlite3.Connection, run_id: str) -> None:
        self._database = database
        self._run = run_id

    async def get(self, key: str) -> Any:
        row = self._row(key)
        return None if row is None else decode(row[0])

    async def set(self, key: str, value: Any) -> None:
        with self._database:
            self._write(key, encode(value))

    async def has(self, key: str) -> bool:
        return self._row(key) is not None

    async def delete(self, key: str) -> bool:
        with self._database:
            gone = self._database.execute("DELETE FROM state WHERE run = ? AND key = ?", (self._run, key))
        return gone.rowcount > 0

    async def to_dict(self) -> dict[str, Any]:
        rows = self._database.execute("SELECT key, value FROM state WHERE run = ?", (self._run,))
        return {key: decode(value) for key, value in rows}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        with self._database:
            self._apply(operations)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        with self._database:
            if self._row(guard) is not None:
                return False
            self._apply(operations)
            return True

    def _apply(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            if isinstance(operation, DeleteOp):
                self._database.execute("DELETE FROM state WHERE run = ? AND key = ?", (self._run, operation.key))
            else:
                self._write(operation.key, encode(operation.value))

    def _row(self, key: str) -> Any:
        _require_short(key)
        found = self._database.execute("SELECT value FROM state WHERE run = ? AND key = ?", (self._run, key))
        return found.fetchone()

    def _write(self, key: str, text: bytes) -> None:
        _require_short(key)
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (self._run, key, text))


def _require_short(key: str) -> None:
    if not 1 <= len(key.encode()) <= _LONGEST_KEY:
        raise ValueError(f"a key has 1 to {_LONGEST_KEY} bytes, this one has {len(key.encode())}")


class _RowsAdapter(CapturedAdapter):
    harness: RowsInSqlite

    def create_context(self, run_id: str) -> IAsyncContext:
        return _RowContext(self.harness.database, run_id)


class RowsInSqlite(RightHarness):
    """Keeps each context key in a row of its own."""

    adapter = _RowsAdapter

    async def setup(self) -> None:
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.execute("CREATE TABLE state (run TEXT, key TEXT, value BLOB, PRIMARY KEY (run, key))")

    async def teardown(self) -> None:
        self.database.close()


class _UnhurriedContext(MemoryContext):
    """Takes real time before and after each of its patches, and a turn of the loop for each look."""

    async def get(self, key: str) -> Any:
        await asyncio.sleep(0)
        return await super().get(key)

    async def has(self, key: str) -> bool:
        await asyncio.sleep(0)
        return await super().has(key)

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await asyncio.sleep(_PATCH_SECONDS)
        await super().patch(operations)
        await asyncio.sleep(_PATCH_SECONDS)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        await asyncio.sleep(_PATCH_SECONDS)
        done = await super().patch_if_absent(guard, operations)
        await asyncio.sleep(_PATCH_SECONDS)
        return done


class _SlowAdapter(CapturedAdapter):
    def create_context(self, run_id: str) -> IAsyncContext:
        return _UnhurriedContext(self.harness.backend, run_id)


class Slow(RightHarness):
    """Takes real time for every patch."""

    adapter = _SlowAdapter


ADAPTERS: tuple[type[RightHarness], ...] = (
    EveryJobTwice,
    PutsEveryJobBack,
    LeavesRetriesToItsQueue,
    OneDocumentARun,
    RowsInSqlite,
    Slow,
)
