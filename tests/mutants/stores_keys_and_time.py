"""Broken stores whose mistake is in what a key is, how long it lives and who sees it; ``breaks`` names the clause."""

from __future__ import annotations

import asyncio
import unicodedata
import urllib.parse
from typing import Any, ClassVar

from flowcraft_conformance import Clock
from tests.mutants.stores import MutantStore, mutants_in


class ReturnsBytes(MutantStore):
    breaks = "COORD-GET-01"

    async def get(self, key: str) -> Any:
        value = await super().get(key)
        return None if value is None else value.encode("utf-8", "surrogatepass")


class CountersReadAsNumbers(MutantStore):
    breaks = "COORD-GET-01"

    async def get(self, key: str) -> Any:
        value = await super().get(key)
        return int(value) if value is not None and value.isascii() and value.isdigit() else value


class ExpiresEarly(MutantStore):
    breaks = "COORD-TTL-01"

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self.backend.items[key].deadline -= ttl * 0.1


class TakesSecondsForMilliseconds(MutantStore):
    breaks = "COORD-TTL-01"

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(key, value, ttl)
        self.backend.items[key].deadline = self.now() + ttl / 1000


class NeverExpires(MutantStore):
    breaks = "COORD-TTL-02"

    def _present(self, key: str) -> Any:
        return self.backend.items.get(key)


class IncrementSeesExpiredKeys(MutantStore):
    breaks = "COORD-TTL-02"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        item = self.backend.items.get(key)
        if item is not None:
            item.deadline = self.now() + 1
        return await super().increment(key, ttl_seconds)


class SetterSeesExpiredKeys(MutantStore):
    breaks = "COORD-TTL-02"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        if key in self.backend.items:
            return False
        return await super().set_if_not_exist(key, value, ttl_seconds)


class DeleteTakesKeysWithThatPrefix(MutantStore):
    breaks = "COORD-TTL-03"

    async def delete(self, key: str) -> None:
        for other in [other for other in self.backend.items if other.startswith(key)]:
            await super().delete(other)


class ExtensionExtendsAllKeys(MutantStore):
    breaks = "COORD-TTL-03"

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        extended = await super().extend_ttl(key, ttl_seconds)
        for other in self.backend.items.values():
            other.deadline = max(other.deadline, self.now() + ttl_seconds) if extended else other.deadline
        return extended


class TakesAnyTtl(MutantStore):
    breaks = "COORD-TTL-04"

    async def increment(self, key: str, ttl_seconds: Any) -> int:
        return await super().increment(key, max(1, int(float(ttl_seconds or 1))) if ttl_seconds == ttl_seconds else 1)


class WritesAndThenRefusesTheTtl(MutantStore):
    breaks = "COORD-TTL-04"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: Any) -> bool:
        try:
            return await super().set_if_not_exist(key, value, ttl_seconds)
        except (ValueError, TypeError):
            await super().set_if_not_exist(key, value, 1)
            raise


class ZeroMeansForEver(MutantStore):
    breaks = "COORD-TTL-05"

    async def increment(self, key: str, ttl_seconds: Any) -> int:
        if ttl_seconds == 0:
            count = await super().increment(key, 1)
            self.backend.items[key].deadline = float("inf")
            return count
        return await super().increment(key, ttl_seconds)


class ExtensionByAFractionStays(MutantStore):
    breaks = "COORD-TTL-05"

    async def extend_ttl(self, key: str, ttl_seconds: Any) -> bool:
        if isinstance(ttl_seconds, float):
            item = self._present(key)
            if item is not None:
                item.deadline = float("inf")
            return item is not None
        return await super().extend_ttl(key, ttl_seconds)


class _FoldsKeys(MutantStore):
    def fold(self, key: str) -> str:
        raise NotImplementedError

    def _present(self, key: str) -> Any:
        return super()._present(self.fold(key))

    def _put(self, key: str, value: str, ttl: int) -> None:
        super()._put(self.fold(key), value, ttl)

    async def delete(self, key: str) -> None:
        await super().delete(self.fold(key))


class FoldsTheCaseOfKeys(_FoldsKeys):
    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return key.casefold()


class TrimsKeys(_FoldsKeys):
    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return key.strip()


class NormalisesKeys(_FoldsKeys):
    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return unicodedata.normalize("NFC", key)


class CutsKeys(_FoldsKeys):
    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return key[:255]


class CleansKeys(_FoldsKeys):
    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return "".join(character if character.isalnum() else "_" for character in key)


class TakesAPercentSignForAnEscape(_FoldsKeys):
    """It escapes a key only where that does not look escaped already."""

    breaks = "COORD-KEY-01"

    def fold(self, key: str) -> str:
        return (
            key if "%" in key and ":" not in key else urllib.parse.quote(key.encode("utf-8", "surrogatepass"), safe="")
        )


class ReadsFromALaggingReplica(MutantStore):
    breaks = "COORD-LIN-01"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.replica: dict[str, str | None] = {}

    async def get(self, key: str) -> str | None:
        value = self.replica.get(key)
        self.replica[key] = await super().get(key)
        return value if key in self.replica and value is not None else self.replica[key]


class DeletesInTwoSteps(MutantStore):
    breaks = "COORD-LIN-01"

    async def delete(self, key: str) -> None:
        item = self._present(key)
        await super().delete(key)
        await asyncio.sleep(0)
        if item is not None and self._present(key) is not None:
            self._put(key, item.value, 60)
            await asyncio.sleep(0)
            await super().delete(key)


class PersistsThenExpires(MutantStore):
    breaks = "COORD-INC-05"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = await super().increment(key, ttl_seconds)
        deadline = self.backend.items[key].deadline
        self.force(key, str(count), float("inf"))
        await asyncio.sleep(0)
        self.force(key, str(count), deadline)
        return count


class KeepsItsLockWhenCancelled(MutantStore):
    breaks = "COORD-ERR-04"
    capabilities: ClassVar[dict[str, Any]] = {**MutantStore.capabilities, "call_timeout_seconds": 1}

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.lock = asyncio.Lock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        await self.lock.acquire()
        await asyncio.sleep(0)
        count = await super().increment(key, ttl_seconds)
        self.lock.release()
        return count


STORES_KEYS_AND_TIME = mutants_in(__name__)
