"""Store and contexts in the memory of one process: the smallest right ones.

Every operation runs from beginning to end without an await, so that on one event loop it is atomic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance import Capabilities, Clock, PatchOperation, SetOp, SystemClock
from reference_adapters._json import decode, encode
from reference_adapters._ttl import require_ttl

_CANONICAL_DECIMAL = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


@dataclass(slots=True)
class _Item:
    value: str
    deadline: float


@dataclass(slots=True)
class MemoryBackend:
    """What all clients share: coordination keys, and the state of each run as JSON text by key."""

    items: dict[str, _Item] = field(default_factory=dict)
    runs: dict[str, dict[str, bytes]] = field(default_factory=dict)


class MemoryCoordinationStore:
    """An ``ICoordinationStore`` on a backend; deadlines are judged when a key is looked at."""

    def __init__(self, backend: MemoryBackend | None = None, *, clock: Clock | None = None) -> None:
        self._items = (backend or MemoryBackend()).items
        self._clock = clock or SystemClock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up and re-arm; raises ValueError where the key holds no number."""
        ttl = require_ttl(ttl_seconds)
        item = self._present(key)
        if item is not None and not _CANONICAL_DECIMAL.fullmatch(item.value):
            raise ValueError(f"key {key!r} holds {item.value!r}, which is no number")
        count = 1 if item is None else int(item.value) + 1
        self._put(key, str(count), ttl)
        return count

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """Store the value where the key is absent."""
        ttl = require_ttl(ttl_seconds)
        if not isinstance(value, str):
            raise TypeError(f"a value is a str, this is {value!r}")
        if self._present(key) is not None:
            return False
        self._put(key, value, ttl)
        return True

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """Re-arm a present key."""
        ttl = require_ttl(ttl_seconds)
        item = self._present(key)
        if item is None:
            return False
        self._put(key, item.value, ttl)
        return True

    async def delete(self, key: str) -> None:
        """Remove the key."""
        self._items.pop(key, None)

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        item = self._present(key)
        return None if item is None else item.value

    def _present(self, key: str) -> _Item | None:
        item = self._items.get(key)
        if item is not None and item.deadline <= self._clock.monotonic():
            del self._items[key]
            return None
        return item

    def _put(self, key: str, value: str, ttl: int) -> None:
        self._items[key] = _Item(value, self._clock.monotonic() + ttl)


class MemoryContext:
    """An ``IGuardedContext`` on a backend. Values are kept as JSON text, so that what is stored is a copy."""

    def __init__(self, backend: MemoryBackend, run_id: str) -> None:
        self._runs = backend.runs
        self._run_id = run_id

    async def get(self, key: str) -> Any:
        """The value, or None."""
        text = self._state().get(key)
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """Replace the value."""
        self._write({key: encode(value)})

    async def has(self, key: str) -> bool:
        """Whether the key is present."""
        return key in self._state()

    async def delete(self, key: str) -> bool:
        """Remove the key."""
        existed = key in self._state()
        self._write({key: None})
        return existed

    async def to_dict(self) -> dict[str, Any]:
        """The whole state."""
        return {key: decode(text) for key, text in self._state().items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Apply all operations; every value is encoded before the first is written."""
        self._write(_changes(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """Apply all operations where ``guard`` is absent."""
        changes = _changes(operations)
        if guard in self._state():
            return False
        self._write(changes)
        return True

    def _state(self) -> dict[str, bytes]:
        return self._runs.get(self._run_id, {})

    def _write(self, changes: dict[str, bytes | None]) -> None:
        state = self._runs.setdefault(self._run_id, {})
        for key, text in changes.items():
            if text is None:
                state.pop(key, None)
            else:
                state[key] = text
        if not state:
            del self._runs[self._run_id]


def _changes(operations: Sequence[PatchOperation]) -> dict[str, bytes | None]:
    """What each key is in the end: its text, or None where it is deleted."""
    return {
        operation.key: encode(operation.value) if isinstance(operation, SetOp) else None for operation in operations
    }


_SHARED = MemoryBackend()
_CAPABILITIES = Capabilities(processes=False, ttl_granularity=0, ttl_lag=0)


class SharedMemoryStore(MemoryCoordinationStore):
    """The store as a target of the kit: every call gives another client of one backend."""

    capabilities = _CAPABILITIES

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(_SHARED, clock=clock)


class SharedMemoryContext(MemoryContext):
    """The contexts as a target of the kit: every call gives another client of one backend."""

    capabilities = _CAPABILITIES

    def __init__(self, run_id: str) -> None:
        super().__init__(_SHARED, run_id)


store = SharedMemoryStore
context = SharedMemoryContext
