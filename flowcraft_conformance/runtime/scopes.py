"""The part of a run's state that the nodes of one subflow see: the same keys, behind a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.protocols import IAsyncContext


def scoped(context: IAsyncContext, prefix: str) -> IAsyncContext:
    """The state behind a prefix; the state itself where there is none."""
    return ScopedContext(context, prefix) if prefix else context


def prefixed(operations: Sequence[PatchOperation], prefix: str) -> list[PatchOperation]:
    """The operations as they are on the whole state."""
    if not prefix:
        return list(operations)
    return [
        SetOp(prefix + op.key, op.value) if isinstance(op, SetOp) else DeleteOp(prefix + op.key) for op in operations
    ]


class ScopedContext:
    """An ``IAsyncContext`` over the keys of another one that begin with a prefix."""

    def __init__(self, inner: IAsyncContext, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    async def get(self, key: str) -> Any:
        """Passed on."""
        return await self._inner.get(self._prefix + key)

    async def set(self, key: str, value: Any) -> None:
        """Passed on."""
        await self._inner.set(self._prefix + key, value)

    async def has(self, key: str) -> bool:
        """Passed on."""
        return await self._inner.has(self._prefix + key)

    async def delete(self, key: str) -> bool:
        """Passed on."""
        return await self._inner.delete(self._prefix + key)

    async def to_dict(self) -> dict[str, Any]:
        """The keys behind the prefix."""
        whole = await self._inner.to_dict()
        return {key.removeprefix(self._prefix): value for key, value in whole.items() if key.startswith(self._prefix)}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Passed on."""
        await self._inner.patch(prefixed(operations, self._prefix))
