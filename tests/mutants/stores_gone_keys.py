"""Broken stores whose mistake shows at a key that is about to go: its eviction, its timer, its extension."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from flowcraft_conformance import Clock
from reference_adapters.memory import MemoryBackend
from tests.mutants.stores import MutantStore, mutants_in


class EvictsLate(MutantStore):
    """A read clears an expired key away after a round trip, and takes with it what was set in between."""

    breaks = "COORD-SET-04"

    async def get(self, key: str) -> str | None:
        item = self.backend.items.get(key)
        if item is not None and item.is_past():
            await asyncio.sleep(0)
            self.backend.items.pop(key, None)
            return None
        return None if item is None else item.value


class ForgetsTheTimerOfADeletedKey(MutantStore):
    """The timer of a deleted key goes on, and ends the next key of that name early."""

    breaks = "COORD-SET-04"

    def __init__(self, **keywords: object) -> None:
        super().__init__(**keywords)  # type: ignore[arg-type]
        self._timers: dict[str, float] = {}

    async def delete(self, key: str) -> None:
        item = self.backend.items.get(key)
        if item is not None:
            self._timers[key] = item.deadline
        await super().delete(key)

    async def get(self, key: str) -> str | None:
        if self._timers.get(key, float("inf")) <= self.now():
            del self._timers[key]
            self.backend.items.pop(key, None)
        return await super().get(key)


class TakesTheOldExpiryAwayFirst(MutantStore):
    """An extension removes the expiry, then sets the new one: cancelled between the two, the key stays for ever."""

    breaks = "COORD-TTL-05"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        item = self.backend.items.get(key)
        if item is None or item.is_past():
            return await super().extend_ttl(key, ttl_seconds)
        before, item.deadline = item.deadline, float("inf")
        await asyncio.sleep(0)
        item.deadline = before
        return await super().extend_ttl(key, ttl_seconds)


class TrustsItsOwnClock(MutantStore):
    """A client that has made a key believes that it holds it for as long as it has asked for."""

    breaks = "COORD-EXT-01"
    shared: ClassVar[MemoryBackend] = MemoryBackend()

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.backend = self._backend = self.shared
        self._items = self.shared.items
        self.held: dict[str, float] = {}

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        won = await super().set_if_not_exist(key, value, ttl_seconds)
        if won:
            self.held[key] = self.now() + ttl_seconds
        return won

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        is_there = await super().extend_ttl(key, ttl_seconds)
        return is_there or self.held.get(key, 0) > self.now()

    async def delete(self, key: str) -> None:
        self.held.pop(key, None)
        await super().delete(key)


STORES_GONE_KEYS = mutants_in(__name__)
