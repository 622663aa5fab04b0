"""Which instances of a run there may be something to do for, found out from what is durable."""

from __future__ import annotations

from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.instances import added_name, name_of
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.state import RunState


class OpenPlaces:
    """Looks through one run: of a loop only the last two visits can have anything left to be done."""

    def __init__(self, graph: Graph, state: RunState, joins: Joins) -> None:
        self._graph = graph
        self._state = state
        self._joins = joins

    async def drawn(self) -> list[str]:
        """The instances of nodes that the blueprint draws."""
        found = [node for node in self._graph.live if not self._graph.nest(node)]
        await self._within((), (), found)
        return found

    async def added(self, instance: str) -> list[str]:
        """The nodes that an instance has added and that may not be done, and those that these have added."""
        decision = await self._state.decision(instance)
        if decision is None or not decision.added:
            return []
        found: list[str] = []
        for position in await self._joins.started(instance, decision):
            name = added_name(instance, position)
            found += [name, *await self.added(name)]
        return found

    async def _within(self, around: tuple[str, ...], visit: tuple[int, ...], found: list[str]) -> None:
        """The loops directly inside these, each at its last visit and the one before."""
        for loop in self._graph.loops_in(around):
            inner = (*around, loop)
            last = await self._last_visit(loop, visit)
            for number in range(max(last - 1, 1), last + 1):
                here = (*visit, number)
                found += [name_of(node, here) for node in self._graph.live if self._graph.nest(node) == inner]
                await self._within(inner, here, found)

    async def _last_visit(self, loop: str, around: tuple[int, ...]) -> int:
        """The first visit whose controller has not gone on; each goes on before the next one is there."""
        low, high = 0, 1
        while await self._goes_on(name_of(loop, (*around, high))):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if await self._goes_on(name_of(loop, (*around, middle))):
                low = middle
            else:
                high = middle
        return high

    async def _goes_on(self, controller: str) -> bool:
        decision = await self._state.decision(controller)
        return decision is not None and self._graph.goes_on(controller, decision.taken)
