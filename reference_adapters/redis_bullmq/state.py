"""The state of a run on Redis: one hash, ``workflow:state:{run}`` behind a prefix, one field a key, JSON values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
from reference_adapters._json import decode, encode, encode_patch, encode_unchecked
from reference_adapters.redis_bullmq.calls import RedisCalls, Script
from reference_adapters.redis_bullmq.texts import encoded

# One script is one step for the server: HSET and HDEL, and the look at the guard where there is one.
# ARGV: 'guarded' or 'always', the guard, how many fields to set, their names and values in turn, the names to delete.
# Lua hands over some thousand arguments at once and no more.
_PATCH = Script.of("""
if ARGV[1] == 'guarded' and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then
  return 0
end
local last = 3 + 2 * tonumber(ARGV[3])
for i = 4, last, 2000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 1999, last)))
end
for i = last + 1, #ARGV, 2000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 1999, #ARGV)))
end
return 1
""")


class RedisContext:
    """An ``IGuardedContext``. It never expires by itself: a run may rest for as long as it likes.

    Every operation raises redis.RedisError or TimeoutError when Redis fails, within CALL_SECONDS. Values that are no
    JSON and text with lone surrogates raise TypeError or ValueError before anything is sent (CTX-SET-04).
    """

    def __init__(self, client: Redis, run_id: str, *, prefix: str = "") -> None:
        self._redis = RedisCalls(client)
        self._name = state_name(run_id, prefix)

    async def get(self, key: str) -> Any:
        """HGET."""
        text: bytes | None = await self._redis("HGET", self._name, encoded(key))
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """HSET."""
        await self._redis("HSET", self._name, encoded(key), encode(value))

    async def has(self, key: str) -> bool:
        """HEXISTS."""
        return bool(await self._redis("HEXISTS", self._name, encoded(key)))

    async def delete(self, key: str) -> bool:
        """HDEL."""
        return bool(await self._redis("HDEL", self._name, encoded(key)))

    async def to_dict(self) -> dict[str, Any]:
        """HGETALL."""
        fields = _pairs(await self._redis("HGETALL", self._name))
        return {key.decode("utf-8"): decode(text) for key, text in fields}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """HSET or HDEL where one of them is all, else both in one step; a patch without operations sends nothing."""
        written, deleted = _changes(operations)
        if written and deleted:
            await self._redis.run(_PATCH, self._name, "always", b"", len(written) // 2, *written, *deleted)
        elif written:
            await self._redis("HSET", self._name, *written)
        elif deleted:
            await self._redis("HDEL", self._name, *deleted)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same where the field ``guard`` is absent, in the same step."""
        written, deleted = _changes(operations)
        count = len(written) // 2
        return bool(await self._redis.run(_PATCH, self._name, "guarded", encoded(guard), count, *written, *deleted))


def state_name(run_id: str, prefix: str = "") -> bytes:
    """The name of the hash that holds the state of a run."""
    return encoded(f"{prefix}workflow:state:{run_id}")


BarePatch = Callable[[Sequence[PatchOperation]], Awaitable[None]]


@asynccontextmanager
async def bare_patch_of(url: str, run_id: str, *, prefix: str = "") -> AsyncIterator[BarePatch]:
    """The least that a patch can do on Redis, with redis-py as it comes: encode, and one HSET. For benchmarks."""
    name = state_name(run_id, prefix)

    async def patch(operations: Sequence[PatchOperation]) -> None:
        written = {one.key: encode_unchecked(one.value) for one in operations if isinstance(one, SetOp)}
        deleted = [one.key for one in operations if isinstance(one, DeleteOp)]
        if written:
            await client.hset(name, mapping=written)  # type: ignore[arg-type]
        if deleted:
            await client.hdel(name, *deleted)

    async with Redis.from_url(url, protocol=2) as client:
        yield patch


def _changes(operations: Sequence[PatchOperation]) -> tuple[list[bytes], list[bytes]]:
    """Names and values to set, in turn, and names to delete."""
    written: list[bytes] = []
    deleted: list[bytes] = []
    for key, text in encode_patch(operations).items():
        if text is None:
            deleted.append(encoded(key))
        else:
            written += (encoded(key), text)
    return written, deleted


def _pairs(reply: Any) -> Iterable[tuple[bytes, bytes]]:
    """The fields of HGETALL: RESP3 replies with a map, RESP2 with names and values in turn."""
    return reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
