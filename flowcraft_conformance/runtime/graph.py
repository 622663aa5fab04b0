"""A blueprint as the runtime walks it: every question about its shape answered from tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowcraft_conformance.contract.blueprint import EdgeDefinition, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.contract.keys import output_key
from flowcraft_conformance.runtime.instances import ENTRY, Place, added_in, name_of, visit_in
from flowcraft_conformance.runtime.loops import CONTINUE, CONTROLLER
from flowcraft_conformance.runtime.parts import parts_of, waits_for_all

END = ""
"""The virtual ``all`` join behind everything that must settle before a run is complete; no node has an empty id."""

WAITING_NODES = ("wait", "webhook")
SCATTER = "batch-scatter"
GATHER = "batch-gather"

SCOPE_PREFIX = "_sub."
WORKER_PREFIX = "_worker."

_FIRST = ""


class _ByInstance(dict[str, tuple[int, ...]]):
    """Edges by node, and by instance where that is another name; those are not kept, for loops have no end."""

    def __init__(self, plain: Mapping[str, tuple[int, ...]], find: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__(plain)
        self._find = find

    def __missing__(self, instance: str) -> tuple[int, ...]:
        return self._find(instance)


class Graph:
    """The shape of one blueprint and its subflows. Edges are known by their position in the blueprint, or behind it.

    Nodes that nothing but a ``fallback`` names are no part of it, nor is what only they lead to: they run in another
    node's place, and that node's edges are followed. Where a node is asked for, an instance of one may be given.
    """

    def __init__(self, blueprint: WorkflowBlueprint, blueprints: Mapping[str, WorkflowBlueprint] | None = None) -> None:
        """Take a blueprint apart; :func:`check_blueprint` says first whether it can be run."""
        self.blueprint = blueprint
        parts = self._parts = parts_of(blueprint, blueprints or {})
        self.edges: tuple[EdgeDefinition, ...] = tuple(parts.edges)
        self.nodes: Mapping[str, NodeDefinition] = parts.nodes
        self.live = parts.live
        self.silent = frozenset(parts.silent)
        self._entering: dict[tuple[str, str], tuple[int, ...]] = {}
        leaving: dict[str, tuple[int, ...]] = dict.fromkeys(self.live, ())
        for number, edge in enumerate(self.edges):
            if edge.source in self.live and edge.target in self.live:
                group = (edge.target, parts.back.get(number, _FIRST))
                self._entering[group] = (*self._entering.get(group, ()), number)
                leaving[edge.source] += (number,)
        entering = {node: self._entering.get((node, _FIRST), ()) for node in self.live}
        self.incoming = _ByInstance(entering, self._incoming_of)
        self.outgoing = _ByInstance(leaving, lambda instance: leaving[self.place(instance).node])
        self.starts = parts.starts
        self._drawn_in: dict[tuple[str, str], int] = {}
        for number, edge in enumerate(self.edges):
            if number not in self.silent:
                group = (edge.target, parts.back.get(number, _FIRST))
                self._drawn_in[group] = self._drawn_in.get(group, 0) + 1
        self._slot = {number: slot for edges in self._entering.values() for slot, number in enumerate(edges)}
        self.final = parts.final
        self._final_slot = {node: slot for slot, node in enumerate(self.final)}
        self._inside = {
            node: frozenset(edge for edge in leaving[node] if self.edges[edge].action == CONTINUE)
            for node in self.live
            if self.nodes[node].uses == CONTROLLER
        }
        self._scatters = {
            self.beside(node, self.nodes[node].params["gatherNodeId"]): node
            for node in self.live
            if self.nodes[node].uses == SCATTER
        }

    @property
    def version(self) -> object:
        """The version a run is bound to, or None."""
        return self.blueprint.metadata.get("version")

    # Instances

    def place(self, instance: str) -> Place:
        """The node and the visit of an instance; raises LookupError where there is no such node."""
        if instance in self.nodes:
            return Place(instance, (1,) * len(self._parts.nest[instance]))
        if (added := added_in(instance)) is not None:
            return self.place(added[0])
        visited = visit_in(instance)
        if visited is None or len(self._parts.nest.get(visited[0], ())) != len(visited[1]):
            raise LookupError(f"blueprint {self.blueprint.id!r} has no node {instance!r}")
        return Place(*visited)

    def knows(self, instance: str) -> bool:
        """Whether a job for this instance can be one of the blueprint's."""
        try:
            return self.place(instance).node in self.live
        except LookupError:
            return False

    def added(self, instance: str) -> tuple[str, int] | None:
        """Of an added node the instance that added it, and the position there."""
        return None if instance in self.nodes else added_in(instance)

    def node(self, instance: str) -> NodeDefinition:
        """The definition of a node of the blueprint; of an added node, that of the one which added it."""
        return self.nodes[self.place(instance).node]

    def nest(self, node: str) -> tuple[str, ...]:
        """The controllers of the loops around a node of the blueprint, the outer first."""
        return self._parts.nest[node]

    def loops_in(self, around: tuple[str, ...]) -> list[str]:
        """The controllers of the loops directly inside these."""
        return [loop for loop in self._inside if self._parts.nest[loop] == (*around, loop)]

    def target(self, edge: int, source: str) -> str:
        """The instance that an edge leads to from this one."""
        ends = self.edges[edge]
        around = self._parts.nest[ends.target]
        loop = self._parts.back.get(edge)
        if not around:
            return ends.target
        visit = self.place(source).visit
        if loop is None:
            kept = visit[: _common(self._parts.nest[ends.source], around)]
        else:
            depth = around.index(loop)
            kept = (*visit[:depth], visit[depth] + 1)
        return name_of(ends.target, kept + (1,) * (len(around) - len(kept)))

    def source(self, edge: int, target: str) -> str | None:
        """The instance that an edge into this one comes from; None where only the run knows: it comes out of a loop."""
        ends = self.edges[edge]
        around = self._parts.nest[ends.source]
        if not around:
            return ends.source
        if self.leaves(edge):
            return None
        visit = self.place(target).visit
        loop = self._parts.back.get(edge)
        if loop is None:
            return name_of(ends.source, visit[: len(around)])
        depth = len(around) - 1
        return name_of(ends.source, (*visit[:depth], visit[depth] - 1))

    def leaves(self, edge: int) -> bool:
        """Whether the edge comes out of a loop, at a visit that only the run knows."""
        ends = self.edges[edge]
        around = self._parts.nest[ends.source]
        loop = self._parts.back.get(edge)
        shared = _common(around, self._parts.nest[ends.target]) if loop is None else around.index(loop) + 1
        return len(around) > shared

    # Edges

    def followed(self, instance: str, taken: tuple[int, ...]) -> tuple[int, ...]:
        """The edges that are settled once the instance has taken these: of a controller those of the way it goes."""
        edges = self.outgoing[instance]
        inside = self._inside.get(self.place(instance).node) if self._inside else None
        if not inside:
            return edges
        goes_on = not inside.isdisjoint(taken)
        return tuple(edge for edge in edges if (edge in inside) is goes_on)

    def goes_on(self, instance: str, taken: tuple[int, ...]) -> bool:
        """Whether it is a controller that has begun another iteration."""
        return bool(self._inside) and not self._inside.get(self.place(instance).node, frozenset()).isdisjoint(taken)

    def routes(self, instance: str) -> tuple[int, ...]:
        """The edges that the instance can take."""
        return tuple(edge for edge in self.outgoing[instance] if edge not in self.silent)

    def is_any(self, instance: str) -> bool:
        """Whether the node runs at the first taken edge."""
        return instance != END and not waits_for_all(self.node(instance))

    def is_join(self, instance: str) -> bool:
        """Whether several edges have to be settled before the node, or the end, is."""
        return self.width(instance) > 1

    def gives_dict(self, instance: str) -> bool:
        """Whether the input is a dict by source: an ``all`` join with several edges drawn into it."""
        if self.added(instance) is not None or self.node(instance).config.join_strategy == "any":
            return False
        node, _ = self.place(instance)
        return self._drawn_in.get((node, self._group(instance)), 0) > 1

    def width(self, instance: str) -> int:
        """How many edges lead into the node, or how many nodes the end waits for."""
        return len(self.final) if instance == END else len(self.incoming[instance])

    def slot(self, edge: int) -> int:
        """The position of an edge among those into its target."""
        return self._slot[edge]

    def final_slot(self, instance: str) -> int | None:
        """The position of a node among those the end waits for."""
        return self._final_slot.get(self.place(instance).node)

    # State

    def scope(self, instance: str) -> str:
        """What the keys that the instance sees begin with: nothing, or the part of the state that is its subflow's."""
        node, visit = self.place(instance)
        return self.inner_scope(self._parts.scope[node], visit)

    def inner_scope(self, subflow: str, visit: tuple[int, ...]) -> str:
        """The scope within a visit of a subflow's node, "" for the run itself."""
        if not subflow:
            return ""
        return f"{SCOPE_PREFIX}{name_of(subflow, visit[: len(self._parts.nest[subflow])])}."

    def outer_scope(self, entry: str) -> str:
        """The scope around a subflow, as the node where it begins finds it."""
        node, visit = self.place(entry)
        return self.inner_scope(self._parts.scope[self.subflow_of(node)], visit)

    def output_key(self, node: str, instance: str) -> str:
        """The key of the output of a node of the blueprint, as this instance finds it."""
        scope = self.inner_scope(self._parts.scope[node], self.place(instance).visit)
        return scope + output_key(self._parts.local[node])

    def beside(self, node: str, local: str) -> str:
        """The id that a node would have here whose id in the same blueprint is ``local``."""
        return node.removesuffix(self._parts.local[node]) + local

    def local(self, node: str) -> str:
        """The id of a node in its own blueprint."""
        return self._parts.local[node]

    def subflow_of(self, entry: str) -> str:
        """The node of the subflow that begins here."""
        return entry.removesuffix(ENTRY)

    def last(self, subflow: str) -> tuple[str, ...]:
        """The nodes of a subflow that nothing of it lies behind."""
        return self._parts.last[subflow]

    def owner(self, instance: str) -> str:
        """The node of the run's own blueprint that an instance belongs to: its subflow's, its batch's or itself."""
        node, _ = self.place(instance)
        while self._parts.scope[node]:
            node = self._parts.scope[node]
        return node

    def scatter_of(self, gather: str) -> str:
        """The instance of the scatter whose results this instance of a gather collects."""
        node, visit = self.place(gather)
        return name_of(self._scatters[node], visit)

    def is_worker(self, instance: str) -> bool:
        """Whether the instance is one item of a batch."""
        added = self.added(instance)
        return added is not None and self.added(added[0]) is None and self.node(instance).uses == SCATTER

    def _incoming_of(self, instance: str) -> tuple[int, ...]:
        if self.added(instance) is not None:
            return ()
        node, _ = self.place(instance)
        return self._entering.get((node, self._group(instance)), ())

    def _group(self, instance: str) -> str:
        """Which edges lead into a visit: those of the innermost loop that has begun it anew, or those from before."""
        node, visit = self.place(instance)
        for loop, number in zip(reversed(self._parts.nest[node]), reversed(visit), strict=True):
            if number > 1 and (node, loop) in self._entering:
                return loop
        return _FIRST


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many loops two nodes share."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
