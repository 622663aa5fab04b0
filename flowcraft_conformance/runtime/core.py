"""What the parts of the reference adapter share: its options, its blueprints, its way to the queue and the bus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.contract.blueprint import BlueprintError
from flowcraft_conformance.contract.options import AdapterOptions
from flowcraft_conformance.contract.payloads import FinalResult, JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import IEvaluator, ILogger
from flowcraft_conformance.runtime.built_in import built_in
from flowcraft_conformance.runtime.checks import check_blueprint
from flowcraft_conformance.runtime.execution import NodeRunner
from flowcraft_conformance.runtime.expressions import SafeEvaluator
from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.logs import StandardLogger
from flowcraft_conformance.runtime.state import RunState, RunStatusRecord
from flowcraft_conformance.runtime.values import public_state

if TYPE_CHECKING:
    from flowcraft_conformance.runtime.base import BaseDistributedAdapter

_PUBLISHING_SECONDS = 5.0
"""The longest time until a job looks again whether another worker has told the client."""


class RuntimeCore:
    """One adapter's runtime."""

    def __init__(self, adapter: BaseDistributedAdapter, options: AdapterOptions) -> None:
        self.adapter = adapter
        self.options = options.runtime_options
        self.store = options.coordination_store
        self.clock = self.options.clock
        self.ttls = self.options.ttls
        self.logger = adapter.logger
        self.evaluator: IEvaluator = self.options.evaluator or SafeEvaluator()
        self.runner = NodeRunner(self.options, built_in(self.clock, self.evaluator))
        self._bus = options.event_bus
        self._graphs: dict[str, Graph] = {}

    @staticmethod
    def logger_of(options: AdapterOptions) -> ILogger:
        """The logger that was given, or the default."""
        return options.runtime_options.logger or StandardLogger()

    def graph(self, blueprint_id: str) -> Graph:
        """The graph of a blueprint, checked when it is first used.

        Raises:
            LookupError: there is no such blueprint.
            BlueprintError: it cannot be run.
        """
        known = self._graphs.get(blueprint_id)
        if known is not None:
            return known
        blueprint = self.options.blueprints.get(blueprint_id)
        if blueprint is None:
            there = ", ".join(map(repr, sorted(self.options.blueprints)[:8])) or "none"
            raise LookupError(f"there is no blueprint {blueprint_id!r}; this runtime has {there}")
        options = self.options
        check_blueprint(
            blueprint, options.registry.keys(), self.evaluator, blueprints=options.blueprints, strict=options.strict
        )
        graph = self._graphs[blueprint_id] = Graph(blueprint, options.blueprints)
        return graph

    def state(self, run_id: str) -> RunState:
        """The durable state of a run."""
        return RunState(run_id, self.adapter.create_context(run_id))

    def joins(self, graph: Graph, state: RunState) -> Joins:
        """The joins of a run."""
        return Joins(graph, state, self.store, self.ttls.joinlock)

    def lease(self, state: RunState, node_id: str) -> NodeLease:
        """The lease of a node of a run, not yet taken."""
        return NodeLease(self.store, state.keys.nodelock(node_id), self.ttls.nodelock, self.clock, self.logger)

    async def enqueue(self, state: RunState, graph: Graph, node_ids: Iterable[str]) -> None:
        """Put a job for each node on the queue."""
        for node_id in node_ids:
            await self.adapter.enqueue_job(JobPayload(state.run_id, graph.blueprint.id, node_id))
            await self.emit("job:enqueued", state.run_id, graph.blueprint.id, node_id)

    async def conclude(self, state: RunState, result: FinalResult, owner: str) -> None:
        """End the run, once and for all, and tell its client.

        The first decision stands (RESULT-01). One owner publishes: the one who holds the key, or the same owner again
        after a crash; ``owner`` is the same for every delivery of one job.
        """
        await self.publish(state, await state.decide_status(result), owner)

    async def claim(self, key: str, owner: str, ttl: int) -> bool:
        """Whether the owner is the one who does what the key stands for: the first, or the same one again.

        A key that is lost between the two looks is nobody's, and what it stands for is done rather twice than never.
        """
        if await self.store.set_if_not_exist(key, owner, ttl):
            return True
        return await self.store.get(key) in (owner, None)

    async def publish(self, state: RunState, record: RunStatusRecord, owner: str) -> None:
        """Tell the client of a run how it ended, unless somebody has.

        Raises:
            JobDeferred: somebody else is about to; look again whether it was done, for they may die before it is.
        """
        if record.published:
            return
        key = state.keys.final()
        mine = await self.claim(key, owner, self.ttls.nodelock)
        current = await state.status()
        if current is not None and current.published:
            return
        if not mine:
            raise JobDeferred(
                min(self.ttls.nodelock / 4, _PUBLISHING_SECONDS), f"the end of {state.run_id!r} is being told"
            )
        record = current or record
        payload = public_state(await state.context.to_dict()) if record.status == "completed" else None
        result = FinalResult(record.status, payload, record.reason)
        try:
            await self.adapter.publish_final_result(state.run_id, result)
        except Exception:
            await self._let_go(key)
            raise
        await state.mark_published(record)

    async def _let_go(self, key: str) -> None:
        """Leave to anybody what has failed here; where that fails too, until the key expires."""
        try:
            await self.store.delete(key)
        except Exception as error:
            self.logger.warning("a claim could not be given up; it will expire", key=key, error=repr(error))

    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        """Tell the event bus; a bus that fails harms no run (EVT-01)."""
        if self._bus is None:
            return
        try:
            await self._bus.emit(event, {"runId": run_id, "blueprintId": blueprint_id, "nodeId": node_id, **more})
        except Exception as error:
            self.logger.warning("the event bus failed", event=event, run=run_id, node=node_id, error=repr(error))


def unusable(error: LookupError | BlueprintError) -> str:
    """The reason of a run whose blueprint cannot be used (RESULT-03)."""
    return str(error.args[0]) if error.args else str(error)
