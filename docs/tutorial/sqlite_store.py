"""A coordination store on SQLite."""

import re
import time
from contextlib import asynccontextmanager, closing

from database import connect, transaction

NUMBER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


class Store:
    def __init__(self, database):
        self._database = database

    async def increment(self, key, ttl_seconds):
        deadline = deadline_of(ttl_seconds)
        with transaction(self._database):
            value = self._present(key)
            if value is not None and not NUMBER.fullmatch(value):
                raise ValueError(f"key {key!r} holds {value!r}, which is no number")
            count = int(value or 0) + 1
            self._put(key, str(count), deadline)
        return count

    async def set_if_not_exist(self, key, value, ttl_seconds):
        deadline = deadline_of(ttl_seconds)
        with transaction(self._database):
            if self._present(key) is not None:
                return False
            self._put(key, value, deadline)
        return True

    async def extend_ttl(self, key, ttl_seconds):
        statement = "UPDATE coordination SET expires = ? WHERE key = ? AND expires > ?"
        changed = self._database.execute(statement, (deadline_of(ttl_seconds), key, time.time()))
        return changed.rowcount == 1

    async def delete(self, key):
        self._database.execute("DELETE FROM coordination WHERE key = ?", (key,))

    async def get(self, key):
        return self._present(key)

    def _present(self, key):
        statement = "SELECT value FROM coordination WHERE key = ? AND expires > ?"
        row = self._database.execute(statement, (key, time.time())).fetchone()
        return row[0] if row else None

    def _put(self, key, value, deadline):
        self._database.execute("DELETE FROM coordination WHERE expires <= ?", (time.time(),))
        self._database.execute("INSERT OR REPLACE INTO coordination VALUES (?, ?, ?)", (key, value, deadline))


def deadline_of(ttl_seconds):
    if type(ttl_seconds) is not int or ttl_seconds < 1:
        raise ValueError(f"a TTL is a whole number of seconds from 1, this is {ttl_seconds!r}")
    return time.time() + ttl_seconds


@asynccontextmanager
async def store():
    with closing(connect()) as database:
        yield Store(database)


store.capabilities = {"ttl_granularity": 0.01, "ttl_lag": 0.1}
