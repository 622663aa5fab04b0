"""Commands to Redis that are sent once and end within a bound, whatever the client at hand was built with."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

CALL_SECONDS = 8.0
"""The bound of one call: waiting for a connection, connecting, sending and reading together."""

SOCKET_SECONDS = 5.0
_CONNECTIONS = 32

Argument = bytes | str | int


def connect(url: str) -> Redis:
    """A client for :class:`RedisCalls`, which bounds each call as a whole: a second bound for each send and each read
    would cost a fifth of a small call. Callers beyond its pool wait for their turn.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=None,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=SOCKET_SECONDS,
        protocol=2,  # nothing here needs RESP3, and its handshake costs a round trip
        driver_info=None,  # naming the library costs one too, and a look at its metadata on disk
    )
    return Redis.from_pool(pool)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name under which the server keeps it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> Script:
        """The script with this text."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisCalls:
    """Sends a command at most once, over the connections of a client, and gives the reply as bytes.

    redis-py's own ``execute_command`` repeats a command whose reply was lost, by default ten times: an increment then
    counts twice and the winner of a ``SET NX`` is told that it lost (COORD-LIN-01). A connection on which a call was
    cancelled or cut off is closed, so that its reply reaches nobody (COORD-ERR-04).
    """

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool

    async def __call__(self, name: str, *arguments: Argument) -> Any:
        """The reply to one command.

        Raises:
            redis.RedisError: the server refused, or could not be reached.
            TimeoutError: no answer within CALL_SECONDS.
        """
        async with _bounded():
            return await self._once(name, *arguments)

    async def run(self, script: Script, key: bytes, *arguments: Argument) -> Any:
        """The reply of a script on one key; raises as a call does. A script the server does not know did not run."""
        async with _bounded():
            try:
                return await self._once("EVALSHA", script.sha, 1, key, *arguments)
            except NoScriptError:
                return await self._once("EVAL", script.text, 1, key, *arguments)

    async def _once(self, name: str, *arguments: Argument) -> Any:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_command(name, *arguments)
            return await connection.read_response(disable_decoding=True)
        finally:
            await self._pool.release(connection)


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise TimeoutError(f"Redis did not answer within {CALL_SECONDS:g} s") from None
