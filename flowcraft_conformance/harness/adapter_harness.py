"""How the kit builds, isolates and multiplies one adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flowcraft_conformance.contract.capabilities import Capabilities

if TYPE_CHECKING:
    from flowcraft_conformance.contract.options import AdapterOptions
    from flowcraft_conformance.contract.payloads import FinalResult
    from flowcraft_conformance.contract.protocols import DistributedAdapter, ICoordinationStore


class AdapterHarness:
    """Subclass it for an adapter, and override what differs.

    The kit makes one from ``module:name`` and a scope in every process that takes part. It caches nothing that is bound
    to an event loop. ``scope`` is a unique name: prefix queues, tables and keys with it.
    """

    capabilities: ClassVar[Capabilities] = Capabilities()
    """Declared limits and optional features."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def setup(self) -> None:
        """Create queues and tables; called once a scope, in the first process."""

    async def teardown(self) -> None:
        """Remove all that :meth:`setup` and the checks have made."""

    async def create_store(self) -> ICoordinationStore:
        """Another client of the scope's coordination store."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its coordination store is made")

    async def create_adapter(self, options: AdapterOptions) -> DistributedAdapter:
        """Another adapter of the scope, not yet started: a worker once ``start()`` is called, else a client."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its adapter is made")

    async def send_raw(self, body: bytes) -> None:
        """Put a raw message on the job queue; optional: the clauses that need it are untested without it."""
        raise NotImplementedError

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """What a client of the run can see of its end, in order; optional as :meth:`send_raw` is."""
        raise NotImplementedError

    def create_bare_patch(self, run_id: str) -> Any:
        """What benchmarks compare a patch of this run with: the least that the bare client can do; optional.

        Give an async function that takes the operations of a patch, encodes their values and writes them where the
        run's context reads them: one call of the client library, and nothing around it. It may also be an awaitable of
        such a function, or an async context manager that gives it.
        """
        raise NotImplementedError
