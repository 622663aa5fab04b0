"""More ways to write a right context in memory: key by key, by compare and swap, as an actor, and in a thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters._json import decode, encode

T = TypeVar("T")
Row = dict[str, bytes]


def encoded(operations: Sequence[PatchOperation]) -> list[tuple[str, bytes | None]]:
    """Key and JSON text of each operation, None where it deletes; raises before anything is done."""
    return [(op.key, encode(op.value) if isinstance(op, SetOp) else None) for op in operations]


def changed(row: Row, plan: Sequence[tuple[str, bytes | None]]) -> Row:
    """The row after the operations, in order."""
    after = dict(row)
    for key, text in plan:
        if text is None:
            after.pop(key, None)
        else:
            after[key] = text
    return after


class ReadsKeyByKey:
    """A to_dict waits between two keys, and the context says so: it gives no snapshots. It offers no guard."""

    capabilities: ClassVar[dict[str, Any]] = {"snapshot_reads": False, "processes": False}
    rows: ClassVar[dict[str, Row]] = {}

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def _row(self) -> Row:
        return self.rows.get(self._run_id, {})

    async def get(self, key: str) -> Any:
        await asyncio.sleep(0)
        text = self._row().get(key)
        return None if text is None else decode(text)

    async def has(self, key: str) -> bool:
        await asyncio.sleep(0)
        return key in self._row()

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def delete(self, key: str) -> bool:
        await asyncio.sleep(0)
        return self._row().pop(key, None) is not None

    async def to_dict(self) -> dict[str, Any]:
        found = {}
        for key in list(self._row()):
            await asyncio.sleep(0)
            text = self._row().get(key)
            if text is not None:
                found[key] = decode(text)
        return found

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        plan = encoded(operations)
        await asyncio.sleep(0)
        self.rows[self._run_id] = changed(self._row(), plan)


class SwapsVersions:
    """Changes a copy and puts it in place only if nobody else did meanwhile; else once more."""

    capabilities: ClassVar[dict[str, Any]] = {"processes": False}
    rows: ClassVar[dict[str, Row]] = {}

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def _row(self) -> Row:
        return self.rows.setdefault(self._run_id, {})

    async def _swap(self, change: Callable[[Row], tuple[Row, T]]) -> T:
        while True:
            before = self._row()
            after, result = change(before)
            await asyncio.sleep(0)
            if self._row() is before:
                self.rows[self._run_id] = after
                return result

    async def get(self, key: str) -> Any:
        text = self._row().get(key)
        return None if text is None else decode(text)

    async def has(self, key: str) -> bool:
        return key in self._row()

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def delete(self, key: str) -> bool:
        return await self._swap(lambda row: (changed(row, [(key, None)]), key in row))

    async def to_dict(self) -> dict[str, Any]:
        return {key: decode(text) for key, text in self._row().items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        plan = encoded(operations)
        await self._swap(lambda row: (changed(row, plan), None))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        plan = encoded(operations)
        return await self._swap(lambda row: (row, False) if guard in row else (changed(row, plan), True))


class AsksAnActor:
    """One task at a time works through the requests of all runs, in the order in which they came."""

    capabilities: ClassVar[dict[str, Any]] = {"processes": False}
    rows: ClassVar[dict[str, Row]] = {}
    last: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = WeakKeyDictionary()

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    async def _ask(self, work: Callable[[Row], tuple[Row, T]]) -> T:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._answer(self.last.get(loop), work))
        self.last[loop] = task
        return await asyncio.shield(task)

    async def _answer(self, before: asyncio.Task[Any] | None, work: Callable[[Row], tuple[Row, T]]) -> T:
        if before is not None:
            await asyncio.wait([before])
        row, result = work(self.rows.get(self._run_id, {}))
        self.rows[self._run_id] = row
        return result

    async def get(self, key: str) -> Any:
        text = await self._ask(lambda row: (row, row.get(key)))
        return None if text is None else decode(text)

    async def has(self, key: str) -> bool:
        return await self._ask(lambda row: (row, key in row))

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def delete(self, key: str) -> bool:
        return await self._ask(lambda row: (changed(row, [(key, None)]), key in row))

    async def to_dict(self) -> dict[str, Any]:
        row = await self._ask(lambda row: (row, row))
        return {key: decode(text) for key, text in row.items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        plan = encoded(operations)
        await self._ask(lambda row: (changed(row, plan), None))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        plan = encoded(operations)
        return await self._ask(lambda row: (row, False) if guard in row else (changed(row, plan), True))


class AsksAThread(AsksAnActor):
    """A thread owns the rows, and answers through the loop of whoever asked. It lives as long as the process."""

    rows: ClassVar[dict[str, Row]] = {}
    requests: ClassVar[queue.SimpleQueue[Callable[[], None]]] = queue.SimpleQueue()
    owner: ClassVar[threading.Thread | None] = None

    async def _ask(self, work: Callable[[Row], tuple[Row, T]]) -> T:
        if AsksAThread.owner is None:
            AsksAThread.owner = threading.Thread(target=self._serve, name="owner of the rows", daemon=True)
            AsksAThread.owner.start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def answered(result: T) -> None:
            if not answer.done():  # whoever asked may have been cancelled
                answer.set_result(result)

        def done() -> None:
            row, result = work(self.rows.get(self._run_id, {}))
            self.rows[self._run_id] = row
            loop.call_soon_threadsafe(answered, result)

        self.requests.put(done)
        return await answer

    @classmethod
    def _serve(cls) -> None:
        while True:
            cls.requests.get()()
