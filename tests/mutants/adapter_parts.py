"""The reference adapter in parts that a broken one replaces, one at a time."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance import AdapterOptions, JobPayload
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.runtime.built_in import built_in
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.execution import NodeRunner
from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.jobs import JobHandler, _Work
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.runs import Runs
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.memory import MemoryBackend
from tests.mutants.adapters import QueuelessAdapter


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


class PartedAdapter(QueuelessAdapter):
    """The reference adapter, put together from these parts."""

    core_type: ClassVar[type[RuntimeCore]] = RuntimeCore
    state_type: ClassVar[type[RunState]] = RunState
    joins_type: ClassVar[type[Joins]] = Joins
    lease_type: ClassVar[type[NodeLease]] = NodeLease
    runner_type: ClassVar[type[NodeRunner]] = NodeRunner
    jobs_type: ClassVar[type[Jobs]] = Jobs
    work_type: ClassVar[type[Work]] = Work
    runs_type: ClassVar[type[Runs]] = Runs

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        core = self.core_type(self, options)
        core.state = lambda run_id: self.state_type(run_id, self.create_context(run_id))  # type: ignore[method-assign]
        core.joins = lambda graph, state: self.joins_type(  # type: ignore[method-assign]
            graph, state, core.store, core.ttls.joinlock
        )
        core.lease = lambda state, node_id: self.lease_type(  # type: ignore[method-assign]
            core.store, state.keys.nodelock(node_id), core.ttls.nodelock, core.clock, self.logger
        )
        core.runner = self.runner_type(self.runtime_options, built_in(core.clock, core.evaluator))
        jobs = self.jobs_type(core)
        jobs.work_type = self.work_type
        self._jobs = jobs
        self._runs = self.runs_type(core)


class ReshapingCore(RuntimeCore):
    """Runs another blueprint than the one it was given: the shortest way to misread it."""

    def graph(self, blueprint_id: str) -> Graph:
        return Graph(self.reshaped(super().graph(blueprint_id).blueprint), self.options.blueprints)

    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        """The blueprint as it is misread."""
        raise NotImplementedError
