"""Contexts on a real Redis that are wrong on the wire or between processes: too dear, cut in two, overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from flowcraft_conformance import PatchOperation, SetOp, redis_service
from reference_adapters._json import decode, encode
from reference_adapters.redis_bullmq import RedisContext, connect, context
from reference_adapters.redis_bullmq.texts import encoded


class RedisContextMutant(RedisContext):
    """A right context to be broken; each instance has a client of its own."""

    breaks: ClassVar[str]
    capabilities: ClassVar[Any] = context.capabilities  # type: ignore[attr-defined]

    def __init__(self, run_id: str) -> None:
        self.client = connect(redis_service().url)
        super().__init__(self.client, run_id)

    async def __aenter__(self) -> RedisContextMutant:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


class PatchesOneByOne(RedisContextMutant):
    breaks = "PATCH-ATOM-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            await super().patch([operation])


class WritesTheGuardBeforeTheRest(RedisContextMutant):
    """A killed process or a cut connection leaves the guard alone; one who is only cancelled finishes."""

    breaks = "PATCH-ATOM-01"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        return await asyncio.shield(asyncio.ensure_future(self._both(guard, operations)))

    async def _both(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if not await super().patch_if_absent(guard, [op for op in operations if op.key == guard]):
            return False
        await super().patch([op for op in operations if op.key != guard])
        return True


class RewritesTheStateUnderItsOwnLock(RedisContextMutant):
    """Right within one process, however many clients it has."""

    breaks = "CTX-RACE-01"
    locks: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()

    async def set(self, key: str, value: Any) -> None:
        async with self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            state = {**await self.to_dict(), key: value}
            async with self.client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._name)
                for name, one in state.items():
                    pipeline.hset(self._name, encoded(name), encode(one))
                await pipeline.execute()


class ScansTheHash(RedisContextMutant):
    """HSCAN gives a large hash in pages."""

    breaks = "PATCH-ATOM-02"

    async def to_dict(self) -> dict[str, Any]:
        found = [(name, text) async for name, text in self.client.hscan_iter(self._name)]
        return {name.decode(): decode(text) for name, text in found}


class AnswersWithTheWholeState(RedisContextMutant):
    breaks = "PATCH-COST-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch(operations)
        if operations:
            await self.to_dict()


class ReadsTheStateBeforeItPatches(RedisContextMutant):
    breaks = "PATCH-COST-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if operations:
            await self.to_dict()
        await super().patch(operations)


class WritesTheStateWhole(RedisContextMutant):
    breaks = "PATCH-COST-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        if operations:
            state = await self.to_dict()
            for operation in operations:
                if isinstance(operation, SetOp):
                    state[operation.key] = operation.value
                else:
                    state.pop(operation.key, None)
                    await self.delete(operation.key)
            await super().patch([SetOp(key, value) for key, value in state.items()])


REDIS_CONTEXTS = [found for found in RedisContextMutant.__subclasses__() if "breaks" in vars(found)]
