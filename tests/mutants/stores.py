"""Coordination stores that are each wrong in one way, named by what they do; ``breaks`` names the clause to fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from flowcraft_conformance import Clock
from reference_adapters.memory import MemoryBackend, MemoryCoordinationStore


class MutantStore(MemoryCoordinationStore):
    """A right store to be broken. ``Any`` in the signatures of mutants: a wrong type is what some are about."""

    breaks: ClassVar[str]
    capabilities: ClassVar[dict[str, Any]] = {"ttl_granularity": 0, "ttl_lag": 0}

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.backend = MemoryBackend()
        super().__init__(self.backend, clock=clock)

    def now(self) -> float:
        return self._clock.monotonic()

    def force(self, key: str, value: str, deadline: float) -> None:
        self._put(key, value, 1)
        self.backend.items[key].deadline = deadline


class CountsFromZero(MutantStore):
    breaks = "COORD-INC-01"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        return await super().increment(key, ttl_seconds) - 1


class FirstIncrementIsTrue(MutantStore):
    breaks = "COORD-INC-01"

    async def increment(self, key: str, ttl_seconds: int) -> Any:
        count = await super().increment(key, ttl_seconds)
        return True if count == 1 else count


class CountsInText(MutantStore):
    breaks = "COORD-INC-02"

    async def increment(self, key: str, ttl_seconds: int) -> Any:
        return str(await super().increment(key, ttl_seconds))


class SkipsANumberNowAndThen(MutantStore):
    breaks = "COORD-INC-02"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = await super().increment(key, ttl_seconds)
        return await super().increment(key, ttl_seconds) if count == 7 else count


class IncrementsWithoutAtomicity(MutantStore):
    breaks = "COORD-INC-03"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        await asyncio.sleep(0)
        if item is not None and item.value.isdigit():
            self._put(key, item.value, ttl_seconds)
        elif item is None:
            await super().delete(key)
        return await super().increment(key, ttl_seconds)


class ArmsOnlyTheFirstIncrement(MutantStore):
    breaks = "COORD-INC-04"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        count = await super().increment(key, ttl_seconds)
        if item is not None:
            self.force(key, str(count), item.deadline)
        return count


class IncrementKeepsTheLaterDeadline(MutantStore):
    breaks = "COORD-INC-04"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        count = await super().increment(key, ttl_seconds)
        if item is not None:
            self.force(key, str(count), max(item.deadline, self.now() + ttl_seconds))
        return count


class ReadsNumbersAsPythonDoes(MutantStore):
    breaks = "COORD-INC-06"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        if item is not None:
            item.value = str(int(item.value))
        return await super().increment(key, ttl_seconds)


class TakesTextForZero(MutantStore):
    breaks = "COORD-INC-06"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        if item is not None and not item.value.isdigit():
            item.value = "0"
        return await super().increment(key, ttl_seconds)


class AnswersOne(MutantStore):
    breaks = "COORD-SET-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> Any:
        return int(await super().set_if_not_exist(key, value, ttl_seconds))


class StoresTheValueLower(MutantStore):
    breaks = "COORD-SET-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        return await super().set_if_not_exist(key, value.strip(), ttl_seconds)


class LoserRefreshesTheLock(MutantStore):
    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        await self.extend_ttl(key, ttl_seconds)
        return won


class LoserOverwritesTheValue(MutantStore):
    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        self.backend.items[key].value = value
        return won


class CountersAreNotPresent(MutantStore):
    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        if item is not None and item.value.isdigit():
            await self.delete(key)
        return await super().set_if_not_exist(key, value, ttl_seconds)


class LooksThenSets(MutantStore):
    breaks = "COORD-SET-03"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        if await self.get(key) is not None:
            return False
        await asyncio.sleep(0)
        await self.delete(key)
        return await super().set_if_not_exist(key, value, ttl_seconds)


class LastSetterIsStored(MutantStore):
    breaks = "COORD-SET-03"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        item = self._present(key)
        if item is not None and value > item.value:
            item.value = value
        return won


class DeletedKeysStayTaken(MutantStore):
    breaks = "COORD-SET-04"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.taken: set[str] = set()

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        if key in self.taken and self._present(key) is None:
            return False
        self.taken.add(key)
        return await super().set_if_not_exist(key, value, ttl_seconds)


class ExpiredLocksAreWonByAll(MutantStore):
    breaks = "COORD-SET-04"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        stale = key in self.backend.items and self._present(key) is None
        if stale or key in getattr(self, "open", set()):
            self.open: set[str] = getattr(self, "open", set()) | {key}
            await super().set_if_not_exist(key, value, ttl_seconds)
            return True
        return await super().set_if_not_exist(key, value, ttl_seconds)


class ParsesValues(MutantStore):
    breaks = "COORD-SET-05"

    async def get(self, key: str) -> str | None:
        value = await super().get(key)
        try:
            return None if value is None else str(json.loads(value))
        except ValueError:
            return value


class EmptyReadsAsAbsent(MutantStore):
    breaks = "COORD-SET-05"

    async def get(self, key: str) -> str | None:
        return await super().get(key) or None


class CutsLongValues(MutantStore):
    breaks = "COORD-SET-05"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        return await super().set_if_not_exist(key, value[:65_000], ttl_seconds)


class DropsNulCharacters(MutantStore):
    breaks = "COORD-SET-05"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        return await super().set_if_not_exist(key, value.replace("\x00", ""), ttl_seconds)


class ExtensionIsAlwaysTrue(MutantStore):
    breaks = "COORD-EXT-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        await super().extend_ttl(key, ttl_seconds)
        return True


class ExtendsExpiredKeys(MutantStore):
    breaks = "COORD-EXT-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self.backend.items.get(key)
        if item is not None:
            item.deadline = self.now() + ttl_seconds
        return await super().extend_ttl(key, ttl_seconds)


class ExtensionAddsToTheDeadline(MutantStore):
    breaks = "COORD-EXT-02"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        if item is None:
            return await super().extend_ttl(key, ttl_seconds)
        item.deadline += ttl_seconds
        return True


class ExtensionDoesNothing(MutantStore):
    breaks = "COORD-EXT-02"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        deadline = None if item is None else item.deadline
        extended = await super().extend_ttl(key, ttl_seconds)
        if deadline is not None:
            self.backend.items[key].deadline = deadline
        return extended


class ExtensionCreatesTheKey(MutantStore):
    breaks = "COORD-EXT-03"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        if not extended:
            self._put(key, "", ttl_seconds)
        return extended


class ExtensionResetsCounters(MutantStore):
    breaks = "COORD-EXT-03"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        if extended and self.backend.items[key].value.isdigit():
            self.backend.items[key].value = "0"
        return extended


class DeleteCounts(MutantStore):
    breaks = "COORD-DEL-01"

    async def delete(self, key: str) -> Any:
        return int(self.backend.items.pop(key, None) is not None)


class DeleteOfAnAbsentKeyRaises(MutantStore):
    breaks = "COORD-DEL-01"

    async def delete(self, key: str) -> None:
        del self.backend.items[key]


class DeleteKeepsTheCount(MutantStore):
    breaks = "COORD-DEL-02"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.counts: dict[str, str] = {}

    async def delete(self, key: str) -> None:
        item = self._present(key)
        if item is not None and item.value.isdigit():
            self.counts[key] = item.value
        await super().delete(key)

    async def increment(self, key: str, ttl_seconds: int) -> int:
        if self._present(key) is None and key in self.counts:
            self._put(key, self.counts.pop(key), ttl_seconds)
        return await super().increment(key, ttl_seconds)


def mutants_in(module: str) -> list[type[MutantStore]]:
    """The broken stores that a module defines."""
    return [found for found in _below(MutantStore) if found.__module__ == module and "breaks" in vars(found)]


def _below(cls: type[MutantStore]) -> list[type[MutantStore]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_below(sub))]


STORES = mutants_in(__name__)
