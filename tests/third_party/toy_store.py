"""A store that somebody else wrote."""

import time


class ToyStore:
    capabilities = {"ttl_granularity": 0, "ttl_lag": 0.01}  # noqa: RUF012

    def __init__(self, clock=None):
        self._now = clock.monotonic if clock else time.monotonic
        self._items = {}

    def _live(self, key):
        item = self._items.get(key)
        return item if item and item[1] > self._now() else None

    def _put(self, key, value, ttl):
        if type(ttl) is not int or ttl < 1:
            raise ValueError(f"not a TTL: {ttl!r}")
        self._items[key] = (value, self._now() + ttl)

    async def increment(self, key, ttl_seconds):
        item = self._live(key)
        if item and not isinstance(item[0], int):
            raise ValueError("not a counter")
        self._put(key, (item[0] if item else 0) + 1, ttl_seconds)
        return self._items[key][0]

    async def set_if_not_exist(self, key, value, ttl_seconds):
        if self._live(key):
            return False
        self._put(key, value, ttl_seconds)
        return True

    async def extend_ttl(self, key, ttl_seconds):
        item = self._live(key)
        self._put(key if item else "\0none", item[0] if item else "", ttl_seconds)
        return item is not None

    async def delete(self, key):
        self._items.pop(key, None)

    async def get(self, key):
        item = self._live(key)
        return str(item[0]) if item else None
