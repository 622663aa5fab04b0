"""Context keys of very long node ids: every context takes 255 bytes (CTX-KEY-01), and an id may be longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.keys import short_context_key
from flowcraft_conformance.contract.payloads import PatchOperation
from flowcraft_conformance.contract.protocols import IAsyncContext


def with_short_keys(context: IAsyncContext) -> IAsyncContext:
    """The context with every key of the runtime's own kept within 255 bytes; it offers what that one offers."""
    return _GuardedShortKeys(context) if hasattr(context, "patch_if_absent") else _ShortKeys(context)


class _ShortKeys:
    """An ``IAsyncContext`` over another one."""

    def __init__(self, inner: IAsyncContext) -> None:
        self._inner = inner

    async def get(self, key: str) -> Any:
        return await self._inner.get(short_context_key(key))

    async def set(self, key: str, value: Any) -> None:
        await self._inner.set(short_context_key(key), value)

    async def has(self, key: str) -> bool:
        return await self._inner.has(short_context_key(key))

    async def delete(self, key: str) -> bool:
        return await self._inner.delete(short_context_key(key))

    async def to_dict(self) -> dict[str, Any]:
        return await self._inner.to_dict()

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await self._inner.patch(_short(operations))


class _GuardedShortKeys(_ShortKeys):
    """The same with the guarded patch."""

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        guarded = self._inner.patch_if_absent  # type: ignore[attr-defined]
        return bool(await guarded(short_context_key(guard), _short(operations)))


def _short(operations: Sequence[PatchOperation]) -> list[PatchOperation]:
    return [replace(operation, key=short_context_key(operation.key)) for operation in operations]
