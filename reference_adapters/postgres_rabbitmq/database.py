"""Statements to PostgreSQL that end within a bound, over a pool whose connections never carry another call's answer."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, errors, sql, waiting
from psycopg.abc import PQGen

CALL_SECONDS = 8.0
"""The bound of one call: waiting for a connection, connecting, sending and reading together."""

_CONNECTIONS = 16

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]
T = TypeVar("T")


class _Connection(AsyncConnection[Row]):
    """Closed where a call on it is cut off: psycopg would ask the server to cancel, and wait for a silent one."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise

    @property
    def is_fit(self) -> bool:
        """Whether it can be used; an idle one that has something to say was closed by the server."""
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)


class Database:
    """Runs statements on at most ``connections`` connections, opened when needed; more callers wait for their turn.

    Nothing is repeated but what the server says it has undone. It may be used again after :meth:`close`.
    """

    def __init__(self, url: str, *, connections: int = _CONNECTIONS) -> None:
        self.url = url
        self._room = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._generation = 0

    async def run(self, statement: sql.Composed | bytes, parameters: Parameters = ()) -> list[Row]:
        """The rows of one statement, which is a transaction of its own.

        Raises:
            psycopg.Error: the server refused, or could not be reached.
            TimeoutError: no answer within CALL_SECONDS; whether it was carried out is unknown.
        """
        async with _bounded():
            while True:
                with contextlib.suppress(errors.DeadlockDetected):  # it was rolled back: the server chose it of two
                    return await self._once(statement, parameters)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        """A connection of one's own for as long as the block, in autocommit mode; raises as :meth:`run` does."""
        async with _bounded(), self._room:
            connection = await self._take()
            generation = self._generation
            try:
                yield connection
            finally:
                if connection.closed or generation != self._generation:
                    await connection.close()
                else:
                    self._idle.append(connection)

    async def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        self._generation += 1
        while self._idle:
            await self._idle.pop().close()

    async def _once(self, statement: sql.Composed | bytes, parameters: Parameters) -> list[Row]:
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description is not None else []

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fit:
                return connection
            await connection.close()
        return await _Connection.connect(self.url, autocommit=True)


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise TimeoutError(f"PostgreSQL did not answer within {CALL_SECONDS:g} s") from None
