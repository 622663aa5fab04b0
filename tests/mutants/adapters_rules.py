"""Adapters that misread a workflow: each is the reference adapter with one mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance import PatchOperation
from flowcraft_conformance.contract.blueprint import NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.contract.payloads import NodeContext, NodeResult
from flowcraft_conformance.runtime.execution import Executed, NodeRunner
from flowcraft_conformance.runtime.graph import END
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.routing import Decision, route
from flowcraft_conformance.runtime.state import RunState
from tests.mutants.adapter_parts import PartedAdapter, ReshapingCore, Work


class _Forgetful(RunState):
    async def commit(
        self, node_id: str, decision: Decision, output: Any, ran: Sequence[str], changes: Sequence[PatchOperation]
    ) -> bool:
        return await super().commit(node_id, decision, output, [], changes)


class LosesOutputs(PartedAdapter):
    """Notes that a node is done, and not what it gave."""

    breaks = "FLOW-ORACLE-01"
    state_type = _Forgetful


class _OutputsOnly(RunState):
    async def commit(
        self, node_id: str, decision: Decision, output: Any, ran: Sequence[str], changes: Sequence[PatchOperation]
    ) -> bool:
        return await super().commit(node_id, decision, output, ran, [])


class LosesWhatNodesWrite(PartedAdapter):
    """Stores the output of a node, and not the keys it has set."""

    breaks = "FLOW-ORACLE-01"
    state_type = _OutputsOnly


class TrustsTheQueue(Joins):
    async def taken(self, node_id: str) -> tuple[int, ...]:
        return await super().taken(node_id) or self._graph.incoming[node_id]


class _EnqueueFirst(Work):
    async def _commit(self, executed: Executed) -> Decision:
        decision = await route(self._graph, self._node.id, executed.result, executed.state, self._core.evaluator)
        targets = [self._graph.edges[edge].target for edge in decision.taken]
        early = [target for target in targets if not self._graph.is_join(target)]
        await self._core.enqueue(self._state, self._graph, early)
        return await super()._commit(executed)


class EnqueuesBeforeTheCommit(PartedAdapter):
    """Puts what follows on the queue before the output is stored, and takes a job there for leave to run."""

    breaks = "FLOW-ORDER-01"
    joins_type = TrustsTheQueue
    work_type = _EnqueueFirst


class FirstArrival(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        outcome = await super()._settle(edge, target, taken)
        return True if taken else outcome

    async def taken(self, node_id: str) -> tuple[int, ...]:
        return await super().taken(node_id) or self._graph.incoming[node_id][:1]


class StartsAJoinBeforeAllHaveArrived(PartedAdapter):
    """Runs an ``all`` join at the first arrival."""

    breaks = "FLOW-ORDER-01"
    joins_type = FirstArrival


class _NoConditions(ReshapingCore):
    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        return replace(blueprint, edges=tuple(replace(edge, condition=None) for edge in blueprint.edges))


class IgnoresConditions(PartedAdapter):
    """Takes an edge whatever its condition says."""

    breaks = "FLOW-ROUTE-01"
    core_type = _NoConditions


class _NoActions(ReshapingCore):
    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        return replace(blueprint, edges=tuple(replace(edge, action=None) for edge in blueprint.edges))


class TakesEveryActionsEdge(PartedAdapter):
    """Takes the edges of all actions."""

    breaks = "FLOW-ROUTE-01"
    core_type = _NoActions


class _Routed(Work):
    async def decide_edges(self, executed: Executed) -> Decision:
        """The edges to take."""
        return await route(self._graph, self._node.id, executed.result, executed.state, self._core.evaluator)

    async def _commit(self, executed: Executed) -> Decision:
        decision = await self.decide_edges(executed)
        output = executed.result.output
        committed = await self._state.commit(self._node.id, decision, output, executed.ran, executed.changes)
        return decision if committed else await self._decided()


class _Beside(_Routed):
    async def decide_edges(self, executed: Executed) -> Decision:
        decision = await super().decide_edges(executed)
        edges = self._graph.outgoing[self._node.id]
        plain = [edge for edge in edges if self._graph.edges[edge] == replace(self._graph.edges[edge], action=None)]
        bare = [edge for edge in plain if self._graph.edges[edge].condition is None]
        return replace(decision, taken=tuple(sorted({*decision.taken, *bare})))


class TakesUnlabelledEdgesToo(PartedAdapter):
    """Takes the edges without an action beside those of the result's action."""

    breaks = "FLOW-ROUTE-01"
    work_type = _Beside


