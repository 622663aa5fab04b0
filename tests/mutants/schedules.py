"""Stores and contexts that the search for schedules must catch; ``breaks`` names the clause.

Those in ``HIDDEN`` are right in asyncio's own order: they go wrong only where a task is slow at one certain await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters.memory import MemoryBackend, MemoryContext
from tests.mutants.contexts import MutantContext
from tests.mutants.stores import MutantStore


class LocksAfterReading(MutantStore):
    """Reads the counter, waits for the lock, writes what it read."""

    breaks = "COORD-INC-03"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        seen = 0 if item is None else int(item.value)
        async with self.lock:
            await asyncio.sleep(0)
            self._put(key, str(seen + 1), ttl_seconds)
            return seen + 1

    @property
    def lock(self) -> asyncio.Lock:
        if not hasattr(self, "_lock"):
            self._lock = asyncio.Lock()
        return self._lock


class WorkersTenMillisecondsApart(MutantStore):
    """Each increment waits for its turn, 10 ms after the last: in asyncio's own order no two are ever between read and
    write."""

    breaks = "COORD-INC-03"

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._next_turn = 0.0

    async def increment(self, key: str, ttl_seconds: int) -> int:
        loop = asyncio.get_running_loop()
        turn = max(self._next_turn, loop.time())
        self._next_turn = turn + 0.01
        await asyncio.sleep(turn - loop.time())
        item = self._present(key)
        seen = 0 if item is None else int(item.value)
        await asyncio.sleep(0)
        self._put(key, str(seen + 1), ttl_seconds)
        return seen + 1


class TakesTurnsToSet(MutantStore):
    """The same for set_if_not_exist."""

    breaks = "COORD-SET-03"

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._next_turn = 0.0

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        loop = asyncio.get_running_loop()
        turn = max(self._next_turn, loop.time())
        self._next_turn = turn + 0.01
        await asyncio.sleep(turn - loop.time())
        if self._present(key) is not None:
            return False
        await asyncio.sleep(0)
        self._put(key, value, ttl_seconds)
        return True


class ExtendsWhatWasDeleted(MutantStore):
    """Between its look and its write the key may have been deleted: it comes back."""

    breaks = "COORD-LIN-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        if item is None:
            return False
        await asyncio.sleep(0)
        self._put(key, item.value, ttl_seconds)
        return True


class KeepsTheLockWhenCancelled(MutantStore):
    """A call that is cancelled while it holds the lock never gives it back."""

    breaks = "COORD-ERR-04"

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._lock = asyncio.Lock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        await self._lock.acquire()
        await asyncio.sleep(0)
        count = await super().increment(key, ttl_seconds)
        self._lock.release()
        return count


class AnswersTheNextCaller(MutantStore):
    """Answers come through one queue: that of a cancelled call is taken by the next."""

    breaks = "COORD-ERR-04"

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        self._busy = asyncio.Lock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        async with self._busy:
            self._answers.put_nowait(await super().increment(key, ttl_seconds))
            await asyncio.sleep(0)
            return await self._answers.get()


class _OneDocument(MutantContext):
    """Reads the whole state, waits, writes the whole state."""

    turns: ClassVar[dict[str, float]] = {}

    async def rewrite(self, operations: Sequence[PatchOperation]) -> None:
        loop = asyncio.get_running_loop()
        turn = max(self.turns.get(self._run_id, 0.0), loop.time())
        self.turns[self._run_id] = turn + 0.01
        await asyncio.sleep(turn - loop.time())
        state = dict(self._state())
        await asyncio.sleep(0)
        self.backend.runs[self._run_id] = state
        await super().patch(operations)


class SetTakesTurns(_OneDocument):
    breaks = "CTX-RACE-01"

    async def set(self, key: str, value: Any) -> None:
        await self.rewrite([SetOp(key, value)])


class PatchTakesTurns(_OneDocument):
    breaks = "PATCH-RACE-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await self.rewrite(operations)


class DeletesWhatItSaw(MutantContext):
    """Says that the key existed although another client deleted it meanwhile."""

    breaks = "CTX-RACE-02"

    async def delete(self, key: str) -> bool:
        existed = await self.has(key)
        await asyncio.sleep(0)
        await super().delete(key)
        return existed


class WritesBehind(MutantContext):
    """Acknowledges a write that a task makes visible soon after: in asyncio's own order before anybody can look."""

    breaks = "CTX-RACE-03"

    async def set(self, key: str, value: Any) -> None:
        task = asyncio.create_task(super().set(key, value))
        await asyncio.sleep(0)
        task.add_done_callback(lambda _task: None)


class CancelledInTheMiddle(MutantContext):
    """Writes one operation, waits, writes the others; a lock hides it from everybody but a cancelled caller."""

    breaks = "PATCH-ATOM-01"
    locks: ClassVar[dict[str, asyncio.Lock]] = {}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        async with self.locks.setdefault(self._run_id, asyncio.Lock()):
            await self._reject_bad(operations)
            await super().patch(operations[:1])
            await asyncio.sleep(0)
            await super().patch(operations[1:])

    async def _reject_bad(self, operations: Sequence[PatchOperation]) -> None:
        await MemoryContext(MemoryBackend(), self._run_id).patch(operations)

    async def to_dict(self) -> dict[str, Any]:
        async with self.locks.setdefault(self._run_id, asyncio.Lock()):
            return await super().to_dict()


class ReadsInTwoParts(MutantContext):
    """to_dict reads one half of the keys, waits, and reads the other half."""

    breaks = "PATCH-ATOM-02"

    async def to_dict(self) -> dict[str, Any]:
        keys = list(self._state())
        half = len(keys) // 2
        first = {key: await self.get(key) for key in keys[:half]}
        await asyncio.sleep(0)
        return first | {key: await self.get(key) for key in keys[half:]}


class ChecksTheGuardInTurn(MutantContext):
    breaks = "PATCH-GUARD-01"
    turns: ClassVar[dict[str, float]] = {}

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        loop = asyncio.get_running_loop()
        turn = max(self.turns.get(self._run_id, 0.0), loop.time())
        self.turns[self._run_id] = turn + 0.01
        await asyncio.sleep(turn - loop.time())
        if await self.has(guard):
            return False
        await asyncio.sleep(0)
        await super().patch(operations)
        return True


STORES: tuple[type[MutantStore], ...] = (
    LocksAfterReading,
    WorkersTenMillisecondsApart,
    TakesTurnsToSet,
    ExtendsWhatWasDeleted,
    KeepsTheLockWhenCancelled,
    AnswersTheNextCaller,
)
CONTEXTS: tuple[type[MutantContext], ...] = (
    SetTakesTurns,
    PatchTakesTurns,
    DeletesWhatItSaw,
    WritesBehind,
    CancelledInTheMiddle,
    ReadsInTwoParts,
    ChecksTheGuardInTurn,
)
HIDDEN: tuple[type, ...] = (
    WorkersTenMillisecondsApart,
    TakesTurnsToSet,
    SetTakesTurns,
    PatchTakesTurns,
    WritesBehind,
    ChecksTheGuardInTurn,
)
