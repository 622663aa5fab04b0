"""Adapters whose joins and retries are wrong: each is the reference adapter with one mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance import FinalResult, IAsyncContext, PatchOperation
from flowcraft_conformance.contract.blueprint import NodeConfig, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.runtime.execution import Executed, NodeRunner
from flowcraft_conformance.runtime.graph import END
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.routing import SKIPPED, Decision
from flowcraft_conformance.runtime.state import RunState
from tests.mutants.adapter_parts import PartedAdapter, ReshapingCore, Work
from tests.mutants.adapters_rules import FirstArrival, TrustsTheQueue


class JoinFiresAtFirstArrival(PartedAdapter):
    """The same, as the joins see it."""

    breaks = "JOIN-ALL-01"
    joins_type = FirstArrival


class _TakenOnly(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        if not taken and target != END and self._graph.is_join(target):
            return None
        return await super()._settle(edge, target, taken)


class WaitsForBranchesNotTaken(PartedAdapter):
    """An edge that is not taken is never settled: the join behind it waits for ever."""

    breaks = "JOIN-ALL-01"
    joins_type = _TakenOnly


class _ByPredecessor(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        source = self._graph.edges[edge].source
        first = next(one for one in self._graph.incoming[target] if self._graph.edges[one].source == source)
        return await super()._settle(edge, target, taken) if edge == first else None


class CountsParallelEdgesOnce(PartedAdapter):
    """Counts predecessors and waits for edges: a join of parallel edges is never full."""

    breaks = "JOIN-ALL-02"
    joins_type = _ByPredecessor


class _OneGroup(Joins):
    async def _arrive(self, target: str, slot: int, taken: bool) -> Sequence[int] | None:
        if self._graph.width(target) <= 32:
            return await super()._arrive(target, slot, taken)
        count = f"flowcraft:count:{self._state.run_id}:{target}"
        arrived = await self._store.increment(count, 3600)
        return list(range(arrived)) if arrived == 32 else None

    async def taken(self, node_id: str) -> tuple[int, ...]:
        edges = self._graph.incoming[node_id]
        return edges[:32] if len(edges) > 32 else await super().taken(node_id)


class LooksAtSoManyPredecessors(PartedAdapter):
    """A join is full at 32 arrivals, however wide it is."""

    breaks = "JOIN-ALL-02"
    joins_type = _OneGroup


class _FallbacksOwn(RunState):
    async def commit(
        self, node_id: str, decision: Decision, output: Any, ran: Sequence[str], changes: Sequence[PatchOperation]
    ) -> bool:
        return await super().commit(node_id, decision, output, ran[-1:], changes)


class FallbackKeepsItsOutput(PartedAdapter):
    """Stores the output of a fallback under its own name only."""

    breaks = "JOIN-ALL-02"
    state_type = _FallbacksOwn


class _AllForAny(ReshapingCore):
    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        plain = [replace(node, config=replace(node.config, join_strategy="all")) for node in blueprint.nodes]
        return replace(blueprint, nodes=tuple(plain))


class TakesAnyForAll(PartedAdapter):
    """Runs an ``any`` join once all have arrived, with what all of them gave."""

    breaks = "JOIN-ANY-01"
    core_type = _AllForAny


class _NoThird(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        if taken and self._graph.is_join(target) and self._graph.is_any(target):
            key = f"_came.{target}"
            came = await self._state.context.get(key) or []
            if edge not in came:
                came.append(edge)
            if len(came) > 2:
                raise RuntimeError(f"join {target!r} is over")
            await self._state.context.set(key, came)
        return await super()._settle(edge, target, taken)


class ThirdArrivalFailsTheRun(PartedAdapter):
    """Expects no more than two to arrive at an ``any`` join."""

    breaks = "JOIN-ANY-01"
    joins_type = _NoThird


class _SkipsFailures(Work):
    async def _fail(self, reason: str) -> None:
        self._core.logger.warning("a node failed", node=self._node.id, reason=reason)
        await self._walk(SKIPPED)


class TakesAFailureForASkippedBranch(PartedAdapter):
    """Goes on beside a failed node, and completes."""

    breaks = "JOIN-FAIL-01"
    work_type = _SkipsFailures


class _FailsLate(Work):
    async def _fail(self, reason: str) -> None:
        ready = await self._joins.walk(self._node.id, Decision(taken=self._graph.outgoing[self._node.id]))
        await self._core.enqueue(self._state, self._graph, [name for name in ready if name != END])
        if END in ready:
            await super()._fail(reason)
        await self._state.mark_walked(self._node.id)

    async def _walk(self, decision: Decision) -> None:
        if self._graph.final_slot(self._node.id) is not None:
            for name in self._graph.live:
                before = await self._state.decision(name)
                if before is not None and before.failure is not None:
                    failed = FinalResult("failed", reason=before.failure)
                    await self._core.conclude(self._state, failed, f"job:{self._node.id}")
                    return
        await super()._walk(decision)


class FailedPredecessorCountsAsArrived(PartedAdapter):
    """Settles the edges of a failed node as taken, and fails the run at its end."""

    breaks = "JOIN-FAIL-01"
    work_type = _FailsLate
    joins_type = TrustsTheQueue


class _Configured(ReshapingCore):
    """Another configuration of every node."""

    def configured(self, config: NodeConfig) -> NodeConfig:
        """The configuration as it is misread."""
        raise NotImplementedError

    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        nodes = tuple(replace(node, config=self.configured(node.config)) for node in blueprint.nodes)
        return replace(blueprint, nodes=nodes)


class _OneMore(_Configured):
    def configured(self, config: NodeConfig) -> NodeConfig:
        return replace(config, max_retries=config.max_retries + 1)


class CountsRetriesWithoutTheFirstAttempt(PartedAdapter):
    """Takes ``max_retries`` for the attempts after the first."""

    breaks = "RETRY-01"
    core_type = _OneMore


class _Microseconds(_Configured):
    def configured(self, config: NodeConfig) -> NodeConfig:
        return replace(config, retry_delay=config.retry_delay / 1000)


class WaitsMicroseconds(PartedAdapter):
    """Takes ``retry_delay`` for another unit, and tries again too soon."""

    breaks = "RETRY-01"
    core_type = _Microseconds


class _NoTimeout(_Configured):
    def configured(self, config: NodeConfig) -> NodeConfig:
        return replace(config, timeout=None)


class IgnoresTimeouts(PartedAdapter):
    """Waits for a node as long as it takes."""

    breaks = "RETRY-01"
    core_type = _NoTimeout


class _NotesAttempts(NodeRunner):
    async def attempt(self, node: NodeDefinition, value: Any, context: IAsyncContext, number: int = 1) -> Executed:
        params = node.params
        assert isinstance(params, dict)
        params["attempts"] = params.get("attempts", 0) + 1
        return await super().attempt(node, value, context, number)


class CountsAttemptsInTheBlueprint(PartedAdapter):
    """Notes how often a node was tried in its own params."""

    breaks = "RETRY-01"
    runner_type = _NotesAttempts


class _NoFallback(NodeRunner):
    async def fall_back(
        self,
        nodes: Mapping[str, NodeDefinition],
        node_id: str,
        value: Any,
        context: IAsyncContext,
        failure: Any,
    ) -> Executed:
        raise failure


class NeverFallsBack(PartedAdapter):
    """Fails a run whose node has a fallback."""

    breaks = "RETRY-01"
    runner_type = _NoFallback


JOINS: tuple[type[PartedAdapter], ...] = (
    WaitsForBranchesNotTaken,
    JoinFiresAtFirstArrival,
    CountsParallelEdgesOnce,
    LooksAtSoManyPredecessors,
    FallbackKeepsItsOutput,
    TakesAnyForAll,
    ThirdArrivalFailsTheRun,
    TakesAFailureForASkippedBranch,
    FailedPredecessorCountsAsArrived,
    CountsRetriesWithoutTheFirstAttempt,
    WaitsMicroseconds,
    IgnoresTimeouts,
    CountsAttemptsInTheBlueprint,
    NeverFallsBack,
)
