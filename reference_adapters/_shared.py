"""One object for all its users on one event loop: a server has room for few connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Shared(Generic[T]):
    """What ``make`` gives for a URL, once a loop; closed when its last user leaves."""

    def __init__(self, make: Callable[[str], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[T, list[None]]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def __call__(self, url: str) -> AsyncIterator[T]:
        """The object of this loop for this URL."""
        made = self._made.setdefault(asyncio.get_running_loop(), {})
        shared, users = made[url] if url in made else made.setdefault(url, (self._make(url), []))
        users.append(None)
        try:
            yield shared
        finally:
            users.pop()
            if not users:
                del made[url]
                await self._close(shared)
