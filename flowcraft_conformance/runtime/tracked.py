"""The state as one node sees it: its own changes are kept back until the node commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.protocols import IAsyncContext
from flowcraft_conformance.runtime.values import json_copy


class TrackedContext:
    """An ``IAsyncContext`` over another one. Reads see the node's own writes; nothing is written underneath."""

    def __init__(self, inner: IAsyncContext) -> None:
        self._inner = inner
        self._changes: dict[str, PatchOperation] = {}

    @property
    def changes(self) -> tuple[PatchOperation, ...]:
        """What the node did, one operation a key."""
        return tuple(self._changes.values())

    async def get(self, key: str) -> Any:
        """The node's own value, else the state's."""
        change = self._changes.get(key)
        if change is None:
            return await self._inner.get(key)
        return json_copy(change.value) if isinstance(change, SetOp) else None

    async def set(self, key: str, value: Any) -> None:
        """Keep a copy of the value; raises TypeError or ValueError where it is no JSON."""
        self._changes[key] = SetOp(key, json_copy(value))

    async def has(self, key: str) -> bool:
        """Whether the key is present."""
        change = self._changes.get(key)
        return await self._inner.has(key) if change is None else isinstance(change, SetOp)

    async def delete(self, key: str) -> bool:
        """Note that the key goes."""
        existed = await self.has(key)
        self._changes[key] = DeleteOp(key)
        return existed

    async def to_dict(self) -> dict[str, Any]:
        """The state with the node's changes."""
        state = dict(await self._inner.to_dict())
        for key, change in self._changes.items():
            if isinstance(change, SetOp):
                state[key] = json_copy(change.value)
            else:
                state.pop(key, None)
        return state

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Keep the operations; all or none."""
        kept = [SetOp(op.key, json_copy(op.value)) if isinstance(op, SetOp) else op for op in operations]
        self._changes.update({op.key: op for op in kept})
