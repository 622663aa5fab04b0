"""Contexts that are each wrong in one way, named by what they do; ``breaks`` is the clause that must fail."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
from reference_adapters._json import encode
from reference_adapters.memory import MemoryBackend, MemoryContext


class MutantContext(MemoryContext):
    """A right context to be broken; all clients of one class share one backend."""

    breaks: ClassVar[str]
    backend: ClassVar[MemoryBackend]
    capabilities: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        cls.backend = MemoryBackend()

    def __init__(self, run_id: str) -> None:
        super().__init__(self.backend, run_id)


class NoneIsAbsent(MutantContext):
    breaks = "CTX-GET-01"

    async def has(self, key: str) -> bool:
        return await self.get(key) is not None


class DropsNulls(MutantContext):
    breaks = "CTX-GET-01"

    async def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in (await super().to_dict()).items() if value is not None}


class MergesObjects(MutantContext):
    breaks = "CTX-SET-01"

    async def set(self, key: str, value: Any) -> None:
        old = await self.get(key)
        await super().set(key, {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value)


class FalsyIsDeleted(MutantContext):
    breaks = "CTX-SET-02"

    async def set(self, key: str, value: Any) -> None:
        await (super().set(key, value) if value else self.delete(key))


class FalsyReadsAsNone(MutantContext):
    breaks = "CTX-SET-02"

    async def get(self, key: str) -> Any:
        return await super().get(key) or None


class ParsesTextThatLooksLikeJson(MutantContext):
    breaks = "CTX-SET-03"

    async def get(self, key: str) -> Any:
        value = await super().get(key)
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value


class KeepsNumbersAsFloats(MutantContext):
    breaks = "CTX-SET-03"

    async def get(self, key: str) -> Any:
        value = await super().get(key)
        return round(value, 12) if isinstance(value, float) else value


class BoolsComeBackAsNumbers(MutantContext):
    breaks = "CTX-SET-03"

    async def get(self, key: str) -> Any:
        value = await super().get(key)
        return int(value) if isinstance(value, bool) else value


class WritesWhatIsNoJsonAsText(MutantContext):
    breaks = "CTX-SET-04"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, json.loads(json.dumps(value, default=str)))


class WritesNanAsNull(MutantContext):
    breaks = "CTX-SET-04"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, None if isinstance(value, float) and value != value else value)


class DeletesBeforeItEncodes(MutantContext):
    breaks = "CTX-SET-04"

    async def set(self, key: str, value: Any) -> None:
        await self.delete(key)
        await super().set(key, value)


class DropsNulCharacters(MutantContext):
    breaks = "CTX-SET-04"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, value.replace("\x00", "") if isinstance(value, str) else value)


class TakesMoreThanItsLimit(MutantContext):
    breaks = "CTX-SET-04"
    capabilities: ClassVar[dict[str, Any]] = {"max_value_bytes": 65536}


class KeepsTheObjectsThemselves(MutantContext):
    breaks = "CTX-SET-05"
    objects: ClassVar[dict[tuple[str, str], Any]] = {}

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, value)
        self.objects[self._run_id, key] = value

    async def get(self, key: str) -> Any:
        return self.objects.get((self._run_id, key), await super().get(key))


class CachesWhatItHandedOut(MutantContext):
    breaks = "CTX-SET-05"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.cache: dict[bytes, Any] = {}

    async def get(self, key: str) -> Any:
        text = self._state().get(key)
        return None if text is None else self.cache.setdefault(text, await super().get(key))


class WritesWholeFloatsAsInts(MutantContext):
    breaks = "CTX-SET-06"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, int(value) if isinstance(value, float) and value.is_integer() else value)


class DeleteLooksAtTheValue(MutantContext):
    breaks = "CTX-DEL-01"

    async def delete(self, key: str) -> bool:
        value = await self.get(key)
        await super().delete(key)
        return bool(value)


class DeleteOfAnAbsentRunRaises(MutantContext):
    breaks = "CTX-DEL-01"

    async def delete(self, key: str) -> bool:
        if self._run_id not in self.backend.runs:
            raise KeyError(self._run_id)
        return await super().delete(key)


class FindsRunsByPrefix(MutantContext):
    breaks = "CTX-ALL-01"

    async def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for run in [run for run in self.backend.runs if run.startswith(self._run_id)]:
            found.update(await MemoryContext(self.backend, run).to_dict())
        return found


class FoldsTheCaseOfRuns(MutantContext):
    breaks = "CTX-ALL-01"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id.lower())


class NormalisesRuns(MutantContext):
    breaks = "CTX-ALL-01"

    def __init__(self, run_id: str) -> None:
        super().__init__(unicodedata.normalize("NFKC", run_id).strip())


class TakesDotsForPaths(MutantContext):
    breaks = "CTX-KEY-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            head, dot, tail = operation.key.partition(".")
            outer = await self.get(head)
            if dot and isinstance(operation, SetOp) and isinstance(outer, dict):
                await self.set(head, {**outer, tail: operation.value})
            else:
                await super().patch([operation])


class EscapesTildesInPatchOnly(MutantContext):
    breaks = "CTX-KEY-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch([_renamed(operation, operation.key.replace("~", "~0")) for operation in operations])


class ReservesAKey(MutantContext):
    breaks = "CTX-KEY-01"

    async def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in (await super().to_dict()).items() if key != "id"}


class WritesLater(MutantContext):
    breaks = "CTX-RUN-01"

    async def set(self, key: str, value: Any) -> None:
        encode(value)
        asyncio.get_running_loop().call_later(0.005, lambda: asyncio.ensure_future(MemoryContext.set(self, key, value)))


class KeepsItsOwnCopy(MutantContext):
    breaks = "CTX-RUN-01"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.seen: dict[str, Any] | None = None

    async def to_dict(self) -> dict[str, Any]:
        if self.seen is None:
            self.seen = await super().to_dict()
        return dict(self.seen)


class WritesTheWholeState(MutantContext):
    breaks = "CTX-RACE-01"

    async def set(self, key: str, value: Any) -> None:
        state = await self.to_dict()
        await asyncio.sleep(0)
        await super().patch([SetOp(name, old) for name, old in state.items()] + [SetOp(key, value)])
        self.backend.runs[self._run_id] = {name: encode(old) for name, old in {**state, key: value}.items()}


class FirstWritersReplaceEachOther(MutantContext):
    breaks = "CTX-RACE-01"

    async def set(self, key: str, value: Any) -> None:
        is_new = self._run_id not in self.backend.runs
        await asyncio.sleep(0)
        if is_new:
            self.backend.runs[self._run_id] = {}
        await super().set(key, value)


class SetsInTwoSteps(MutantContext):
    breaks = "CTX-RACE-02"

    async def set(self, key: str, value: Any) -> None:
        text = encode(value)
        await self.delete(key)
        await asyncio.sleep(0)
        self._write({key: text})


class AcknowledgesBeforeItIsVisible(MutantContext):
    breaks = "CTX-RACE-03"

    async def set(self, key: str, value: Any) -> None:
        text = encode(value)
        asyncio.get_running_loop().call_soon(lambda: self._write({key: text}))

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            if isinstance(operation, SetOp):
                await self.set(operation.key, operation.value)
            else:
                self._write({operation.key: None})


class CutsLongValues(MutantContext):
    breaks = "CTX-SIZE-01"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, value[:60_000] if isinstance(value, str) else value)


class ReadsOnePage(MutantContext):
    breaks = "CTX-SIZE-01"

    async def to_dict(self) -> dict[str, Any]:
        return dict(list((await super().to_dict()).items())[:100])


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


def _renamed(operation: PatchOperation, key: str) -> PatchOperation:
    return SetOp(key, operation.value) if isinstance(operation, SetOp) else DeleteOp(key)


def _all_below(cls: type[MutantContext]) -> list[type[MutantContext]]:
    below = [found for sub in cls.__subclasses__() for found in (sub, *_all_below(sub))]
    return [found for found in below if "breaks" in vars(found)]


CONTEXTS = _all_below(MutantContext)
