"""The coordination store on Redis."""

from __future__ import annotations

from redis.asyncio import Redis

from reference_adapters._ttl import require_ttl
from reference_adapters.redis_bullmq.calls import RedisCalls, Script
from reference_adapters.redis_bullmq.texts import encoded

# Value and expiry in one step (COORD-INC-05). What can fail stands before what counts: a TTL too long for the server
# is refused by EXPIRE, a count that INCR could not hold by its length. The reply is text: Lua's numbers are doubles.
_INCREMENT = Script.of("""
local value = redis.call('GET', KEYS[1])
if value == false then
  redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
  return '1'
end
if #value > 18 or (value ~= '0' and not string.match(value, '^%-?[1-9]%d*$')) then
  return redis.error_reply('ERR the key holds no number that can be counted up')
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('INCR', KEYS[1])
return redis.call('GET', KEYS[1])
""")


class RedisCoordinationStore:
    """An ``ICoordinationStore`` on one Redis. The server judges deadlines, to the millisecond.

    Every operation raises redis.RedisError or TimeoutError when Redis fails, within CALL_SECONDS. Which operation
    was carried out is then unknown; nothing is repeated. ``prefix`` stands before every key.
    """

    def __init__(self, client: Redis, *, prefix: str = "") -> None:
        self._redis = RedisCalls(client)
        self._prefix = prefix

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up and re-arm in one step; raises redis.ResponseError where the key holds no number."""
        return int(await self._redis.run(_INCREMENT, self._name(key), require_ttl(ttl_seconds)))

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """SET NX EX."""
        ttl = require_ttl(ttl_seconds)
        return await self._redis("SET", self._name(key), encoded(value), "NX", "EX", ttl) is not None

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """EXPIRE; a TTL below 1, with which it would delete, never gets there."""
        return bool(await self._redis("EXPIRE", self._name(key), require_ttl(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """DEL."""
        await self._redis("DEL", self._name(key))

    async def get(self, key: str) -> str | None:
        """GET."""
        value: bytes | None = await self._redis("GET", self._name(key))
        return None if value is None else value.decode("utf-8")

    def _name(self, key: str) -> bytes:
        return encoded(self._prefix) + encoded(key)
