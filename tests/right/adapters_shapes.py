"""Right adapters of another shape: a bare class with one queue a process, and one that hands everything on."""

from __future__ import annotations

from typing import Any, ClassVar

from flowcraft_conformance import AdapterOptions, Capabilities
from reference_adapters.memory import MemoryAdapter, MemoryCluster, MemoryHarness


class OneQueueAProcess(MemoryAdapter):
    """Built from its options alone; all instances share a queue, as those of a class with a fixed server do."""

    capabilities = Capabilities(processes=False, lease_seconds=1, redelivery_seconds=3, queue_attempts=5)
    cluster: ClassVar[MemoryCluster] = MemoryCluster(lease_seconds=1)

    def __init__(self, options: AdapterOptions) -> None:
        super().__init__(options, self.cluster)


class _HandsOn:
    """No subclass of the base class: whatever is asked of it is asked of an adapter inside of it."""

    def __init__(self, inner: MemoryAdapter) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


_ASKED_OUTSIDE = ("create_context", "enqueue_job", "publish_final_result")


class _AsksTheOuter(MemoryAdapter):
    """A runtime inside of another adapter, at which it asks for contexts, jobs and results."""

    outer: Any

    def __getattribute__(self, name: str) -> Any:
        return getattr(self.outer, name) if name in _ASKED_OUTSIDE else super().__getattribute__(name)


class _HandlesInside:
    """Its queue gives jobs to the runtime inside of it, past its own ``handle_job``."""

    def __init__(self, options: AdapterOptions, cluster: MemoryCluster) -> None:
        self._parts = MemoryAdapter(options, cluster)
        self._inner = _AsksTheOuter(options, cluster)
        self._inner.outer = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts if name in _ASKED_OUTSIDE else self._inner, name)


class HandlesInsideHarness(MemoryHarness):
    """Captured runs show it as it is; on its live queue the kit's handler is never asked."""

    async def create_adapter(self, options: AdapterOptions) -> Any:
        return _HandlesInside(options, self._cluster)


class HandsOnHarness(MemoryHarness):
    """The kit cannot take the place of its queue, and says so."""

    async def create_adapter(self, options: AdapterOptions) -> Any:
        return _HandsOn(MemoryAdapter(options, self._cluster))
