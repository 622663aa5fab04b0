"""A blueprint as the runtime walks it: checked once, with every question about its shape answered from tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from flowcraft_conformance.contract.blueprint import (
    BlueprintError,
    EdgeDefinition,
    NodeDefinition,
    WorkflowBlueprint,
)
from flowcraft_conformance.contract.protocols import IEvaluator

END = ""
"""The virtual ``all`` join behind everything that must settle before a run is complete; no node has an empty id."""

WAITING_NODES = ("wait", "webhook")
BUILT_IN_NODES = (*WAITING_NODES, "sleep")
"""Values of ``uses`` that need no entry in the registry."""

_NOT_YET = ("loop-controller", "batch-scatter", "batch-gather", "subflow")


class Graph:
    """The shape of one blueprint. Edges are known by their position in the blueprint.

    Nodes that nothing but a ``fallback`` names are no part of it, nor is what only they lead to: they run in another
    node's place, and that node's edges are followed.
    """

    def __init__(self, blueprint: WorkflowBlueprint) -> None:
        """Take a blueprint apart; :func:`check_blueprint` says first whether it can be run."""
        self.blueprint = blueprint
        self.edges: tuple[EdgeDefinition, ...] = blueprint.edges
        self.nodes: Mapping[str, NodeDefinition] = {node.id: node for node in blueprint.nodes}
        self.live = _live(blueprint)
        self.incoming: dict[str, tuple[int, ...]] = dict.fromkeys(self.live, ())
        self.outgoing: dict[str, tuple[int, ...]] = dict.fromkeys(self.live, ())
        for number, edge in enumerate(self.edges):
            if edge.source in self.live and edge.target in self.live:
                self.incoming[edge.target] += (number,)
                self.outgoing[edge.source] += (number,)
        self.starts = tuple(node for node in self.live if not self.incoming[node])
        self._drawn_in = _count(edge.target for edge in self.edges)
        self._slot = {number: slot for edges in self.incoming.values() for slot, number in enumerate(edges)}
        self.final = tuple(node for node in self.live if self._must_end(node))
        self._final_slot = {node: slot for slot, node in enumerate(self.final)}

    @property
    def version(self) -> object:
        """The version a run is bound to, or None."""
        return self.blueprint.metadata.get("version")

    def is_any(self, node_id: str) -> bool:
        """Whether the node runs at the first taken edge."""
        return node_id != END and self.nodes[node_id].config.join_strategy == "any"

    def is_join(self, node_id: str) -> bool:
        """Whether several edges have to be settled before the node, or the end, is."""
        return self.width(node_id) > 1

    def gives_dict(self, node_id: str) -> bool:
        """Whether the input is a dict by source: an ``all`` join with several edges drawn into it."""
        return self._drawn_in.get(node_id, 0) > 1 and not self.is_any(node_id)

    def width(self, node_id: str) -> int:
        """How many edges lead into the node, or how many nodes the end waits for."""
        return len(self.final) if node_id == END else len(self.incoming[node_id])

    def slot(self, edge: int) -> int:
        """The position of an edge among those into its target."""
        return self._slot[edge]

    def final_slot(self, node_id: str) -> int | None:
        """The position of a node among those the end waits for."""
        return self._final_slot.get(node_id)

    def _must_end(self, node_id: str) -> bool:
        """Whether the end has to wait for this node itself: nothing behind it does.

        An ``any`` join does not wait for all that lead into it.
        """
        targets = [self.edges[edge].target for edge in self.outgoing[node_id]]
        return not any(not self.is_any(target) or len(self.incoming[target]) == 1 for target in targets)


def _live(blueprint: WorkflowBlueprint) -> dict[str, None]:
    """The nodes that can run in their own place, in blueprint order."""
    substitutes = {node.config.fallback for node in blueprint.nodes}
    targets = {edge.target for edge in blueprint.edges}
    found = {node.id for node in blueprint.nodes if node.id not in targets and node.id not in substitutes}
    queue = list(found)
    following: dict[str, list[str]] = {}
    for edge in blueprint.edges:
        following.setdefault(edge.source, []).append(edge.target)
    while queue:
        for target in following.get(queue.pop(), ()):
            if target not in found:
                found.add(target)
                queue.append(target)
    return {node.id: None for node in blueprint.nodes if node.id in found}


def _count(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def check_blueprint(
    blueprint: WorkflowBlueprint, registry: Collection[str], evaluator: IEvaluator, *, strict: bool = False
) -> None:
    """See whether a blueprint can be run.

    Raises:
        BlueprintError: it has no nodes, two nodes with one id, an edge or a fallback that leads nowhere, a cycle, a
            node without an implementation, an expression that cannot be read, or (``strict``) a node that can never
            run; the text names the place.
    """
    name = f"blueprint {blueprint.id!r}"
    _check_nodes(blueprint, registry, name)
    _check_edges(blueprint, evaluator, name)
    _check_fallbacks(blueprint, name)
    _check_cycles(blueprint, name)
    graph = Graph(blueprint)
    if not graph.starts:
        raise BlueprintError(f"{name}: no node can start: each is a fallback or behind one")
    idle = [node.id for node in blueprint.nodes if node.id not in graph.live and not _is_fallback(blueprint, node.id)]
    if strict and idle:
        raise BlueprintError(f"{name}: node {idle[0]!r} can never run: only a fallback leads to it")


def _is_fallback(blueprint: WorkflowBlueprint, node_id: str) -> bool:
    return any(node.config.fallback == node_id for node in blueprint.nodes)


def _check_nodes(blueprint: WorkflowBlueprint, registry: Collection[str], name: str) -> None:
    if not blueprint.nodes:
        raise BlueprintError(f"{name} has no nodes")
    counts = _count(node.id for node in blueprint.nodes)
    for node in blueprint.nodes:
        if not node.id:
            raise BlueprintError(f"{name}: a node has an empty id")
        if counts[node.id] > 1:
            raise BlueprintError(f"{name}: {counts[node.id]} nodes have the id {node.id!r}")
        if node.uses in _NOT_YET and node.uses not in registry:
            raise BlueprintError(f"{name}: node {node.id!r} uses {node.uses!r}, which this version cannot run yet")
        if node.uses not in registry and node.uses not in BUILT_IN_NODES:
            raise BlueprintError(
                f"{name}: node {node.id!r} uses {node.uses!r}, which is not in the registry "
                f"({', '.join(sorted(registry)[:8]) or 'it is empty'})"
            )


def _check_edges(blueprint: WorkflowBlueprint, evaluator: IEvaluator, name: str) -> None:
    known = {node.id for node in blueprint.nodes}
    check = getattr(evaluator, "check", None)
    for edge in blueprint.edges:
        place = f"{name}: edge {edge.source!r} -> {edge.target!r}"
        for end in (edge.source, edge.target):
            if end not in known:
                raise BlueprintError(f"{place}: there is no node {end!r}")
        for what, expression in (("condition", edge.condition), ("transform", edge.transform)):
            if expression is not None and check is not None:
                try:
                    check(expression)
                except ValueError as error:
                    raise BlueprintError(f"{place}: its {what} cannot be read: {error}") from error


def _check_fallbacks(blueprint: WorkflowBlueprint, name: str) -> None:
    fallbacks = {node.id: node.config.fallback for node in blueprint.nodes}
    for start in fallbacks:
        passed = [start]
        while (following := fallbacks[passed[-1]]) is not None:
            if following not in fallbacks:
                raise BlueprintError(
                    f"{name}: the fallback of node {passed[-1]!r} is {following!r}, which does not exist"
                )
            if following in passed:
                raise BlueprintError(f"{name}: the fallbacks of {_chain(passed, following)} go round in a circle")
            passed.append(following)


def _check_cycles(blueprint: WorkflowBlueprint, name: str) -> None:
    before: dict[str, set[str]] = {node.id: set() for node in blueprint.nodes}
    for edge in blueprint.edges:
        before[edge.target].add(edge.source)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        cycle: Sequence[str] = list(reversed(error.args[1]))
        raise BlueprintError(f"{name}: {' -> '.join(map(repr, cycle))} is a cycle and no loop") from None


def _chain(passed: Sequence[str], last: str) -> str:
    return " -> ".join(map(repr, [*passed, last]))
