"""Stores that are right at the first look: each is wrong only for some keys, values, counts or moments."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from flowcraft_conformance import Clock
from tests.mutants.stores import MutantStore, mutants_in


class RaisesAtTheFirstIncrement(MutantStore):
    """An UPDATE without an INSERT: a key must have been there once before it is counted."""

    breaks = "COORD-INC-01"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.known: set[str] = set()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = await super().increment(key, ttl_seconds)
        if count == 1 and key not in self.known:
            self.known.add(key)
            raise KeyError(key)
        return count


class CountsInOneByte(MutantStore):
    breaks = "COORD-INC-02"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = await super().increment(key, ttl_seconds)
        if count > 127:
            self.force(key, "127", self.now() + ttl_seconds)
            return 127
        return count


class ArmsEverySecondIncrement(MutantStore):
    breaks = "COORD-INC-04"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self._present(key)
        count = await super().increment(key, ttl_seconds)
        if item is not None and count % 2 == 0:
            self.force(key, str(count), item.deadline)
        return count


class ArmsTextThatItRefuses(MutantStore):
    """The value is looked at after the TTL was set: what was refused lives on."""

    breaks = "COORD-INC-06"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        await self.extend_ttl(key, ttl_seconds)
        return await super().increment(key, ttl_seconds)


class StoresALittleLater(MutantStore):
    """It answers before its write has come about."""

    breaks = "COORD-SET-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        if won:
            item = self.backend.items.pop(key)
            asyncio.get_running_loop().call_later(0.002, self.backend.items.setdefault, key, item)
        return won


class CountersAreNotExtended(MutantStore):
    breaks = "COORD-EXT-01"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        extended = await super().extend_ttl(key, ttl_seconds)
        return extended and item is not None and not item.value.isdigit()


class ExtensionNeverShortens(MutantStore):
    breaks = "COORD-EXT-02"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self._present(key)
        deadline = -math.inf if item is None else item.deadline
        extended = await super().extend_ttl(key, ttl_seconds)
        if extended:
            self.backend.items[key].deadline = max(deadline, self.now() + ttl_seconds)
        return extended


class ExtensionWritesNumbersAnew(MutantStore):
    breaks = "COORD-EXT-03"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        if extended and self.backend.items[key].value.isdecimal():
            self.backend.items[key].value = str(int(self.backend.items[key].value))
        return extended


class KeepsWhatWasExtended(MutantStore):
    """A delete finds a key where it was first written, not where its extension has moved it."""

    breaks = "COORD-DEL-01"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.moved: set[str] = set()

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        if extended:
            self.moved.add(key)
        return extended

    async def delete(self, key: str) -> None:
        if key not in self.moved:
            await super().delete(key)


class StartsAgainFromZero(MutantStore):
    breaks = "COORD-DEL-02"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.deleted: set[str] = set()

    async def delete(self, key: str) -> None:
        if self._present(key) is not None:
            self.deleted.add(key)
        await super().delete(key)

    async def increment(self, key: str, ttl_seconds: int) -> int:
        if key in self.deleted:
            self.deleted.discard(key)
            self._put(key, "-1", ttl_seconds)
        return await super().increment(key, ttl_seconds)


class DeletesALongCounterOneByOne(MutantStore):
    """A counter is kept in pieces, and a delete takes the last piece away."""

    breaks = "COORD-DEL-02"

    async def delete(self, key: str) -> None:
        item = self._present(key)
        if item is not None and item.value.isdecimal() and int(item.value) > 1:
            item.value = str(int(item.value) - 1)
        else:
            await super().delete(key)


class RaisesWhereAbsent(MutantStore):
    breaks = "COORD-GET-01"

    async def get(self, key: str) -> str | None:
        value = await super().get(key)
        if value is None:
            raise KeyError(key)
        return value


class ExpiresAtTheWholeSecond(MutantStore):
    """It keeps whole seconds and rounds them down, which its declared granularity of zero does not allow."""

    breaks = "COORD-TTL-01"

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self.backend.items[key].deadline = math.floor(self.now() + ttl)


class ExpiryTakesKeysWithThatPrefix(MutantStore):
    breaks = "COORD-TTL-03"

    def _present(self, key: str) -> Any:
        item = self.backend.items.get(key)
        if item is not None and item.is_past():
            for other in [other for other in self.backend.items if other.startswith(key)]:
                del self.backend.items[other]
        return super()._present(key)


class TakesABoolForOneSecond(MutantStore):
    breaks = "COORD-TTL-04"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        return await super().increment(key, int(ttl_seconds) if isinstance(ttl_seconds, bool) else ttl_seconds)


STORES_RARELY = mutants_in(__name__)
