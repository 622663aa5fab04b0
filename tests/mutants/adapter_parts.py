"""The reference adapter in parts that a broken one replaces, one at a time."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    BaseDistributedAdapter,
    FinalResult,
    IAsyncContext,
    ICoordinationStore,
    JobPayload,
)
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.execution import NodeRunner
from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.jobs import JobHandler, _Work
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.runs import Runs
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.memory import MemoryBackend, MemoryContext, MemoryCoordinationStore


class Work(_Work):
    """What one delivery does."""


class Jobs(JobHandler):
    """The job handler, with another kind of work."""

    work_type: type[Work] = Work

    async def _handle_open_run(self, job: JobPayload, state: RunState) -> bool:
        graph = await self._admitted(job, state)
        if graph is None:
            return False
        async with self._leased(job, state) as lease:
            return await lease.keep(self.work_type(self._core, job, graph, state, lease).do())


class QueuelessAdapter(BaseDistributedAdapter):
    """The reference adapter in memory, for captured runs: the kit is its queue."""

    breaks: ClassVar[str] = ""
    """The clause that a mutant breaks."""

    core_type: ClassVar[type[RuntimeCore]] = RuntimeCore
    state_type: ClassVar[type[RunState]] = RunState
    joins_type: ClassVar[type[Joins]] = Joins
    lease_type: ClassVar[type[NodeLease]] = NodeLease
    runner_type: ClassVar[type[NodeRunner]] = NodeRunner
    jobs_type: ClassVar[type[Jobs]] = Jobs
    work_type: ClassVar[type[Work]] = Work
    runs_type: ClassVar[type[Runs]] = Runs

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options)
        self.backend = backend
        core = self.core_type(self, options)
        core.state = lambda run_id: self.state_type(run_id, self.create_context(run_id))  # type: ignore[method-assign]
        core.joins = lambda graph, state: self.joins_type(  # type: ignore[method-assign]
            graph, state, core.store, core.ttls.joinlock
        )
        core.lease = lambda state, node_id: self.lease_type(  # type: ignore[method-assign]
            core.store, state.keys.nodelock(node_id), core.ttls.nodelock, core.clock, self.logger
        )
        core.runner = self.runner_type(self.runtime_options)
        jobs = self.jobs_type(core)
        jobs.work_type = self.work_type
        self._jobs = jobs
        self._runs = self.runs_type(core)

    def create_context(self, run_id: str) -> IAsyncContext:
        return MemoryContext(self.backend, run_id)

    async def process_jobs(self, handler: object) -> None:
        raise NotImplementedError("captured runs only")

    async def enqueue_job(self, job: JobPayload) -> None:
        raise NotImplementedError("captured runs only")

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        raise NotImplementedError("captured runs only")


class QueuelessHarness(AdapterHarness):
    """Makes one kind of adapter on a backend of its own."""

    adapter: ClassVar[type[QueuelessAdapter]] = QueuelessAdapter

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.backend = MemoryBackend()

    async def create_store(self) -> ICoordinationStore:
        return MemoryCoordinationStore(self.backend)

    async def create_adapter(self, options: AdapterOptions) -> BaseDistributedAdapter:
        return self.adapter(options, self.backend)


def harness_of(adapter: type[QueuelessAdapter]) -> type[QueuelessHarness]:
    """A harness class for one adapter."""
    return type(f"{adapter.__name__}Harness", (QueuelessHarness,), {"adapter": adapter})


class ReshapingCore(RuntimeCore):
    """Runs another blueprint than the one it was given: the shortest way to misread it."""

    def graph(self, blueprint_id: str) -> Graph:
        return Graph(self.reshaped(super().graph(blueprint_id).blueprint))

    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        """The blueprint as it is misread."""
        raise NotImplementedError
