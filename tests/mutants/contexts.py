"""Contexts that are each wrong in one way, named by what they do; ``breaks`` is the clause that must fail."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
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


class AnAbsentRunRaises(MutantContext):
    breaks = "CTX-GET-01"

    async def get(self, key: str) -> Any:
        return None if (text := self.backend.runs[self._run_id].get(key)) is None else json.loads(text)


class MergesObjects(MutantContext):
    breaks = "CTX-SET-01"

    async def set(self, key: str, value: Any) -> None:
        old = await self.get(key)
        await super().set(key, {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value)


class AppendsToLists(MutantContext):
    breaks = "CTX-SET-01"

    async def set(self, key: str, value: Any) -> None:
        old = await self.get(key)
        await super().set(key, [*old, *value] if isinstance(old, list) and isinstance(value, list) else value)


class LeavesOldFieldsBehind(MutantContext):
    """Keeps one entry a field, and never removes one that the new value has not; an empty object removes none."""

    breaks = "CTX-SET-01"

    async def set(self, key: str, value: Any) -> None:
        old = await self.get(key)
        await super().set(key, old if isinstance(old, dict) and value == {} else value)


class FalsyIsDeleted(MutantContext):
    breaks = "CTX-SET-02"

    async def set(self, key: str, value: Any) -> None:
        await (super().set(key, value) if value else self.delete(key))


class FalsyReadsAsNone(MutantContext):
    breaks = "CTX-SET-02"

    async def get(self, key: str) -> Any:
        return await super().get(key) or None


class LeavesOutEmptyContainers(MutantContext):
    breaks = "CTX-SET-02"

    async def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in (await super().to_dict()).items() if value not in ([], {})}


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


class CopiesTheOuterContainerOnly(MutantContext):
    breaks = "CTX-SET-05"
    objects: ClassVar[dict[tuple[str, str], Any]] = {}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(operations)
        for operation in operations:
            self.objects.pop((self._run_id, operation.key), None)
            if isinstance(operation, SetOp) and isinstance(operation.value, dict):
                self.objects[self._run_id, operation.key] = dict(operation.value)

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


class ForgetsTheSignOfZero(MutantContext):
    breaks = "CTX-SET-06"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, 0.0 if value == 0 and isinstance(value, float) else value)


class ReadsEveryNumberAsAFloat(MutantContext):
    breaks = "CTX-SET-06"

    async def get(self, key: str) -> Any:
        text = self._state().get(key)
        return None if text is None else json.loads(text, parse_int=float)


class DeleteLooksAtTheValue(MutantContext):
    breaks = "CTX-DEL-01"

    async def delete(self, key: str) -> bool:
        value = await self.get(key)
        await super().delete(key)
        return bool(value)


class DeleteAlwaysSaysYes(MutantContext):
    breaks = "CTX-DEL-01"

    async def delete(self, key: str) -> bool:
        await super().delete(key)
        return True


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


def _renamed(operation: PatchOperation, key: str) -> PatchOperation:
    return SetOp(key, operation.value) if isinstance(operation, SetOp) else DeleteOp(key)


def mutants_in(module: str) -> list[type[MutantContext]]:
    """The broken contexts that a module defines."""
    return [found for found in _all_below(MutantContext) if found.__module__ == module]


def _all_below(cls: type[MutantContext]) -> list[type[MutantContext]]:
    below = [found for sub in cls.__subclasses__() for found in (sub, *_all_below(sub))]
    return [found for found in below if "breaks" in vars(found)]


CONTEXTS = mutants_in(__name__)
