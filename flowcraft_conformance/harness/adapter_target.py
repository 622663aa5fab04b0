"""An adapter under test: its harness, set up once, for the checks of store, contexts, runs and queue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.harness.captured.hooks import goes_past_its_own_methods
from flowcraft_conformance.harness.errors import CallTimeoutError, TargetError
from flowcraft_conformance.harness.harnesses import ADAPTER_METHODS
from flowcraft_conformance.harness.live.crew import Crew
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.surroundings import Surroundings, adapter_surroundings
from flowcraft_conformance.harness.target import TargetSpec
from flowcraft_conformance.harness.workers.process import WorkerOrder

_SETUP_CALLS = 4
"""Set-up and tear-down may take so many times what one call may."""


class AdapterTarget:
    """One harness that is set up: it gives stores and contexts to their suites, and captured runs to the others."""

    def __init__(self, harness: type[AdapterHarness], settings: BenchSettings) -> None:
        self.settings = settings
        self.harness = harness(f"fc{uuid.uuid4().hex[:10]}")
        self._client: DistributedAdapter | None = None
        self.goes_past = False
        """Whether nothing can be seen of its runs; see :func:`goes_past_its_own_methods`."""
        self._around: Mapping[Target, Surroundings] = {}
        self.order: WorkerOrder | None = None
        """What other processes make the same adapter from; None: they cannot."""
        self._crew: Crew | None = None

    def surround(self, spec: TargetSpec, named: Any, faults: Faults, *, store: str | None = "") -> None:
        """Say what lies around it; see :func:`adapter_surroundings`."""
        self._around, self.order = adapter_surroundings(
            spec, named, self.harness.scope, self.settings.capabilities, faults, store=store
        )
        self.settings.surroundings = self._around[Target.STORE if self.judges_store else Target.CONTEXT]

    def crew(self) -> Crew:
        """Processes that work on its queue.

        Raises:
            Unsupported: it is declared or found to belong to one process.
            ClauseViolation: it declares ``processes`` and is not shared, or the other way round.
            Unobservable: it cannot be started in another process.
        """
        self.settings.surroundings.pool()
        if self._crew is None:
            assert self.order is not None
            self._crew = Crew(self.order)
        return self._crew

    def settings_of(self, part: Target) -> BenchSettings:
        """The settings for the checks of its store or of its contexts."""
        return replace(self.settings, surroundings=self._around[part]) if self._around else self.settings

    def open(self, what: str) -> None:
        """Set the harness up, and see whether it gives a store and an adapter.

        Raises:
            TargetError: it cannot be used; the text begins with ``what``.
        """
        try:
            self.settings.loop.run(self._open(), within=self._within, what="its set-up")
        except CallTimeoutError as error:
            raise TargetError(f"{what}: {error}", "Is its backend reachable?") from None
        except TargetError:
            raise
        except BaseException as error:
            raise TargetError(
                f"{what}: its harness cannot be used: {type(error).__name__}: {error}",
                "setup(), create_store() and create_adapter(options) must work in this environment.",
            ) from error

    @property
    def _within(self) -> float:
        return _SETUP_CALLS * self.settings.capabilities.call_timeout_seconds

    def reconnect(self) -> None:
        """Make the client of the contexts anew, as it is to see a server behind a proxy."""
        self.settings.loop.run(self._reconnect(), within=self._within, what="connecting again")

    async def _reconnect(self) -> None:
        await self._close_client()
        await self._connect()

    async def _open(self) -> None:
        await self.harness.setup()
        await self._connect()
        self.goes_past = await goes_past_its_own_methods(self.harness)

    async def _connect(self) -> None:
        store = await self.create_store()
        adapter = await self.harness.create_adapter(AdapterOptions(RuntimeOptions(), store))
        missing = [name for name in ADAPTER_METHODS if not callable(getattr(adapter, name, None))]
        if missing:
            raise TypeError(f"create_adapter gave {type(adapter).__name__}, which has no {', '.join(missing)}")
        await adapter.open()
        self._client = adapter

    @property
    def judges_store(self) -> bool:
        """Whether the store is the author's and not the kit's."""
        return bool(getattr(self.harness, "brings_store", True))

    async def create_store(self) -> ICoordinationStore:
        """Another client of the harness's store."""
        return await self.harness.create_store()

    def create_context(self, run_id: str) -> IAsyncContext:
        """Another client of the state of a run."""
        assert self._client is not None
        return self._client.create_context(run_id)

    def close(self) -> None:
        """Remove what was made; what fails here harms no verdict."""
        for around in self._around.values():
            around.close()
        if self._crew is not None:
            self._crew.close()
        for call in (self._close_client, self.harness.teardown):
            try:
                self.settings.loop.run(call(), within=self._within, what="its teardown")
            except Exception:
                continue

    async def _close_client(self) -> None:
        if self._client is not None:
            await self._client.close()
