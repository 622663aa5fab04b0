"""Contexts on a real Redis that are wrong on the wire only: they cost too much, or break off in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import PatchOperation, SetOp, redis_service
from reference_adapters.redis_bullmq import RedisContext, connect, context


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
