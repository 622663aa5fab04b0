"""The state of a run in one item: native patch operations, set and remove, as the documentation page has it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters._room import Room
from reference_adapters.cosmos_azure_queue.calls import (
    OK,
    PRECONDITION_FAILED,
    Cosmos,
    Items,
    bounded,
    breath,
)
from reference_adapters.cosmos_azure_queue.names import item_id, key_of, property_of

OPERATIONS_A_PATCH = 10
"""Cosmos DB allows no more in one request."""

MAX_VALUE_BYTES = 900 * 1024
"""An item has 2 MB as JSON, in which the quotes and backslashes of a value's text take two bytes each."""

_ITEM_BYTES = 2 * 1024 * 1024
_ROOM = Room(sys.maxsize, MAX_VALUE_BYTES, _ITEM_BYTES)


class RunItemContext:
    """An ``IGuardedContext``: one property a key, so that every read is a snapshot and every patch one atomic request.

    A patch of up to OPERATIONS_A_PATCH keys is one request with ``set`` and ``remove``. Where the item is not there it
    is created; where a key to be removed is not there, which Cosmos DB refuses, or where there are more keys, the item
    is read, and written on the condition that its etag is still the same: a writer that meets another one reads again.

    The state has at most 2 MB, and Cosmos DB charges each write by the size of the whole item. Values are JSON text:
    Cosmos DB's numbers are doubles of one kind, and would lose which of 1 and 1.0 it was, and whole numbers beyond
    2^53. A run whose keys were all deleted leaves an empty item.

    Every operation raises azure.core.exceptions.AzureError or TimeoutError when Cosmos DB fails, within CALL_SECONDS.
    Values that are no JSON or too large, and text with lone surrogates, raise TypeError or ValueError.
    """

    def __init__(self, cosmos: Cosmos, container: str, run_id: str) -> None:
        self._items = Items(cosmos, container)
        self._run_id = run_id
        self._id = item_id(run_id)

    async def get(self, key: str) -> Any:
        """A point read of the item."""
        name = property_of(key)
        item = await self._items.read(self._id)
        return decode(item[name]) if item and name in item else None

    async def set(self, key: str, value: Any) -> None:
        """A patch with ``set``."""
        await self._write({property_of(key): _ROOM.text(key, value)})

    async def has(self, key: str) -> bool:
        """A point read of the item."""
        name = property_of(key)
        return name in (await self._items.read(self._id) or {})

    async def delete(self, key: str) -> bool:
        """A patch with ``remove``, which Cosmos DB refuses where there is nothing to remove."""
        return await self._write({property_of(key): None}) > 0

    async def to_dict(self) -> dict[str, Any]:
        """A point read of the item."""
        item = await self._items.read(self._id) or {}
        return {key: decode(text) for name, text in item.items() if (key := key_of(name)) is not None}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """All of the operations in one request; a patch without operations sends nothing."""
        await self._write(_changes(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same on the condition that the property of ``guard`` is not defined."""
        changes = _changes(operations)
        if not changes:
            return not await self.has(guard)
        return await self._write(changes, property_of(guard)) != _GUARDED

    async def _write(self, changes: Mapping[str, str | None], guard: str | None = None) -> int:
        """How many properties were written or removed; _GUARDED where the guard was there."""
        if not changes:
            return 0
        async with bounded("Cosmos DB"):
            if len(changes) <= OPERATIONS_A_PATCH:
                removes = None in changes.values()
                status = await self._items.patch(
                    self._id, _operations(changes), condition=_absent(guard), may_lack=removes
                )
                if status == OK:
                    return len(changes)
                if status == PRECONDITION_FAILED:
                    return _GUARDED
            while True:
                written = await self._write_over(await self._items.read(self._id), changes, guard)
                if written is not None:
                    return written
                await breath()

    async def _write_over(
        self, item: dict[str, Any] | None, changes: Mapping[str, str | None], guard: str | None
    ) -> int | None:
        """The same over the item as it was read; None where it has changed since."""
        if guard is not None and item is not None and guard in item:
            return _GUARDED
        effective = {name: text for name, text in changes.items() if text is not None or name in (item or {})}
        if not effective:
            return 0
        if item is None:
            status = await self._items.create({"id": self._id, "run": self._run_id, **effective})
        elif len(effective) <= OPERATIONS_A_PATCH:
            status = await self._items.patch(self._id, _operations(effective), etag=item["_etag"])
        else:
            kept = {name: value for name, value in item.items() if name not in effective and name not in _SYSTEM}
            sets = {name: text for name, text in effective.items() if text is not None}
            status = await self._items.replace(kept | sets, item["_etag"])
        return len(effective) if status == OK else None


_GUARDED = -1
_SYSTEM = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})
"""Properties that Cosmos DB gives every item."""


def _changes(operations: Sequence[PatchOperation]) -> dict[str, str | None]:
    return {property_of(key): text for key, text in _ROOM.texts(operations).items()}


def _operations(changes: Mapping[str, str | None]) -> list[dict[str, Any]]:
    return [
        {"op": "remove", "path": f"/{name}"} if text is None else {"op": "set", "path": f"/{name}", "value": text}
        for name, text in changes.items()
    ]


def _absent(name: str | None) -> str | None:
    return None if name is None else f'FROM c WHERE NOT IS_DEFINED(c["{name}"])'
