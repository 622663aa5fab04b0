"""A coordination store of the kit's own, for an adapter class that brings none."""

from __future__ import annotations

import time


class KitMemoryStore:
    """An ``ICoordinationStore`` of one process. Deadlines are judged when a key is looked at."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[str, float]] = {}

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up; raises ValueError where the key holds no number."""
        value = await self.get(key)
        if value is not None and str(int(value)) != value:
            raise ValueError(f"key {key!r} holds {value!r}, which is no number")
        count = 1 if value is None else int(value) + 1
        self._put(key, str(count), ttl_seconds)
        return count

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """Store the value where the key is absent."""
        if await self.get(key) is not None:
            return False
        self._put(key, value, ttl_seconds)
        return True

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """Re-arm a present key."""
        value = await self.get(key)
        if value is None:
            return False
        self._put(key, value, ttl_seconds)
        return True

    async def delete(self, key: str) -> None:
        """Remove the key."""
        self._items.pop(key, None)

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        value, deadline = self._items.get(key, ("", 0.0))
        return value if deadline > time.monotonic() else None

    def _put(self, key: str, value: str, ttl_seconds: int) -> None:
        if type(ttl_seconds) is not int or ttl_seconds < 1:
            raise ValueError(f"a TTL is a whole number of seconds from 1, this is {ttl_seconds!r}")
        self._items[key] = (value, time.monotonic() + ttl_seconds)