class _NoneWithoutALabel(_Routed):
    async def decide_edges(self, executed: Executed) -> Decision:
        decision = await super().decide_edges(executed)
        action = executed.result.action
        return replace(decision, taken=tuple(e for e in decision.taken if self._graph.edges[e].action == action))


class UnknownActionEndsTheRun(PartedAdapter):
    """Takes no edge where none has the result's action."""

    breaks = "FLOW-ROUTE-01"
    work_type = _NoneWithoutALabel


class _StateBefore(_Routed):
    async def decide_edges(self, executed: Executed) -> Decision:
        return await route(self._graph, self._node.id, executed.result, self._state.context, self._core.evaluator)


class ConditionsSeeTheStateBefore(PartedAdapter):
    """Judges a condition without what the node itself has written."""

    breaks = "FLOW-ROUTE-01"
    work_type = _StateBefore


class _FirstParallel(Joins):
    async def taken(self, node_id: str) -> tuple[int, ...]:
        first: dict[str, int] = {}
        for edge in await super().taken(node_id):
            first.setdefault(self._graph.edges[edge].source, edge)
        return tuple(first.values())


class FirstOfParallelEdgesIsInput(PartedAdapter):
    """Gives a join the first of parallel edges in place of the last."""

    breaks = "FLOW-INPUT-01"
    joins_type = _FirstParallel


class _ByArrival(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        if taken and target != END and self._graph.is_join(target):
            key = f"_order.{target}"
            arrived = await self._state.context.get(key) or []
            await self._state.context.set(key, [*(one for one in arrived if one != edge), edge])
        return await super()._settle(edge, target, taken)


class _LastArrivalsValue(Work):
    async def _carried(self, edge: int) -> object:
        target = self._graph.edges[edge].target
        arrived = await self._state.context.get(f"_order.{target}") or [edge]
        return await super()._carried(arrived[-1])


class InputOfTheLastArrivalForAll(PartedAdapter):
    """A join is given the value of whoever came last, in everybody's name."""

    breaks = "FLOW-INPUT-01"
    joins_type = _ByArrival
    work_type = _LastArrivalsValue


class _NoTransforms(ReshapingCore):
    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        return replace(blueprint, edges=tuple(replace(edge, transform=None) for edge in blueprint.edges))


class IgnoresTransforms(PartedAdapter):
    """Carries the output as it is over every edge."""

    breaks = "FLOW-INPUT-01"
    core_type = _NoTransforms


class _SharesParams(NodeRunner):
    async def _call(self, node: NodeDefinition, given: NodeContext) -> NodeResult:
        return await super()._call(node, replace(given, params=node.params))


class SharesParamsWithItsNodes(PartedAdapter):
    """Hands nodes the blueprint's own params: what they do to them stays."""

    breaks = "FLOW-INPUT-01"
    runner_type = _SharesParams


RULES: tuple[type[PartedAdapter], ...] = (
    LosesOutputs,
    LosesWhatNodesWrite,
    EnqueuesBeforeTheCommit,
    StartsAJoinBeforeAllHaveArrived,
    IgnoresConditions,
    TakesEveryActionsEdge,
    TakesUnlabelledEdgesToo,
    UnknownActionEndsTheRun,
    ConditionsSeeTheStateBefore,
    FirstOfParallelEdgesIsInput,
    InputOfTheLastArrivalForAll,
    IgnoresTransforms,
    SharesParamsWithItsNodes,
)
