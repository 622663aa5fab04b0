"""Adapters that are wrong at an odd answer, a hiccup or an eleventh item only: the reference with one mistake each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowcraft_conformance import IAsyncContext, NodeDefinition, NodeResult
from flowcraft_conformance.runtime.execution import Executed, NodeFailedError, NodeRunner
from flowcraft_conformance.runtime.graph import GATHER
from flowcraft_conformance.runtime.leases import NodeLease
from tests.mutants.adapter_parts import PartedAdapter, Work


class TakesEmptyAnswersForNone(PartedAdapter):
    """Resumes with ``output or {}``."""

    breaks = "HITL-01"

    async def resume_with_action(
        self, run_id: str, action: str, output: Any = None, *, node_id: str | None = None
    ) -> set[str]:
        return await super().resume_with_action(run_id, action, output or {}, node_id=node_id)


class _GivesUpAtOnce(NodeLease):
    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(self._ttl / 3)
            asked = self._clock.monotonic()
            try:
                if not await self._store.extend_ttl(self._key, self._ttl):
                    return
            except Exception:
                return
            self._deadline = asked + self._ttl


class TakesAFailedHeartbeatForALostLease(PartedAdapter):
    """One call that fails stops a long node, though its lease has most of its time left."""

    breaks = "HB-01"
    lease_type = _GivesUpAtOnce


class _SortsByText(Work):
    async def _execute(self, taken: tuple[int, ...]) -> Executed:
        executed = await super()._execute(taken)
        if self._node.uses != GATHER:
            return executed
        results = executed.result.output
        in_order = [results[position] for position in sorted(range(len(results)), key=str)]
        return replace(executed, result=NodeResult(in_order))


class SortsResultsAsText(PartedAdapter):
    """The results of a batch are in order as long as their numbers have one digit."""

    breaks = "SUB-01"
    work_type = _SortsByText


class _OneOutputOnly(NodeRunner):
    async def fall_back(
        self,
        nodes: Mapping[str, NodeDefinition],
        node_id: str,
        value: Any,
        context: IAsyncContext,
        failure: NodeFailedError,
    ) -> Executed:
        executed = await super().fall_back(nodes, node_id, value, context, failure)
        return replace(executed, ran=executed.ran[:1])


class FallbackHasNoOutput(PartedAdapter):
    """Stores what a fallback gave for the failed node alone."""

    breaks = "RETRY-01"
    runner_type = _OneOutputOnly


RARELY: tuple[type[PartedAdapter], ...] = (
    TakesEmptyAnswersForNone,
    TakesAFailedHeartbeatForALostLease,
    SortsResultsAsText,
    FallbackHasNoOutput,
)
