"""Store, contexts, queue and adapter in the memory of one process: the smallest right ones.

Targets of the kit: ``--flowcraft-adapter=reference_adapters.memory:MemoryHarness``, ``--flowcraft-store=...:store`` and
``--flowcraft-context=...:context``.
"""

from __future__ import annotations

from reference_adapters.memory.adapter import MemoryAdapter, MemoryCluster, MemoryHarness
from reference_adapters.memory.state import (
    MemoryBackend,
    MemoryContext,
    MemoryCoordinationStore,
    SharedMemoryContext,
    SharedMemoryStore,
)

__all__ = [
    "MemoryAdapter",
    "MemoryBackend",
    "MemoryCluster",
    "MemoryContext",
    "MemoryCoordinationStore",
    "MemoryHarness",
    "SharedMemoryContext",
    "SharedMemoryStore",
    "context",
    "store",
]

store = SharedMemoryStore
context = SharedMemoryContext
