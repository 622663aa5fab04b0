"""How far a run has come, in memory: the settled-edge rules in their plainest form.

The distributed runtime settles the same edges over many small writes; this one is what it is held against.
"""

from __future__ import annotations

from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.routing import SKIPPED, Decision


class Progress:
    """The edges and nodes of one run. ``ready`` holds the nodes that can start, in the order they became ready."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._settled: dict[int, bool] = {}
        self._winner: dict[str, int] = {}
        self._started: set[str] = set()
        self.decisions: dict[str, Decision] = {}
        self.ready: list[str] = list(graph.starts)

    def start(self, node_id: str) -> tuple[int, ...]:
        """Take a ready node; the taken edges its input comes from."""
        self.ready.remove(node_id)
        self._started.add(node_id)
        if node_id in self._winner:
            return (self._winner[node_id],)
        return tuple(edge for edge in self._graph.incoming[node_id] if self._settled[edge])

    def complete(self, node_id: str, decision: Decision) -> None:
        """A node is done: settle its edges."""
        self.decisions[node_id] = decision
        for edge in self._graph.outgoing[node_id]:
            self._settled[edge] = edge in decision.taken
        for edge in self._graph.outgoing[node_id]:
            self._arrive(edge)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is running or can start."""
        return not self.ready and all(node in self.decisions for node in self._started)

    def _arrive(self, edge: int) -> None:
        target = self._graph.edges[edge].target
        if target in self._started or target in self.ready or target in self.decisions:
            return
        incoming = self._graph.incoming[target]
        if self._graph.is_any(target) and self._settled[edge]:
            self._winner[target] = edge
            self.ready.append(target)
        elif all(one in self._settled for one in incoming):
            if any(self._settled[one] for one in incoming):
                self.ready.append(target)
            else:
                self.complete(target, SKIPPED)
