"""Broken stores as they come out of real libraries: caches, upserts, timers, sliding expiry, retries by value."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_conformance import Clock
from tests.mutants.stores import MutantStore, mutants_in


class TheSameValueWinsAgain(MutantStore):
    """Meant for a retry: whoever brings the value that is stored is told that it won."""

    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        return won or await self.get(key) == value


class TheSameValueRenewsItsLease(MutantStore):
    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        if not won and await self.get(key) == value:
            await self.extend_ttl(key, ttl_seconds)
        return won


class SlidesAtEveryRead(MutantStore):
    """Sliding expiry: what is read lives on."""

    breaks = "COORD-TTL-02"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.ttls: dict[str, int] = {}

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self.ttls[key] = ttl

    async def get(self, key: str) -> str | None:
        item = self._present(key)
        if item is not None:
            item.deadline = self.now() + self.ttls[key]
        return await super().get(key)


class KeepsTheLastKeysOnly(MutantStore):
    """A cache of bounded size: the oldest key goes, whatever its TTL."""

    breaks = "COORD-TTL-01"

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        while len(self.backend.items) > 256:
            del self.backend.items[next(iter(self.backend.items))]


class InsertsAndThenFillsIn(MutantStore):
    """The key is taken first and gets its value in a second step."""

    breaks = "COORD-LIN-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, "", ttl_seconds)
        if won:
            await asyncio.sleep(0)
            item = self._present(key)
            if item is not None and item.value == "":
                item.value = value
        return won


class DeletesALittleLater(MutantStore):
    breaks = "COORD-DEL-01"

    async def delete(self, key: str) -> None:
        asyncio.get_running_loop().call_soon(self.backend.items.pop, key, None)


class ExtensionWritesTheOldValueBack(MutantStore):
    """Reads the record and writes it whole: a count in between is lost."""

    breaks = "COORD-LIN-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        value = None if item is None else item.value
        await asyncio.sleep(0)
        if value is None:
            return await super().extend_ttl(key, ttl_seconds)
        self._put(key, value, ttl_seconds)
        return True


class CountsAndThenReads(MutantStore):
    """It returns what a second call reads, which another increment may have changed."""

    breaks = "COORD-INC-03"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        await super().increment(key, ttl_seconds)
        await asyncio.sleep(0)
        return int(await self.get(key) or 0)


class TimersOutliveAnExtension(MutantStore):
    """Each arming starts a timer, and the first one that fires takes the key away."""

    breaks = "COORD-EXT-02"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.first: dict[str, float] = {}

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        first = self.first.setdefault(key, self.now() + ttl)
        self.backend.items[key].deadline = min(self.backend.items[key].deadline, first)

    def _present(self, key: str) -> Any:
        item = super()._present(key)
        if item is None:
            self.first.pop(key, None)
        return item


class ANewLeaseEndsWithTheOldOne(MutantStore):
    """The expiry of a deleted key is still in its table when the key is set again."""

    breaks = "COORD-SET-04"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.deadlines: dict[str, float] = {}

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        if won:
            item = self.backend.items[key]
            old = self.deadlines.get(key, 0.0)
            if old > self.now():
                item.deadline = old
            self.deadlines[key] = item.deadline
        return won


class RefusesWithoutRaising(MutantStore):
    """An increment of a text answers 0."""

    breaks = "COORD-INC-06"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        try:
            return await super().increment(key, ttl_seconds)
        except ValueError:
            if self._present(key) is None:
                raise
            return 0


class TakesEmptyForAbsent(MutantStore):
    breaks = "COORD-EXT-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        return extended and bool(await self.get(key))


class DeletesOnlyWhatIsTruthy(MutantStore):
    breaks = "COORD-DEL-01"

    async def delete(self, key: str) -> None:
        if await self.get(key):
            await super().delete(key)


class ZeroMayBeSetAgain(MutantStore):
    breaks = "COORD-SET-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        if await self.get(key) == "0":
            await self.delete(key)
        return await super().set_if_not_exist(key, value, ttl_seconds)


class AnInvalidExtensionDeletes(MutantStore):
    """As a server does that takes a deadline in the past."""

    breaks = "COORD-TTL-04"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        try:
            return await super().extend_ttl(key, ttl_seconds)
        except ValueError:
            await self.delete(key)
            raise


class LongLeasesOverflow(MutantStore):
    """A TTL of a day or more does not fit in the field."""

    breaks = "COORD-TTL-01"

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl % 86_400)


class ExtensionBringsBackWhatWasDeleted(MutantStore):
    breaks = "COORD-EXT-01"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.grave: dict[str, str] = {}

    async def delete(self, key: str) -> None:
        item = self._present(key)
        if item is not None:
            self.grave[key] = item.value
        await super().delete(key)

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        if not extended and key in self.grave:
            self._put(key, self.grave.pop(key), ttl_seconds)
        return extended


STORES_PLAUSIBLE = mutants_in(__name__)
