"""Contexts whose patches are each wrong in one way; see ``contexts``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
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


class PatchNeverDeletes(MutantContext):
    breaks = "PATCH-EQ-02"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch([operation for operation in operations if isinstance(operation, SetOp)])


class SetsBeforeDeletes(MutantContext):
    breaks = "PATCH-ORD-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(sorted(operations, key=lambda operation: isinstance(operation, DeleteOp)))


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
