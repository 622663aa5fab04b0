"""What a worker process makes its clients with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.harnesses import harness_class
from flowcraft_conformance.harness.target import TargetSpec, load_target


def client_factory(order: Mapping[str, Any]) -> Callable[..., Any]:
    """What clients of the target are made with: without arguments those of a store, with a run id those of a context.

    Raises:
        TargetError: it cannot be imported.
    """
    if order["kind"] == Target.ADAPTER:
        return _PartsOfAdapter(harness_of(order)).client
    return load_target(TargetSpec(Target(order["kind"]), order["address"])).factory  # type: ignore[no-any-return]


def harness_of(order: Mapping[str, Any], scope: str | None = None) -> AdapterHarness:
    """The adapter's harness, made anew in this process from ``module:name`` and the scope.

    Raises:
        TargetError: it cannot be imported.
    """
    named = load_target(TargetSpec(Target.ADAPTER, order["address"])).factory
    store = load_target(TargetSpec(Target.STORE, order["store"])).factory if order["store"] else None
    return harness_class(named, store)(order["scope"] if scope is None else scope)


class _PartsOfAdapter:
    """The store and the contexts of one harness; the contexts come from one adapter, as in the first process."""

    def __init__(self, harness: AdapterHarness) -> None:
        self._harness = harness
        self._adapter: DistributedAdapter | None = None

    async def client(self, *run_id: str) -> ICoordinationStore | IAsyncContext:
        """Another client of the store, or of the state of a run."""
        if not run_id:
            return await self._harness.create_store()
        if self._adapter is None:
            store = await self._harness.create_store()
            adapter = await self._harness.create_adapter(AdapterOptions(RuntimeOptions(), store))
            await adapter.open()
            self._adapter = adapter
        return self._adapter.create_context(*run_id)
