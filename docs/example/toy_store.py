"""A coordination store in the memory of one process."""

import re
import time

NUMBER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


class ToyStore:
    # What it can do: the smaller these are, the sooner there is a verdict.
    capabilities = {"processes": False, "ttl_granularity": 0, "ttl_lag": 0.01}  # noqa: RUF012

    def __init__(self, clock=None):
        # With a clock of the kit, TTLs are checked exactly and without waiting.
        self._now = clock.monotonic if clock else time.monotonic
        self._items = {}

    async def increment(self, key, ttl_seconds):
        deadline = self._deadline(ttl_seconds)
        value = await self.get(key)
        if value is not None and not NUMBER.fullmatch(value):
            raise ValueError(f"key {key!r} holds {value!r}, which is no number")
        count = int(value or 0) + 1
        self._items[key] = (str(count), deadline)
        return count

    async def set_if_not_exist(self, key, value, ttl_seconds):
        deadline = self._deadline(ttl_seconds)
        if await self.get(key) is not None:
            return False
        self._items[key] = (value, deadline)
        return True

    async def extend_ttl(self, key, ttl_seconds):
        deadline = self._deadline(ttl_seconds)
        value = await self.get(key)
        if value is None:
            return False
        self._items[key] = (value, deadline)
        return True

    async def delete(self, key):
        self._items.pop(key, None)

    async def get(self, key):
        value, deadline = self._items.get(key, (None, 0))
        return value if deadline > self._now() else None

    def _deadline(self, ttl_seconds):
        if type(ttl_seconds) is not int or ttl_seconds < 1:
            raise ValueError(f"a TTL is a whole number of seconds from 1, this is {ttl_seconds!r}")
        return self._now() + ttl_seconds
