"""Adapters that remember too much or too little: what a worker or the backend keeps is out of date, or gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flowcraft_conformance import AdapterOptions, Capabilities, IAsyncContext, NodeContext, NodeDefinition
from flowcraft_conformance.contract.protocols import Clock
from flowcraft_conformance.runtime.state import STATUS
from reference_adapters.memory import MemoryBackend, MemoryContext
from tests.mutants.adapter_parts import PartedAdapter

_RETENTION_SECONDS = 600
_PAUSE_SECONDS = 30


class _Retained(MemoryContext):
    def __init__(self, backend: MemoryBackend, run_id: str, clock: Clock, ended: dict[str, float]) -> None:
        super().__init__(backend, run_id)
        self._clock = clock
        self._ended = ended
        self._name = run_id
        if run_id in ended and clock.monotonic() > ended[run_id] + _RETENTION_SECONDS:
            del ended[run_id]
            backend.runs.pop(run_id, None)

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, value)
        if key == STATUS and isinstance(value, Mapping) and value.get("published"):
            self._ended.setdefault(self._name, self._clock.monotonic())


class RemovesFinishedRunsSoon(PartedAdapter):
    """The state of a run goes ten minutes after its end; a copy of a job that comes later begins it anew."""

    breaks = "DLV-DUP-01"
    ended: ClassVar[dict[str, float]] = {}

    def create_context(self, run_id: str) -> IAsyncContext:
        return _Retained(self.backend, run_id, self.runtime_options.clock, self.ended)


class _Remembering:
    """A middleware that calls each node once: what it returned is remembered, what it wrote is not."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], Any] = {}

    async def around_node(self, node: NodeDefinition, context: NodeContext, call_next: Any) -> Any:
        key = (node.id, repr(context.input))  # a worker of a captured run knows no other run
        if key not in self._results:
            self._results[key] = await call_next()
        return self._results[key]


class RemembersWhatNodesReturned(PartedAdapter):
    """A job that comes again to the same worker commits the output without what the node had written."""

    breaks = "FAULT-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        runtime = options.runtime_options
        runtime = replace(runtime, middleware=(_Remembering(), *runtime.middleware))
        super().__init__(replace(options, runtime_options=runtime), backend)


class ReconcilesSeldom(PartedAdapter):
    """A worker looks at a run every half a minute at most: what is lost in between is told to be all right."""

    breaks = "RECON-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        self._looked: dict[str, float] = {}

    async def reconcile(self, run_id: str) -> set[str]:
        now = self.runtime_options.clock.monotonic()
        if now - self._looked.get(run_id, -_PAUSE_SECONDS) < _PAUSE_SECONDS:
            return set()
        self._looked[run_id] = now
        return await super().reconcile(run_id)


class TakesEqualAnswersForOne(PartedAdapter):
    """A guard against clicking twice: for a minute the same answer of a run is not taken again."""

    breaks = "HITL-01"

    async def resume_with_action(
        self, run_id: str, action: str, output: Any = None, *, node_id: str | None = None
    ) -> set[str]:
        key = f"click:{run_id}:{node_id}:{action}:{output!r}"
        if await self.coordination_store.get(key) is not None:
            return set()
        found = await super().resume_with_action(run_id, action, output, node_id=node_id)
        await self.coordination_store.set_if_not_exist(key, "taken", 60)
        return found


class RetriesAsOftenAsItsQueue(PartedAdapter):
    """The queue repeats what fails, three times, whatever the node's max_retries say."""

    breaks = "RETRY-01"
    capabilities: ClassVar[Capabilities] = Capabilities(queue_attempts=3)

    def should_retry_in_process(self, node: NodeDefinition) -> bool:
        return False


MEMORY: tuple[type[PartedAdapter], ...] = (
    RemovesFinishedRunsSoon,
    RemembersWhatNodesReturned,
    ReconcilesSeldom,
    TakesEqualAnswersForOne,
    RetriesAsOftenAsItsQueue,
)
