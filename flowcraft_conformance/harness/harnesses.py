"""From what names an adapter to its harness class: the author's own, or one around a bare adapter class."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, ClassVar

from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.options import AdapterOptions
from flowcraft_conformance.contract.protocols import DistributedAdapter, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.memory_store import KitMemoryStore
from flowcraft_conformance.harness.target import open_client

ADAPTER_METHODS = (
    "create_context",
    "process_jobs",
    "enqueue_job",
    "publish_final_result",
    "start_run",
    "handle_job",
    "close",
)


def harness_class(named: Any, store: Callable[[], Any] | None = None) -> type[AdapterHarness]:
    """The harness that a target's object stands for.

    ``named``: an AdapterHarness subclass, or a class that is built from AdapterOptions alone; that one gets the store
    of ``store``, else one of the kit's own.

    Raises:
        TypeError: it is neither.
        CapabilityError: the class carries capabilities that the contract does not allow.
    """
    if isinstance(named, type) and issubclass(named, AdapterHarness):
        return named
    if not isinstance(named, type) or not all(hasattr(named, method) for method in ADAPTER_METHODS):
        raise TypeError("it is neither an AdapterHarness subclass nor an adapter class")
    declared = Capabilities.of(getattr(named, "capabilities", None))
    return type(
        f"{named.__name__}Harness",
        (BareHarness,),
        {
            "adapter": named,
            "store": staticmethod(store or KitMemoryStore),
            "brings_store": store is not None,
            "capabilities": declared if store is not None else replace(declared, processes=False),
        },
    )


class BareHarness(AdapterHarness):
    """For a class that can be built from AdapterOptions alone. ``brings_store``: the store is the author's."""

    brings_store: ClassVar[bool] = False

    adapter: Any
    store: Any

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._stack = AsyncExitStack()
        self._shared: ICoordinationStore | None = None

    async def teardown(self) -> None:
        """Close the store."""
        await self._stack.aclose()

    async def create_store(self) -> ICoordinationStore:
        """The one store of this process."""
        if self._shared is None:
            self._shared = await open_client(self._stack, self.store)
        return self._shared

    async def create_adapter(self, options: AdapterOptions) -> DistributedAdapter:
        """Another instance of the class."""
        adapter: DistributedAdapter = self.adapter(options)
        return adapter
