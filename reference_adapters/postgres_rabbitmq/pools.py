"""One pool for all users of a database on one event loop: a server has room for few connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from reference_adapters.postgres_rabbitmq.database import Database

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Database]] = WeakKeyDictionary()
_users: WeakKeyDictionary[Database, int] = WeakKeyDictionary()


@asynccontextmanager
async def shared_pool(url: str) -> AsyncIterator[Database]:
    """The pool of this loop for this URL; closed when its last user leaves."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    database = pools.setdefault(url, Database(url))
    _users[database] = _users.get(database, 0) + 1
    try:
        yield database
    finally:
        _users[database] -= 1
        if not _users[database]:
            del pools[url], _users[database]
            await database.close()
