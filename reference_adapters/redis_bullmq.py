"""Store and contexts on Redis or Valkey, as the BullMQ adapter of the documentation page lays them out.

A run's state is one hash, ``workflow:state:{run}``, of JSON values. No command is ever repeated by the client: a repeat
after a lost reply would count twice (COORD-LIN-01).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from flowcraft_conformance import Capabilities, PatchOperation, SetOp, redis_service
from reference_adapters._json import decode, encode
from reference_adapters._ttl import require_ttl

SOCKET_TIMEOUT_SECONDS = 5.0
_CONNECTIONS = 32

# Value and expiry in one step (COORD-INC-05). The reply is text: Lua's numbers are doubles.
_INCREMENT = """
local value = redis.call('GET', KEYS[1])
if value == false then
  redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
  return '1'
end
if value ~= '0' and not string.match(value, '^%-?[1-9]%d*$') then
  return redis.error_reply('ERR the key holds no number')
end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])
"""

# ARGV: the guard, how many fields to set, their names and values in turn, then the names of fields to delete.
_PATCH_IF_ABSENT = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 0
end
local last = 2 + 2 * tonumber(ARGV[2])
for i = 3, last, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = last + 1, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
return 1
"""


def connect(url: str) -> Redis:
    """A client whose calls end within a bound and are never repeated; callers beyond the pool wait for their turn."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        decode_responses=False,
    )
    return Redis.from_pool(pool)


class RedisCoordinationStore:
    """An ``ICoordinationStore`` on one Redis. The server judges deadlines, to the millisecond."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._increment = client.register_script(_INCREMENT)

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up and re-arm in one step; raises redis.ResponseError where the key holds no number."""
        return int(await self._increment(keys=[_encoded(key)], args=[require_ttl(ttl_seconds)]))

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """SET NX EX."""
        ttl = require_ttl(ttl_seconds)
        return await self._client.set(_encoded(key), _encoded(value), nx=True, ex=ttl) is not None

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """EXPIRE."""
        return bool(await self._client.expire(_encoded(key), require_ttl(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """DEL."""
        await self._client.delete(_encoded(key))

    async def get(self, key: str) -> str | None:
        """GET."""
        value = await self._client.get(_encoded(key))
        return None if value is None else _decoded(value)


class RedisContext:
    """An ``IGuardedContext``: one hash a run, one field a key."""

    def __init__(self, client: Redis, run_id: str) -> None:
        self._client = client
        self._name = _encoded(f"workflow:state:{run_id}")
        self._patch_if_absent = client.register_script(_PATCH_IF_ABSENT)

    async def get(self, key: str) -> Any:
        """HGET."""
        text = await self._client.hget(self._name, _encoded(key))
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """HSET."""
        await self._client.hset(self._name, _encoded(key), encode(value))

    async def has(self, key: str) -> bool:
        """HEXISTS."""
        return bool(await self._client.hexists(self._name, _encoded(key)))

    async def delete(self, key: str) -> bool:
        """HDEL."""
        return bool(await self._client.hdel(self._name, _encoded(key)))

    async def to_dict(self) -> dict[str, Any]:
        """HGETALL."""
        state = await self._client.hgetall(self._name)
        return {_decoded(key): decode(text) for key, text in state.items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """HSET and HDEL in one MULTI/EXEC: the server runs both or, where EXEC never arrives, none."""
        written, deleted = _changes(operations)
        async with self._client.pipeline(transaction=True) as pipeline:
            if written:
                pipeline.hset(self._name, items=[part for field in written.items() for part in field])
            if deleted:
                pipeline.hdel(self._name, *deleted)
            await pipeline.execute()

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same changes in a script that looks at the guard first."""
        written, deleted = _changes(operations)
        fields = [part for field in written.items() for part in field]
        arguments: list[bytes | int] = [_encoded(guard), len(written), *fields, *deleted]
        return bool(await self._patch_if_absent(keys=[self._name], args=arguments))


def _changes(operations: Sequence[PatchOperation]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """The fields to write and those to delete, no field in both: the later operation on a key wins (PATCH-ORD-01)."""
    written: dict[bytes, bytes] = {}
    deleted: dict[bytes, None] = {}
    for operation in operations:
        field = _encoded(operation.key)
        if isinstance(operation, SetOp):
            written[field] = encode(operation.value)
            deleted.pop(field, None)
        else:
            written.pop(field, None)
            deleted[field] = None
    return written, list(deleted)


def _encoded(text: str) -> bytes:
    """UTF-8; raises UnicodeEncodeError for a lone surrogate, before anything is written."""
    return text.encode("utf-8")


def _decoded(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8")


_CAPABILITIES = Capabilities(
    processes=True,
    ttl_granularity=0.01,
    ttl_lag=0.05,
    call_timeout_seconds=4 * SOCKET_TIMEOUT_SECONDS,  # waiting for a connection, connecting, sending, reading
    proxy_env=("FLOWCRAFT_REDIS_URL",),
)


@asynccontextmanager
async def store() -> AsyncIterator[RedisCoordinationStore]:
    """A target of the kit: a store with a client of its own."""
    async with connect(redis_service().url) as client:
        yield RedisCoordinationStore(client)


@asynccontextmanager
async def context(run_id: str) -> AsyncIterator[RedisContext]:
    """A target of the kit: the state of a run, with a client of its own."""
    async with connect(redis_service().url) as client:
        yield RedisContext(client, run_id)


store.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
context.capabilities = _CAPABILITIES  # type: ignore[attr-defined]
