"""How far a run has come, in memory: the settled-edge rules in their plainest form.

The distributed runtime settles the same edges over many small writes; this one is what it is held against.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.instances import added_name
from flowcraft_conformance.runtime.routing import SKIPPED, Decision


@dataclass(slots=True)
class _Adding:
    """An instance that waits for what it has added: ``started`` of them, of which ``running`` are not done."""

    decision: Decision
    started: int = 0
    running: int = 0


class Progress:
    """The edges and nodes of one run. ``ready`` holds what can start, in the order in which it became ready."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._settled: dict[tuple[str, int], bool] = {}
        self._sources: dict[tuple[str, int], str] = {}
        self._winner: dict[str, int] = {}
        self._started: set[str] = set()
        self._adding: dict[str, _Adding] = {}
        self.decisions: dict[str, Decision] = {}
        self.ready: list[str] = list(graph.starts)

    def start(self, instance: str) -> tuple[int, ...]:
        """Take what is ready; the taken edges its input comes from."""
        self.ready.remove(instance)
        self._started.add(instance)
        if instance in self._winner:
            return (self._winner[instance],)
        return tuple(edge for edge in self._graph.incoming[instance] if self._settled[instance, edge])

    def complete(self, instance: str, decision: Decision) -> None:
        """An instance is done: settle its edges, or start what it has added."""
        self.decisions[instance] = decision
        if decision.added:
            self._adding[instance] = _Adding(decision)
            self._start_chunk(instance)
        else:
            self._leave(instance, decision)

    def source(self, edge: int, instance: str) -> str:
        """Where a settled edge came from."""
        return self._sources[instance, edge]

    def _leave(self, instance: str, decision: Decision) -> None:
        added = self._graph.added(instance)
        if added is not None:
            self._one_less(added[0])
            return
        edges = [(self._graph.target(edge, instance), edge) for edge in self._graph.followed(instance, decision.taken)]
        for target, edge in edges:
            self._settled[target, edge] = edge in decision.taken
            self._sources[target, edge] = instance
        for target, edge in edges:
            self._arrive(target, edge)

    def _start_chunk(self, instance: str) -> None:
        adding = self._adding[instance]
        last = min(adding.started + adding.decision.chunk, adding.decision.added)
        adding.running = last - adding.started
        self.ready += [added_name(instance, position) for position in range(adding.started, last)]
        adding.started = last

    def _one_less(self, instance: str) -> None:
        """One of the added is done, and with the last one of all the instance itself."""
        adding = self._adding[instance]
        adding.running -= 1
        if adding.running:
            return
        if adding.started < adding.decision.added:
            self._start_chunk(instance)
        else:
            self._leave(instance, adding.decision)

    def _arrive(self, target: str, edge: int) -> None:
        if target in self._started or target in self.ready or target in self.decisions:
            return
        incoming = self._graph.incoming[target]
        if self._graph.is_any(target) and self._settled[target, edge]:
            self._winner[target] = edge
            self.ready.append(target)
        elif all((target, one) in self._settled for one in incoming):
            if any(self._settled[target, one] for one in incoming):
                self.ready.append(target)
            else:
                self.complete(target, SKIPPED)
