"""Adapters that get loops, batches, subflows and sleeps wrong: each is the reference adapter with one mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowcraft_conformance import NodeResult, PatchOperation
from flowcraft_conformance.contract.blueprint import NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.runtime.execution import Executed
from flowcraft_conformance.runtime.graph import END, GATHER, Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.routing import Decision
from flowcraft_conformance.runtime.state import RunState
from tests.mutants.adapter_parts import PartedAdapter, ReshapingCore, Work


def _without_visit(instance: str) -> str:
    return instance.partition("@")[0]


class _KeysWithoutTheIteration(RunState):
    async def decision(self, node_id: str) -> Decision | None:
        return await super().decision(_without_visit(node_id))

    async def is_walked(self, node_id: str) -> bool:
        return await super().is_walked(_without_visit(node_id))


class RunsALoopOnce(PartedAdapter):
    """Takes the second iteration of a node for a duplicate of the first."""

    breaks = "SUB-01"
    state_type = _KeysWithoutTheIteration


class _WritesVisitsAnyway(RunState):
    async def write_once(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if "@" not in guard:
            return await super().write_once(guard, operations)
        await self.context.patch(operations)
        return True


class _ForgetsVisits(Work):
    async def do(self) -> bool:
        if "@" not in self._job.node_id:
            return await super().do()
        decision = await self._decide()
        if decision is None or decision.failure is not None:
            return await super().do()
        await self._walk(decision)
        return True


class RunsAnIterationTwice(PartedAdapter):
    """Looks at no decision of a later iteration: a job that is delivered twice counts twice."""

    breaks = "SUB-01"
    state_type = _WritesVisitsAnyway
    work_type = _ForgetsVisits


class _JoinsOfTheFirstIteration(Joins):
    async def _arrive(self, target: str, slot: int, taken: bool) -> Sequence[int] | None:
        first = target if target == END else _without_visit(target)
        await super()._arrive(target, slot, taken)
        return await super()._arrive(first, slot, taken)


class JoinKeepsTheLastIterationsArrivals(PartedAdapter):
    """A join in a loop finds the arrivals of the iteration before, and is full at the first one."""

    breaks = "SUB-01"
    joins_type = _JoinsOfTheFirstIteration


class _InOrderOfArrival(Work):
    async def _store(self, decision: Decision, executed: Executed) -> bool:
        added = self._graph.added(self._job.node_id)
        if added is not None:
            key = f"_order.{added[0]}"
            arrived = await self._state.context.get(key) or []
            if added[1] not in arrived:
                await self._state.context.set(key, [*arrived, added[1]])
        return await super()._store(decision, executed)

    async def _execute(self, taken: tuple[int, ...]) -> Executed:
        executed = await super()._execute(taken)
        if self._node.uses != GATHER:
            return executed
        arrived = await self._state.context.get(f"_order.{self._graph.scatter_of(self._job.node_id)}") or []
        results = [executed.result.output[position] for position in arrived]
        return replace(executed, result=NodeResult(results))


class GathersInOrderOfArrival(PartedAdapter):
    """Collects the results of a batch as they come."""

    breaks = "SUB-01"
    work_type = _InOrderOfArrival


class _WalkedAtOnce(Work):
    async def _walk(self, decision: Decision) -> None:
        if decision.added:
            await self._state.mark_walked(self._job.node_id)
        await super()._walk(decision)


class ForgetsWhatADyingWorkerAdded(PartedAdapter):
    """Notes a scatter as dealt with before its workers' jobs are on the queue."""

    breaks = "SUB-01"
    work_type = _WalkedAtOnce


class _FirstChunkOnly(Joins):
    async def _settle_added(self, adding: str, position: int) -> tuple[list[str], list[tuple[str, Decision]]]:
        more, due = await super()._settle_added(adding, position)
        if not more:
            return more, due
        decision = await self._state.decision(adding)
        assert decision is not None
        return [], [(adding, replace(decision, added=0))]


class GathersAfterTheFirstChunk(PartedAdapter):
    """Gathers a batch once as many of it are done as run at a time."""

    breaks = "SUB-01"
    joins_type = _FirstChunkOnly


class _NoOutputs(ReshapingCore):
    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        return replace(blueprint, nodes=tuple(map(_without_outputs, blueprint.nodes)))


def _without_outputs(node: NodeDefinition) -> NodeDefinition:
    if node.uses != "subflow":
        return node
    return replace(node, params={key: value for key, value in node.params.items() if key != "outputs"})


class IgnoresWhatASubflowGives(PartedAdapter):
    """Maps the inputs of a subflow, and not its outputs."""

    breaks = "SUB-01"
    core_type = _NoOutputs


class _OneStateForAll(Graph):
    def inner_scope(self, subflow: str, visit: tuple[int, ...]) -> str:
        return ""


class _Unscoped(ReshapingCore):
    def graph(self, blueprint_id: str) -> Graph:
        return _OneStateForAll(super().graph(blueprint_id).blueprint, self.options.blueprints)

    def reshaped(self, blueprint: WorkflowBlueprint) -> WorkflowBlueprint:
        return blueprint


class SubflowSharesItsParentsState(PartedAdapter):
    """Runs the nodes of a subflow on the keys of its parent."""

    breaks = "SUB-01"
    core_type = _Unscoped


class _SleepsInTheJob(Work):
    async def _slept(self) -> NodeDefinition:
        return self._node


class SleepsAnewWhenRedelivered(PartedAdapter):
    """Sleeps inside the job: a worker that dies has not slept."""

    breaks = "SUB-01"
    work_type = _SleepsInTheJob


class _Sleepless(Work):
    async def _slept(self) -> NodeDefinition:
        return replace(self._node, params={**self._node.params, "duration": 0})


class SkipsSleeps(PartedAdapter):
    """Goes on at once."""

    breaks = "SUB-01"
    work_type = _Sleepless


class _LeavesTheOtherWayToo(Graph):
    def followed(self, instance: str, taken: tuple[int, ...]) -> tuple[int, ...]:
        return self.outgoing[instance]


class _Both(_Unscoped):
    def graph(self, blueprint_id: str) -> Graph:
        return _LeavesTheOtherWayToo(super(_Unscoped, self).graph(blueprint_id).blueprint, self.options.blueprints)


class SettlesTheWayALoopDidNotGo(PartedAdapter):
    """Gives up what comes after a loop as soon as it goes on once."""

    breaks = "SUB-01"
    core_type = _Both


DYNAMICS: tuple[type[PartedAdapter], ...] = (
    RunsALoopOnce,
    RunsAnIterationTwice,
    JoinKeepsTheLastIterationsArrivals,
    GathersInOrderOfArrival,
    ForgetsWhatADyingWorkerAdded,
    GathersAfterTheFirstChunk,
    IgnoresWhatASubflowGives,
    SubflowSharesItsParentsState,
    SleepsAnewWhenRedelivered,
    SkipsSleeps,
    SettlesTheWayALoopDidNotGo,
)
