"""Coordination stores on a real Redis that are wrong only between processes, under faults or after a cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, ClassVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from flowcraft_conformance import redis_service
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect, store

_FAILURES = (RedisError, OSError, TimeoutError)
_locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}


class RedisMutant(RedisCoordinationStore):
    """A right store to be broken; each instance has a client of its own."""

    breaks: ClassVar[str]
    capabilities: ClassVar[Any] = store.capabilities  # type: ignore[attr-defined]

    def __init__(self) -> None:
        self.client = self.connect(redis_service().url)
        super().__init__(self.client)

    def connect(self, url: str) -> Redis:
        return connect(url)

    async def __aenter__(self) -> RedisMutant:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


class LocksInItsOwnProcess(RedisMutant):
    breaks = "COORD-PROC-01"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        async with _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            count = int(await self._redis("GET", key) or 0) + 1
            await self._redis("SET", key, count, "EX", ttl_seconds)
            return count


class LooksThenSetsInItsOwnProcess(RedisMutant):
    breaks = "COORD-PROC-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        async with _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if await self.get(key) is not None:
                return False
            await self._redis("SET", key, value, "EX", ttl_seconds)
            return True


class HasAPrefixOfItsProcess(RedisMutant):
    breaks = "COORD-PROC-01"
    prefix: ClassVar[str] = uuid.uuid4().hex

    async def get(self, key: str) -> str | None:
        return await super().get(self.prefix + key)

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        return await super().set_if_not_exist(self.prefix + key, value, ttl_seconds)


class DeniesThatItIsShared(RedisMutant):
    breaks = "COORD-PROC-01"
    capabilities = replace(RedisMutant.capabilities, processes=False)


class ReadsAndWritesWithoutWatch(RedisMutant):
    breaks = "COORD-INC-03"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = int(await self._redis("GET", key) or 0) + 1
        async with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set(key, count, ex=ttl_seconds)
            await pipeline.execute()
        return count


class CountsThenExpires(RedisMutant):
    breaks = "COORD-INC-05"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = int(await self._redis("INCR", key))
        await self._redis("EXPIRE", key, ttl_seconds)
        return count


class CountsThenExpiresInSpiteOfCancellation(RedisMutant):
    """Only a killed process or a lost connection shows it."""

    breaks = "COORD-INC-05"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        return await asyncio.shield(asyncio.ensure_future(self._both(key, ttl_seconds)))

    async def _both(self, key: str, ttl_seconds: int) -> int:
        count = int(await self._redis("INCR", key))
        await self._redis("EXPIRE", key, ttl_seconds)
        return count


class CallsAgainAfterALostReply(RedisMutant):
    breaks = "COORD-LIN-01"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        try:
            return await super().increment(key, ttl_seconds)
        except _FAILURES:
            return await super().increment(key, ttl_seconds)


class SetsAgainAfterALostReply(RedisMutant):
    breaks = "COORD-LIN-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        try:
            return await super().set_if_not_exist(key, value, ttl_seconds)
        except _FAILURES:
            return await super().set_if_not_exist(key, value, ttl_seconds)


class ReadsAFailureAsAbsent(RedisMutant):
    breaks = "COORD-ERR-01"

    async def get(self, key: str) -> str | None:
        try:
            return await super().get(key)
        except _FAILURES:
            return None


class CountsAFailureAsZero(RedisMutant):
    breaks = "COORD-ERR-01"

    async def increment(self, key: str, ttl_seconds: int) -> int:
        try:
            return await super().increment(key, ttl_seconds)
        except _FAILURES:
            return 0


class LosesWhereItFails(RedisMutant):
    breaks = "COORD-ERR-01"

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        try:
            return await super().set_if_not_exist(key, value, ttl_seconds)
        except _FAILURES:
            return False


class ForgivesADeleteThatFails(RedisMutant):
    breaks = "COORD-ERR-01"

    async def delete(self, key: str) -> None:
        try:
            await super().delete(key)
        except _FAILURES:
            return


class WaitsWithoutEnd(RedisMutant):
    breaks = "COORD-ERR-02"
    capabilities = replace(RedisMutant.capabilities, call_timeout_seconds=2)

    def connect(self, url: str) -> Redis:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0)))

    async def get(self, key: str) -> str | None:
        value: Any = await self.client.get(key)
        return None if value is None else str(value.decode())


class WaitsLongerThanItDeclares(RedisMutant):
    breaks = "COORD-ERR-02"
    capabilities = replace(RedisMutant.capabilities, call_timeout_seconds=1)


class CallsAgainForEver(RedisMutant):
    """Each try is bounded; their number is not."""

    breaks = "COORD-ERR-02"
    capabilities = replace(RedisMutant.capabilities, call_timeout_seconds=2)

    async def get(self, key: str) -> str | None:
        while True:
            with contextlib.suppress(*_FAILURES):
                return await asyncio.wait_for(super().get(key), 0.5)
            await asyncio.sleep(0.05)


class OpensItsBreakerForGood(RedisMutant):
    """A circuit breaker that counts failures and forgets none."""

    breaks = "COORD-ERR-03"
    failures = 0

    async def get(self, key: str) -> str | None:
        if self.failures:
            raise ConnectionError("the breaker is open")
        try:
            return await super().get(key)
        except _FAILURES:
            self.failures += 1
            raise


class KeepsItsBrokenConnection(RedisMutant):
    """One connection for its whole life: what ended it ends every later call."""

    breaks = "COORD-ERR-03"

    def __init__(self) -> None:
        super().__init__()
        self._connection: Any = None

    async def increment(self, key: str, ttl_seconds: int) -> int:
        if self._connection is None:
            self._connection = await self.client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        if not self._connection.is_connected or await self._connection.can_read_destructive():
            raise ConnectionError("the connection is gone")
        return await super().increment(key, ttl_seconds)

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self.client.connection_pool.release(self._connection)
        await super().__aexit__()


class NeverConnectsAgain(RedisMutant):
    breaks = "COORD-ERR-03"
    broken = False

    async def get(self, key: str) -> str | None:
        if self.broken:
            raise ConnectionError("the connection was lost")
        try:
            return await super().get(key)
        except _FAILURES:
            self.broken = True
            raise


class LeavesRepliesOnItsConnection(RedisMutant):
    """One connection for all; the reply of a cancelled call is read by the next."""

    breaks = "COORD-ERR-04"

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._connection: Any = None

    async def get(self, key: str) -> str | None:
        async with self._turn:
            if self._connection is None:
                self._connection = await self.client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
                self._stack.push_async_callback(self.client.connection_pool.release, self._connection)
            await self._connection.send_command("GET", key)
            value = await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        return None if value is None else value.decode()

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await super().__aexit__()


REDIS_STORES = [found for found in RedisMutant.__subclasses__() if "breaks" in vars(found)]
