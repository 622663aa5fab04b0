"""Settling edges: what is durable decides when a join is ready, with a few small calls an edge.

The edges into a join are the leaves of a tree of groups. Whoever sees a group complete writes its parent: the list of
edges taken below it. Two that settle the last edges of a group at once both write, and then both read: at least one of
them sees the other's write (CTX-RACE-03), and both may climb, for what they write is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.contract.protocols import ICoordinationStore
from flowcraft_conformance.runtime.graph import END, Graph
from flowcraft_conformance.runtime.instances import added_name
from flowcraft_conformance.runtime.routing import SKIPPED, Decision
from flowcraft_conformance.runtime.state import RunState

_GROUP = 8


def _arrived(target: str, level: int, number: int) -> str:
    return f"_arrived.{target}.{level}.{number}"


def _winner(target: str) -> str:
    return f"_winner.{target}"


def _came(target: str, edge: int) -> str:
    return f"_came.{target}.{edge}"


def _chunk_name(adding: str, first: int) -> str:
    """What stands for the join of some of the nodes that one has added."""
    return f"{adding}[{first}:]"


def _chunk(adding: str, decision: Decision, first: int) -> list[str]:
    last = min(first + decision.chunk, decision.added)
    return [added_name(adding, position) for position in range(first, last)]


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
        are noted, and what is behind them is settled too. A node that added others is settled by the last of them.
        """
        ready: list[str] = []
        open_walks = [(node_id, decision)]
        while open_walks:
            source, decided = open_walks.pop()
            if decided.added:
                ready += _chunk(source, decided, 0)
            elif (added := self._graph.added(source)) is not None:
                more, adding = await self._settle_added(*added)
                ready += more
                open_walks += adding
            else:
                more, skipped = await self._settle_edges(source, decided)
                ready += more
                open_walks += [(name, SKIPPED) for name in skipped]
        return list(dict.fromkeys(ready))

    async def taken(self, node_id: str) -> tuple[int, ...]:
        """The edges that make the node ready, as far as is settled; none: it is not ready. Start nodes need none."""
        edges = self._graph.incoming[node_id]
        if len(edges) == 1:
            return edges if await self._is_taken(edges[0], node_id) else ()
        if self._graph.is_any(node_id):
            winner = await self._state.context.get(_winner(node_id))
            return () if winner is None else (winner,)
        slots: list[int] | None = await self._state.context.get(_arrived(node_id, _top(len(edges)), 0))
        return tuple(edges[slot] for slot in slots or ())

    async def source(self, edge: int, node_id: str) -> str | None:
        """The instance that a taken edge into the node comes from; None where it has not been taken."""
        known = self._graph.source(edge, node_id)
        return known if known is not None else await self._state.context.get(_came(node_id, edge))

    async def started(self, node_id: str, decision: Decision) -> range:
        """The positions of those added nodes that have been started, and that are not known to be done."""
        first = 0
        while first + decision.chunk < decision.added and await self._is_full(node_id, decision, first):
            first += decision.chunk
        if await self._is_full(node_id, decision, first):
            return range(0)
        return range(first, min(first + decision.chunk, decision.added))

    async def is_started(self, node_id: str, position: int, decision: Decision) -> bool:
        """Whether it is the turn of one of the nodes that a node has added."""
        if position >= decision.added:
            return False
        first = position - position % decision.chunk
        return first == 0 or await self._is_full(node_id, decision, first - decision.chunk)

    async def _is_full(self, node_id: str, decision: Decision, first: int) -> bool:
        """Whether the nodes of a chunk are done."""
        width = min(decision.chunk, decision.added - first)
        return await self._state.context.has(_arrived(_chunk_name(node_id, first), _top(width), 0))

    async def _is_taken(self, edge: int, node_id: str) -> bool:
        """Whether the one edge into a node is taken; not before all is done that its source has added."""
        source = await self.source(edge, node_id)
        if source is None:
            return False
        decision = await self._state.decision(source)
        if decision is None or edge not in decision.taken:
            return False
        return not decision.added or not await self.started(source, decision)

    async def _settle_edges(self, source: str, decided: Decision) -> tuple[list[str], list[str]]:
        """Settle the edges of a node: who became ready, and who can no longer run."""
        ready: list[str] = []
        skipped: list[str] = []
        for edge in self._graph.followed(source, decided.taken):
            target = self._graph.target(edge, source)
            taken = edge in decided.taken
            if taken and self._graph.leaves(edge):
                await self._state.context.set(_came(target, edge), source)
            outcome = await self._settle(edge, target, taken)
            if outcome is True:
                ready.append(target)
            elif outcome is False:
                await self._state.skip(target)
                skipped.append(target)
        if not self._graph.goes_on(source, decided.taken) and await self._settle_end(source, ran=not decided.skipped):
            ready.append(END)
        return ready, skipped

    async def _settle_added(self, adding: str, position: int) -> tuple[list[str], list[tuple[str, Decision]]]:
        """Note that an added node is done: who is started next, or the node that added it, whose edges are due."""
        decision = await self._state.decision(adding)
        assert decision is not None  # what was added was committed with it
        first = position - position % decision.chunk
        width = min(decision.chunk, decision.added - first)
        if await self._climb(_chunk_name(adding, first), position - first, True, width) is None:
            return [], []
        following = first + decision.chunk
        if following < decision.added:
            return _chunk(adding, decision, following), []
        return [], [(adding, replace(decision, added=0))]

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
        return await self._climb(target, slot, taken, self._graph.width(target))

    async def _climb(self, target: str, slot: int, taken: bool, width: int) -> Sequence[int] | None:
        """The same for a join of this width."""
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
