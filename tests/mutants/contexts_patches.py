"""Contexts whose patches are each wrong in one way; see ``contexts``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
from reference_adapters.memory import MemoryBackend, MemoryContext
from tests.mutants.contexts import MutantContext, mutants_in


class PatchDropsFalsyValues(MutantContext):
    breaks = "PATCH-EQ-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch([op for op in operations if isinstance(op, DeleteOp) or op.value or op.value is False])


class PatchMergesObjects(MutantContext):
    breaks = "PATCH-EQ-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        merged: list[PatchOperation] = []
        for operation in operations:
            old = await self.get(operation.key)
            if isinstance(operation, SetOp) and isinstance(old, dict) and isinstance(operation.value, dict):
                merged.append(SetOp(operation.key, {**old, **operation.value}))
            else:
                merged.append(operation)
        await super().patch(merged)


class PatchEncodesTextTwice(MutantContext):
    breaks = "PATCH-EQ-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(
            [
                SetOp(op.key, json.dumps(op.value)) if isinstance(op, SetOp) and isinstance(op.value, str) else op
                for op in operations
            ]
        )


class TakesEqualForUnchanged(MutantContext):
    """1 and True are equal in Python, and so the one is not written over the other."""

    breaks = "PATCH-EQ-02"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        state = await self.to_dict()
        await super().patch(
            [op for op in operations if isinstance(op, DeleteOp) or op.key not in state or state[op.key] != op.value]
        )


class RefusesAKeyAndWhatLooksLikeItsChild(MutantContext):
    breaks = "PATCH-EQ-02"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        keys = {operation.key for operation in operations}
        if any(f"{key}." == other[: len(key) + 1] for key in keys for other in keys):
            raise ValueError("two document paths overlap")
        await super().patch(operations)


class PatchNeverDeletes(MutantContext):
    breaks = "PATCH-EQ-02"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch([operation for operation in operations if isinstance(operation, SetOp)])


class SetsBeforeDeletes(MutantContext):
    breaks = "PATCH-ORD-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(sorted(operations, key=lambda operation: isinstance(operation, DeleteOp)))


class DeletesBeforeSets(MutantContext):
    breaks = "PATCH-ORD-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(sorted(operations, key=lambda operation: isinstance(operation, SetOp)))


class RefusesAKeyTwice(MutantContext):
    breaks = "PATCH-ORD-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if len({operation.key for operation in operations}) != len(operations):
            raise ValueError("two operations on one path")
        await super().patch(operations)


class PatchNeedsAState(MutantContext):
    breaks = "PATCH-NEW-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if self._run_id in self.backend.runs:
            await super().patch(operations)


class EmptyPatchRaises(MutantContext):
    breaks = "PATCH-NEW-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if not operations:
            raise ValueError("nothing to do")
        await super().patch(operations)


class DeletingAnAbsentKeyRaises(MutantContext):
    breaks = "PATCH-NEW-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            if isinstance(operation, DeleteOp) and not await self.has(operation.key):
                raise KeyError(operation.key)
            await super().patch([operation])


class WritesOneByOne(MutantContext):
    breaks = "PATCH-ATOM-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            await super().patch([operation])


class WritesInBatchesOf25(MutantContext):
    breaks = "PATCH-ATOM-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for start in range(0, len(operations), 25):
            await super().patch(operations[start : start + 25])


class ReadersSeeHalfAPatch(MutantContext):
    breaks = "PATCH-ATOM-02"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        half = len(operations) // 2
        for part in (operations[:half], operations[half:]):
            await super().patch(part)
            await asyncio.sleep(0)


class ReadsInPagesOfTen(MutantContext):
    """A state, or a patch, of ten keys or fewer never shows it."""

    breaks = "PATCH-ATOM-02"
    page: ClassVar[int] = 10

    async def to_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {}
        names = sorted(self._state())
        for start in range(0, len(names), self.page):
            await asyncio.sleep(0.0005 if start else 0)
            whole = await super().to_dict()
            state |= {name: whole[name] for name in names[start : start + self.page] if name in whole}
        return state


class ReadsInPagesOfAHundred(ReadsInPagesOfTen):
    breaks = "PATCH-ATOM-02"
    page: ClassVar[int] = 100


class WritesTheGuardAhead(MutantContext):
    """Exactly one caller is told True, and its other operations follow a moment later, or never."""

    breaks = "PATCH-ATOM-02"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        await MemoryContext(MemoryBackend(), self._run_id).patch(operations)
        if not await super().patch_if_absent(guard, [op for op in operations if op.key == guard]):
            return False
        await asyncio.sleep(0.0005)
        await super().patch([op for op in operations if op.key != guard])
        return True


class LeavesTheGuardWhenCancelled(WritesTheGuardAhead):
    """The same behind a lock that readers take too: only who is cut off in between shows it."""

    breaks = "PATCH-ATOM-01"
    locks: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        async with self._lock():
            return await super().patch_if_absent(guard, operations)

    async def to_dict(self) -> dict[str, Any]:
        async with self._lock():
            return await super().to_dict()

    def _lock(self) -> asyncio.Lock:
        return self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class PatchWritesTheWholeState(MutantContext):
    breaks = "PATCH-RACE-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        state = dict(self._state())
        await asyncio.sleep(0)
        self.backend.runs[self._run_id] = state
        await super().patch(operations)


class ConcurrentPatchesMix(MutantContext):
    breaks = "PATCH-RACE-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            await super().patch([operation])
            await asyncio.sleep(0)


class TakesTheFirstHundred(MutantContext):
    breaks = "PATCH-MANY-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(operations[:100])


class RefusesMoreThanFiveHundred(MutantContext):
    """Declares no limit."""

    breaks = "PATCH-MANY-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if len(operations) > 500:
            raise ValueError("maximum 500 writes allowed per request")
        await super().patch(operations)


class TakesMoreThanItDeclares(MutantContext):
    breaks = "PATCH-MANY-01"
    capabilities: ClassVar[dict[str, Any]] = {"max_patch_operations": 25}


class LooksAtTheGuardFirst(MutantContext):
    breaks = "PATCH-GUARD-01"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if await self.has(guard):
            return False
        await asyncio.sleep(0)
        await super().patch(operations)
        return True


class GuardIgnoresNone(MutantContext):
    breaks = "PATCH-GUARD-01"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if await self.get(guard):
            return False
        await super().patch(operations)
        return True


PATCHES = mutants_in(__name__)
