"""What is done to a run from outside its jobs: start it, look after it, resume it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.contract.keys import BLUEPRINT_ID, BLUEPRINT_VERSION
from flowcraft_conformance.contract.payloads import FinalResult, JobDeferred, SetOp
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.graph import END, WAITING_NODES, Graph
from flowcraft_conformance.runtime.open_places import OpenPlaces
from flowcraft_conformance.runtime.state import RUNTIME, THIS_RUNTIME, RunState, is_reserved
from flowcraft_conformance.runtime.values import json_copy


class Runs:
    """Starts, reconciles and resumes the runs of one adapter."""

    def __init__(self, core: RuntimeCore) -> None:
        self._core = core

    async def start(self, blueprint_id: str, initial: Mapping[str, Any], run_id: str) -> None:
        """See :meth:`BaseDistributedAdapter.start_run`."""
        graph = self._core.graph(blueprint_id)
        if taken := [key for key in initial if is_reserved(key)]:
            raise ValueError(f"initial_context has {taken[0]!r}, a key that is the runtime's own; choose another name")
        state = self._core.state(run_id)
        begun = await state.begin(
            blueprint_id, graph.version, [SetOp(key, json_copy(value)) for key, value in initial.items()]
        )
        if not begun:
            await self._require_same(state, blueprint_id)
        not_done = [node for node in graph.starts if begun or await state.decision(node) is None]
        await self._core.enqueue(state, graph, not_done)

    async def reconcile(self, run_id: str) -> set[str]:
        """See :meth:`BaseDistributedAdapter.reconcile`."""
        try:
            return await self._reconcile(self._core.state(run_id))
        except JobDeferred:  # another worker is about to publish the end
            return set()

    async def _reconcile(self, state: RunState) -> set[str]:
        owner = f"reconcile:{uuid.uuid4().hex}"  # one that died is made good once its claim has expired
        if (record := await state.status()) is not None:
            await self._core.publish(state, record, owner)
            return set()
        graph = await self._graph_of(state)
        if graph is None:
            return set()
        drawn = await self._places(graph, state).drawn()
        end = await self._finish_walks(graph, state, drawn)
        if end is not None:
            await self._core.conclude(state, end, owner)
            return set()
        everything = [name for node in drawn for name in (node, *await self._places(graph, state).added(node))]
        ready = [node for node in everything if await self._is_to_be_queued(graph, state, node)]
        await self._core.enqueue(state, graph, ready)
        return set(ready)

    async def resume(self, run_id: str, action: str, output: Any, node_id: str | None) -> set[str]:
        """See :meth:`BaseDistributedAdapter.resume_with_action`."""
        state = self._core.state(run_id)
        graph = await self._graph_of(state)
        if graph is None or await state.status() is not None:
            return set()
        waiting = [node for node in await self._places(graph, state).drawn() if graph.node(node).uses in WAITING_NODES]
        asked = [node for node in waiting if node_id in (None, node, graph.place(node).node)]
        resumed = [node for node in asked if await state.is_waiting(node)]
        resumed = [node for node in resumed if await state.resume(node, action, json_copy(output))]
        await self._core.enqueue(state, graph, resumed)
        return set(resumed)

    async def _require_same(self, state: RunState, blueprint_id: str) -> None:
        there = await state.context.get(BLUEPRINT_ID)
        if await state.context.get(RUNTIME) != THIS_RUNTIME:
            raise ValueError(f"run {state.run_id!r} was started by another runtime; choose another run id")
        if there != blueprint_id:
            raise ValueError(f"run {state.run_id!r} is a run of blueprint {there!r}, not of {blueprint_id!r}")

    async def _graph_of(self, state: RunState) -> Graph | None:
        """The graph of a run that this runtime started and whose version it has, else None."""
        context = state.context
        blueprint_id = await context.get(BLUEPRINT_ID)
        if blueprint_id is None or await context.get(RUNTIME) != THIS_RUNTIME:
            return None
        graph = self._core.graph(blueprint_id)
        return graph if await context.get(BLUEPRINT_VERSION) == graph.version else None

    def _places(self, graph: Graph, state: RunState) -> OpenPlaces:
        return OpenPlaces(graph, state, self._core.joins(graph, state))

    async def _finish_walks(self, graph: Graph, state: RunState, drawn: list[str]) -> FinalResult | None:
        """Settle what is behind every node whose worker may have died before it had done so; the end, if it is one."""
        joins = self._core.joins(graph, state)
        places = self._places(graph, state)
        for node in drawn:
            for one in (*reversed(await places.added(node)), node):
                decision = await state.decision(one)
                if decision is None or await state.is_walked(one):
                    continue
                if decision.failure is not None:
                    return FinalResult("failed", reason=decision.failure)
                if END in await joins.walk(one, decision):
                    return FinalResult("completed")
        return None

    async def _is_to_be_queued(self, graph: Graph, state: RunState, node: str) -> bool:
        if await state.decision(node) is not None:
            return False
        added = graph.added(node) is not None
        if not added and node not in graph.starts and not await self._core.joins(graph, state).taken(node):
            return False
        waits = not added and graph.node(node).uses in WAITING_NODES and await state.is_waiting(node)
        if waits and await state.answer(node) is None:
            return False
        return await self._core.store.get(state.keys.nodelock(node)) is None
