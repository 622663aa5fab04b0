"""Settling edges: what is durable decides when a join is ready, with a few small calls an edge.

The edges into a join are the leaves of a tree of groups. Whoever sees a group complete writes its parent: the list of
edges taken below it. Two that settle the last edges of a group at once both write, and then both read: at least one of
them sees the other's write (CTX-RACE-03), and both may climb, for what they write is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.contract.protocols import ICoordinationStore
from flowcraft_conformance.runtime.graph import END, Graph
from flowcraft_conformance.runtime.routing import SKIPPED, Decision
from flowcraft_conformance.runtime.state import RunState

_GROUP = 8


def _arrived(target: str, level: int, number: int) -> str:
    return f"_arrived.{target}.{level}.{number}"


def _winner(target: str) -> str:
    return f"_winner.{target}"


def _top(width: int) -> int:
    """The level of the tree's root above so many leaves."""
    level = 0
    while width > 1:
        width = -(-width // _GROUP)
        level += 1
    return level


class Joins:
    """The joins of one run."""

    def __init__(self, graph: Graph, state: RunState, store: ICoordinationStore, joinlock_ttl: int) -> None:
        self._graph = graph
        self._state = state
        self._store = store
        self._joinlock_ttl = joinlock_ttl

    async def walk(self, node_id: str, decision: Decision) -> list[str]:
        """Settle everything behind a node that is done; the nodes that became ready, END for the run itself.

        Safe to repeat, and at the same time as others: every write is the same each time. Nodes that can no longer run
        are noted, and what is behind them is settled too.
        """
        ready: list[str] = []
        open_walks = [(node_id, decision)]
        while open_walks:
            source, decided = open_walks.pop()
            for edge in self._graph.outgoing[source]:
                target = self._graph.edges[edge].target
                outcome = await self._settle(edge, target, edge in decided.taken)
                if outcome is True:
                    ready.append(target)
                elif outcome is False:
                    await self._state.skip(target)
                    open_walks.append((target, SKIPPED))
            if await self._settle_end(source, ran=not decided.skipped):
                ready.append(END)
        return list(dict.fromkeys(ready))

    async def taken(self, node_id: str) -> tuple[int, ...]:
        """The edges that make the node ready, as far as is settled; none: it is not ready. Start nodes need none."""
        edges = self._graph.incoming[node_id]
        if len(edges) == 1:
            decision = await self._state.decision(self._graph.edges[edges[0]].source)
            return edges if decision is not None and edges[0] in decision.taken else ()
        if self._graph.is_any(node_id):
            winner = await self._state.context.get(_winner(node_id))
            return () if winner is None else (winner,)
        slots: list[int] | None = await self._state.context.get(_arrived(node_id, _top(len(edges)), 0))
        return tuple(edges[slot] for slot in slots or ())

    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        """Settle one edge. True: its target is ready; False: it can no longer run; None: others decide."""
        if not self._graph.is_join(target):
            return taken
        if self._graph.is_any(target) and taken:
            won = await self._winner_of(target, edge) == edge
            await self._arrive(target, self._graph.slot(edge), taken=True)
            return True if won else None
        slots = await self._arrive(target, self._graph.slot(edge), taken)
        if slots is None:
            return None
        if self._graph.is_any(target) and slots:
            return None  # the winner's business
        return bool(slots)

    async def _settle_end(self, source: str, *, ran: bool) -> bool:
        slot = self._graph.final_slot(source)
        if slot is None:
            return False
        return not self._graph.is_join(END) or await self._arrive(END, slot, ran) is not None

    async def _winner_of(self, target: str, edge: int) -> int:
        """The one taken edge whose value an ``any`` join runs with (JOIN-ANY-01); decided for ever."""
        key = _winner(target)
        context = self._state.context
        if self._state.guarded is not None and await self._state.guarded(key, [SetOp(key, edge)]):
            return edge
        winner: int | None = await context.get(key)
        if winner is None:
            lock = self._state.keys.joinlock(target)
            await self._store.set_if_not_exist(lock, str(edge), self._joinlock_ttl)
            winner = int(await self._store.get(lock) or edge)
            await context.set(key, winner)
        return winner

    async def _arrive(self, target: str, slot: int, taken: bool) -> Sequence[int] | None:
        """Note a settled edge and climb; the slots of all taken edges once every edge is settled, else None."""
        width = self._graph.width(target)
        slots: list[int] = [slot] if taken else []
        level = 0
        while True:
            await self._state.context.set(_arrived(target, level, slot), slots)
            if width == 1:
                return slots
            siblings = await self._siblings(target, level, slot, width, slots)
            if siblings is None:
                return None
            slots = siblings
            slot //= _GROUP
            width = -(-width // _GROUP)
            level += 1

    async def _siblings(self, target: str, level: int, slot: int, width: int, own: list[int]) -> list[int] | None:
        """What the whole group of a member holds, or None where one is missing. The next one in turn is asked first:
        of members that arrive in order all but the last are done after one look.
        """
        first = slot - slot % _GROUP
        size = min(_GROUP, width - first)
        found = list(own)
        for step in range(1, size):
            sibling = first + (slot - first + step) % size
            there: list[int] | None = await self._state.context.get(_arrived(target, level, sibling))
            if there is None:
                return None
            found += there
        return sorted(found)
