"""Store and contexts in the memory of one process: the smallest right ones.

Every operation runs from beginning to end without an await, so that on one event loop it is atomic. Deadlines are
judged when a key is looked at, by the clock that set them; there are no timers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance import Capabilities, Clock, PatchOperation, SetOp, SystemClock
from reference_adapters._json import decode, encode, encode_patch, encode_unchecked, require_key
from reference_adapters._ttl import require_ttl

_CANONICAL_DECIMAL = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_ROOM_FOR_EXPIRED = 1000


@dataclass(slots=True)
class _Item:
    value: str
    deadline: float
    clock: Clock

    def is_past(self) -> bool:
        return self.deadline <= self.clock.monotonic()


@dataclass(slots=True)
class MemoryBackend:
    """What all clients share: coordination keys, and the state of each run as JSON text by key."""

    items: dict[str, _Item] = field(default_factory=dict)
    runs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    sweep_at: int = _ROOM_FOR_EXPIRED
    """How many items may gather before those nobody asked for again are looked through."""

    def sweep(self) -> None:
        """Forget expired keys, seldom enough that a write costs the same on average however many keys there are."""
        if len(self.items) < self.sweep_at:
            return
        for key in [key for key, item in self.items.items() if item.is_past()]:
            del self.items[key]
        self.sweep_at = 2 * len(self.items) + _ROOM_FOR_EXPIRED


class MemoryCoordinationStore:
    """An ``ICoordinationStore`` on a backend, by default one of its own; ``clock`` is the system's by default."""

    def __init__(self, backend: MemoryBackend | None = None, *, clock: Clock | None = None) -> None:
        self._backend = backend or MemoryBackend()
        self._items = self._backend.items
        self._clock = clock or SystemClock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count up and re-arm; raises ValueError where the key holds no canonical decimal (COORD-INC-06)."""
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
        self._items.pop(require_key(key), None)

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        item = self._present(key)
        return None if item is None else item.value

    def _present(self, key: str) -> _Item | None:
        item = self._items.get(require_key(key))
        if item is not None and item.is_past():
            del self._items[key]
            return None
        return item

    def _put(self, key: str, value: str, ttl: int) -> None:
        self._items[key] = _Item(value, self._clock.monotonic() + ttl, self._clock)
        self._backend.sweep()


class MemoryContext:
    """An ``IGuardedContext`` on a backend. Values are kept as JSON text, so that what is stored is a copy."""

    def __init__(self, backend: MemoryBackend, run_id: str) -> None:
        self._runs = backend.runs
        self._run_id = run_id

    async def get(self, key: str) -> Any:
        """The value, or None."""
        text = self._state().get(require_key(key))
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """Replace the value."""
        self._write({require_key(key): encode(value)})

    async def has(self, key: str) -> bool:
        """Whether the key is present."""
        return require_key(key) in self._state()

    async def delete(self, key: str) -> bool:
        """Remove the key."""
        existed = require_key(key) in self._state()
        self._write({key: None})
        return existed

    async def to_dict(self) -> dict[str, Any]:
        """The whole state."""
        return {key: decode(text) for key, text in self._state().items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Apply all operations; every value is encoded before the first is written."""
        self._write(encode_patch(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """Apply all operations where ``guard`` is absent."""
        changes = encode_patch(operations)
        if require_key(guard) in self._state():
            return False
        self._write(changes)
        return True

    def _state(self) -> dict[str, bytes]:
        return self._runs.get(self._run_id, {})

    def _write(self, changes: dict[str, bytes | None]) -> None:
        state = self._runs.setdefault(self._run_id, {})
        for key, text in changes.items():
            if text is not None:
                state[key] = text
            else:
                state.pop(key, None)
        if not state:
            del self._runs[self._run_id]


BarePatch = Callable[[Sequence[PatchOperation]], Awaitable[None]]


def bare_patch_of(backend: MemoryBackend, run_id: str) -> BarePatch:
    """The least that a patch of this state can do: encode and assign. For benchmarks."""

    async def patch(operations: Sequence[PatchOperation]) -> None:
        state = backend.runs.setdefault(run_id, {})
        for operation in operations:
            if isinstance(operation, SetOp):
                state[operation.key] = encode_unchecked(operation.value)
            else:
                state.pop(operation.key, None)

    return patch


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

    @staticmethod
    def bare_patch(run_id: str) -> BarePatch:
        """The bare client of a run, for benchmarks."""
        return bare_patch_of(_SHARED, run_id)
