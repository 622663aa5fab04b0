"""A coordination store on SQLite: the first try."""

import time
from contextlib import asynccontextmanager, closing

from database import connect


class Store:
    def __init__(self, database):
        self._database = database

    async def increment(self, key, ttl_seconds):
        count = int(self._present(key) or 0) + 1
        self._put(key, str(count), ttl_seconds)
        return count

    async def set_if_not_exist(self, key, value, ttl_seconds):
        if self._present(key) is not None:
            return False
        self._put(key, value, ttl_seconds)
        return True

    async def extend_ttl(self, key, ttl_seconds):
        value = self._present(key)
        if value is None:
            return False
        self._put(key, value, ttl_seconds)
        return True

    async def delete(self, key):
        self._database.execute("DELETE FROM coordination WHERE key = ?", (key,))

    async def get(self, key):
        return self._present(key)

    def _present(self, key):
        statement = "SELECT value FROM coordination WHERE key = ? AND expires > ?"
        row = self._database.execute(statement, (key, time.time())).fetchone()
        return row[0] if row else None

    def _put(self, key, value, ttl_seconds):
        statement = "INSERT OR REPLACE INTO coordination VALUES (?, ?, ?)"
        self._database.execute(statement, (key, value, time.time() + ttl_seconds))


@asynccontextmanager
async def store():
    with closing(connect()) as database:
        yield Store(database)


store.capabilities = {"ttl_granularity": 0.01, "ttl_lag": 0.1}
