"""Adapters that redeliveries, retries or late arrivals lead astray: the reference adapter with one mistake each."""

from __future__ import annotations

from dataclasses import replace

from flowcraft_conformance import JobDeferred, NodeDefinition
from flowcraft_conformance.contract.keys import output_key
from flowcraft_conformance.contract.payloads import NodeResult
from flowcraft_conformance.runtime.graph import END
from flowcraft_conformance.runtime.jobs import AttemptFailedError
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.routing import Decision, route
from flowcraft_conformance.runtime.state import RunState
from tests.mutants.adapter_parts import PartedAdapter, Work
from tests.mutants.adapters import _CountingJoins


class _LastArrival(Joins):
    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        if taken and target != END and self._graph.is_join(target) and self._graph.is_any(target):
            await self._state.context.set(f"_latest.{target}", edge)
        return await super()._settle(edge, target, taken)

    async def taken(self, node_id: str) -> tuple[int, ...]:
        latest = await self._state.context.get(f"_latest.{node_id}")
        return await super().taken(node_id) if latest is None else (latest,)


class InputOfTheLastArrivalForAny(PartedAdapter):
    """Runs an ``any`` join with whatever has arrived by then."""

    breaks = "JOIN-ANY-01"
    joins_type = _LastArrival


class _Again(Work):
    """Does something once more where a decision was made by an earlier delivery."""

    async def again(self, decision: Decision) -> Decision:
        """The decision as this delivery takes it."""
        raise NotImplementedError

    async def do(self) -> bool:
        node_id = self._job.node_id
        decision = await self._state.decision(node_id)
        if decision is not None and decision.failure is None and not await self._state.is_walked(node_id):
            decision = await self.again(decision)
            await self._state.context.set(f"_done.{node_id}", decision.to_json())
        return await super().do()


class _TransformsAgain(_Again):
    async def again(self, decision: Decision) -> Decision:
        values = {edge: {"was": value} for edge, value in decision.values.items()}
        return replace(decision, values=values)


class TransformsAgainAtRedelivery(PartedAdapter):
    """Applies the transform of an edge to what it has made before."""

    breaks = "DLV-CRASH-01"
    work_type = _TransformsAgain


class _ForgetsTheAction(_Again):
    async def again(self, decision: Decision) -> Decision:
        output = await self._state.context.get(output_key(self._node.id))
        return await route(self._graph, self._node.id, NodeResult(output), self._state.context, self._core.evaluator)


class ActionIsLostAtRedelivery(PartedAdapter):
    """Stores the output without the action, and routes again."""

    breaks = "DLV-CRASH-01"
    work_type = _ForgetsTheAction


class _Poisons(Work):
    async def do(self) -> bool:
        try:
            return await super().do()
        except JobDeferred:
            raise
        except Exception:
            for edge in self._graph.outgoing[self._node.id]:
                await self._core.store.set_if_not_exist(self._poison(self._graph.edges[edge].target), "1", 3600)
            raise

    async def _is_mine(self, target: str) -> bool:
        if target != END and await self._core.store.get(self._poison(target)) is not None:
            return False
        return await super()._is_mine(target)

    def _poison(self, target: str) -> str:
        return self._state.keys.poison(target)


class PoisonOutlivesRecovery(PartedAdapter):
    """Poisons what is behind a job that raised, and leaves it poisoned when the job is done after all."""

    breaks = "FAULT-01"
    work_type = _Poisons


class _BeatsElsewhere(NodeLease):
    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(self._ttl / 3)
            await self._store.extend_ttl(f"{self._key}:heartbeat", self._ttl)
            self._deadline = self._clock.monotonic() + self._ttl


class HeartbeatOnAnotherKey(PartedAdapter):
    """Extends a key that nobody asks for, and takes its lease for extended."""

    breaks = "HB-01"
    lease_type = _BeatsElsewhere


class _DropsRetries(Work):
    async def do(self) -> bool:
        try:
            return await super().do()
        except AttemptFailedError as error:
            self._core.logger.warning("a node is to be tried again", error=str(error))
            return False


class RetryNeverReachesTheQueue(PartedAdapter):
    """Leaves retries to the queue, and acknowledges the job that is to be repeated."""

    breaks = "RETRY-01"
    work_type = _DropsRetries

    def should_retry_in_process(self, node: NodeDefinition) -> bool:
        return False


class _ForgetsWhatItTold(RunState):
    async def is_walked(self, node_id: str) -> bool:
        return False


class CountsAgainAfterItWasDone(PartedAdapter):
    """A copy of a job that is done tells the nodes behind it once more, and its join counts that as an arrival."""

    breaks = "DLV-DUP-01"
    state_type = _ForgetsWhatItTold
    joins_type = _CountingJoins


REDELIVERED: tuple[type[PartedAdapter], ...] = (
    InputOfTheLastArrivalForAny,
    TransformsAgainAtRedelivery,
    ActionIsLostAtRedelivery,
    PoisonOutlivesRecovery,
    HeartbeatOnAnotherKey,
    RetryNeverReachesTheQueue,
    CountsAgainAfterItWasDone,
)
