"""What benchmarks ask of a target: fresh clients, the bare client beside them, and its limits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.benchmarks.rounds import NotMeasuredError
from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import PatchOperation
from flowcraft_conformance.contract.protocols import IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.bench import BenchSettings, open_client
from flowcraft_conformance.harness.errors import describe_error
from flowcraft_conformance.harness.loop import bounded
from flowcraft_conformance.harness.proxies import Faults

BarePatch = Callable[[Sequence[PatchOperation]], Awaitable[None]]
Opener = Callable[..., Awaitable[Any]]
"""Called with an exit stack and the arguments of a client, it gives one."""

BARE_PATCH = "bare_patch"
"""The attribute of a context factory that gives the bare client of a run."""


@dataclass(slots=True)
class PatchTarget:
    """The contexts of a target. ``open_bare`` None: it gives no bare client."""

    open_context: Opener
    open_bare: Opener | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    faults: Faults = field(default_factory=Faults)
    shared: bool = True
    """Whether two calls give clients of one state; else one instance serves all."""
    _instances: dict[str, Any] = field(default_factory=dict)

    @property
    def call_seconds(self) -> float:
        """How long one call may take."""
        return self.capabilities.call_timeout_seconds

    async def context(self, stack: AsyncExitStack, run_id: str) -> IAsyncContext:
        """A client of the state of a run."""
        if self.shared:
            return await self.open_context(stack, run_id)  # type: ignore[no-any-return]
        if run_id not in self._instances:
            self._instances[run_id] = await self.open_context(stack, run_id)
            stack.callback(self._instances.pop, run_id)
        return self._instances[run_id]  # type: ignore[no-any-return]

    def dice(self, seed: int) -> random.Random:
        """The order of the lanes within a round."""
        return random.Random(seed)

    async def together(self, calls: Sequence[Coroutine[Any, Any, None]]) -> None:
        """All at once; the first that raises ends it."""
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)


def contexts_of(factory: Callable[..., Any], settings: BenchSettings) -> PatchTarget:
    """The contexts of ``--flowcraft-context``; the factory's attribute ``bare_patch`` gives the bare client."""
    keywords = {} if settings.clock is None else {"clock": settings.clock}
    bare = getattr(factory, BARE_PATCH, None)
    return PatchTarget(
        _opener(settings, factory, **keywords),
        _opener(settings, bare) if callable(bare) else None,
        settings.capabilities,
        settings.surroundings.known_faults,
        settings.shared,
    )


async def contexts_of_adapter(adapter: AdapterTarget, stack: AsyncExitStack) -> PatchTarget:
    """The contexts of an adapter of its own, opened here, so that its connections go where they are meant to go now."""
    harness, settings = adapter.harness, adapter.settings
    client = await harness.create_adapter(AdapterOptions(RuntimeOptions(), await harness.create_store()))
    await client.open()
    stack.push_async_callback(client.close)
    offers = type(harness).create_bare_patch is not AdapterHarness.create_bare_patch
    return PatchTarget(
        _opener(settings, client.create_context),
        _opener(settings, harness.create_bare_patch) if offers else None,
        settings.capabilities,
        settings.surroundings.known_faults,
    )


def store_opener(factory: Callable[[], Any], settings: BenchSettings) -> Callable[[AsyncExitStack], Awaitable[Any]]:
    """What opens one client of a store."""
    keywords = {} if settings.clock is None else {"clock": settings.clock}
    opener = _opener(settings, factory, **keywords)

    async def open_store(stack: AsyncExitStack) -> ICoordinationStore:
        store: ICoordinationStore = await opener(stack)
        return store

    return open_store


def _opener(settings: BenchSettings, factory: Callable[..., Any], **keywords: Any) -> Opener:
    async def opener(stack: AsyncExitStack, *arguments: Any) -> Any:
        try:
            return await bounded(
                lambda: open_client(stack, factory, *arguments, **keywords),
                within=settings.capabilities.call_timeout_seconds,
                what="building a client",
            )
        except Exception as error:
            raise NotMeasuredError(f"building a client raised {describe_error(error)}") from error

    return opener
