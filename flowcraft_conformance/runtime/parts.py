"""A blueprint with its subflows drawn in: flat nodes and edges, and what each of them belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowcraft_conformance.contract.blueprint import EdgeDefinition, NodeConfig, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.runtime.instances import ENTRY
from flowcraft_conformance.runtime.loops import CONTROLLER, Loop, find_loops, nests

SUBFLOW = "subflow"
SUBFLOW_ENTRY = "subflow:entry"
"""``uses`` of the node that fills the state of a subflow; no blueprint can name it."""


@dataclass(slots=True)
class Parts:
    """The tables a graph is made of. Ids are flat; edges are known by their position.

    ``silent``: edges that are never taken; the target only waits until the source is done. ``back``: by edge the
    controller whose next visit it begins. ``nest``: by node the controllers of the loops around it, the outer first.
    ``scope``: by node the subflow it is in, "" for none; ``local``: its id there. ``last``: by subflow the nodes that
    nothing of it lies behind; ``final``: what the end of it all has to wait for.
    """

    nodes: dict[str, NodeDefinition] = field(default_factory=dict)
    live: dict[str, None] = field(default_factory=dict)
    edges: list[EdgeDefinition] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)
    back: dict[int, str] = field(default_factory=dict)
    nest: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scope: dict[str, str] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)
    last: dict[str, tuple[str, ...]] = field(default_factory=dict)
    starts: tuple[str, ...] = ()
    final: tuple[str, ...] = ()


def parts_of(blueprint: WorkflowBlueprint, blueprints: Mapping[str, WorkflowBlueprint]) -> Parts:
    """Take a blueprint apart, and the subflows it names among ``blueprints``.

    Raises:
        BlueprintError: a loop that is none.
        KeyError: there is no blueprint of a subflow.
    """
    shape = _Shape(blueprint)
    parts = Parts(
        nodes={node.id: node for node in blueprint.nodes},
        live=shape.live,
        edges=list(blueprint.edges),
        back=dict(shape.back),
        nest=nests(shape.loops, (node.id for node in blueprint.nodes)),
        scope={node.id: "" for node in blueprint.nodes},
        local={node.id: node.id for node in blueprint.nodes},
        starts=shape.starts,
    )
    _wait_for_stragglers(parts, shape)
    parts.last[""] = shape.last
    if any(parts.nodes[node].uses == SUBFLOW for node in shape.live):
        _draw_subflows(parts, blueprints)
    return parts


class _Shape:
    """One blueprint by itself."""

    def __init__(self, blueprint: WorkflowBlueprint) -> None:
        self.nodes = {node.id: node for node in blueprint.nodes}
        self.loops: tuple[Loop, ...] = find_loops(blueprint)
        self.back = {edge: loop.controller for loop in self.loops for edge in loop.back}
        self.inside = {edge for loop in self.loops for edge in loop.inside}
        self.live = _live(blueprint, self.back)
        edges = dict(enumerate(blueprint.edges))
        self.edges = {
            number: edge for number, edge in edges.items() if edge.source in self.live and edge.target in self.live
        }
        entered = {edge.target for number, edge in self.edges.items() if number not in self.back}
        self.starts = tuple(node for node in self.live if node not in entered)
        ahead = {edge.source for number, edge in self.edges.items() if not self._is_inside(number)}
        self.last = tuple(node for node in self.live if node not in ahead)

    def stragglers(self) -> list[str]:
        """The nodes that nothing behind them waits for: an ``any`` join does not wait for all that lead into it."""
        widths: dict[tuple[str, str | None], int] = {}
        for number, edge in self.edges.items():
            group = (edge.target, self.back.get(number))
            widths[group] = widths.get(group, 0) + 1
        awaited = {
            edge.source
            for number, edge in self.edges.items()
            if not self._is_inside(number)
            and (waits_for_all(self.nodes[edge.target]) or widths[edge.target, self.back.get(number)] == 1)
        }
        return [node for node in self.live if node not in awaited]

    def _is_inside(self, edge: int) -> bool:
        """Whether it is a ``continue`` edge: the controller has no end before it takes another."""
        return edge in self.inside


def waits_for_all(node: NodeDefinition) -> bool:
    """Whether all edges into the node have to be settled before it is ready; a controller waits for its whole body."""
    return node.config.join_strategy == "all" or node.uses == CONTROLLER


def _live(blueprint: WorkflowBlueprint, back: Collection[int]) -> dict[str, None]:
    """The nodes that can run in their own place, in blueprint order."""
    substitutes = {node.config.fallback for node in blueprint.nodes}
    targets = {edge.target for number, edge in enumerate(blueprint.edges) if number not in back}
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


def _wait_for_stragglers(parts: Parts, shape: _Shape) -> None:
    """Whoever nothing waits for is waited for by the controller of the loop around it, or by the end."""
    headers = {loop.controller: loop.header for loop in shape.loops}
    final: list[str] = []
    for node in shape.stragglers():
        around = [loop for loop in parts.nest[node] if loop != node]
        if not around:
            final.append(node)
            continue
        if headers[around[-1]] == around[-1]:
            parts.back[len(parts.edges)] = around[-1]
        parts.silent.add(len(parts.edges))
        parts.edges.append(EdgeDefinition(node, around[-1]))
    parts.final = tuple(final)


def _draw_subflows(parts: Parts, blueprints: Mapping[str, WorkflowBlueprint]) -> None:
    live: dict[str, None] = {}
    for node in list(parts.live):
        if parts.nodes[node].uses == SUBFLOW:
            _draw(parts, node, parts_of(blueprints[parts.nodes[node].params["blueprintId"]], blueprints), live)
        live[node] = None
    parts.live = live
    parts.starts = tuple(node + ENTRY if parts.nodes[node].uses == SUBFLOW else node for node in parts.starts)


def _draw(parts: Parts, node: str, child: Parts, live: dict[str, None]) -> None:
    """Put a child between where edges into ``node`` lead and where those out of it begin."""
    entry = node + ENTRY
    definition = parts.nodes[node]
    strategy = NodeConfig(join_strategy=definition.config.join_strategy)
    parts.nodes[entry] = NodeDefinition(entry, SUBFLOW_ENTRY, definition.params, definition.inputs, strategy)
    parts.nodes[node] = replace(definition, inputs=None, config=NodeConfig())
    parts.edges[:] = [replace(edge, target=entry) if edge.target == node else edge for edge in parts.edges]
    parts.nest[entry] = parts.nest[node]
    parts.scope[entry], parts.local[entry] = node, ""
    live[entry] = None
    for one, known in child.nodes.items():
        fallback = None if known.config.fallback is None else entry + known.config.fallback
        parts.nodes[entry + one] = replace(known, id=entry + one, config=replace(known.config, fallback=fallback))
        parts.nest[entry + one] = parts.nest[node] + tuple(entry + loop for loop in child.nest[one])
        parts.scope[entry + one] = entry + child.scope[one] if child.scope[one] else node
        parts.local[entry + one] = child.local[one]
    live.update((entry + one, None) for one in child.live)
    first = len(parts.edges)
    parts.edges += [replace(edge, source=entry + edge.source, target=entry + edge.target) for edge in child.edges]
    parts.silent |= {first + edge for edge in child.silent}
    parts.back |= {first + edge: entry + loop for edge, loop in child.back.items()}
    parts.edges += [EdgeDefinition(entry, entry + start) for start in child.starts]
    parts.edges.append(EdgeDefinition(entry, node))
    _wait_for(parts, (entry + one for one in child.final), node)
    parts.last |= {entry + scope if scope else node: _prefixed(entry, last) for scope, last in child.last.items()}


def _wait_for(parts: Parts, sources: Iterable[str], target: str) -> None:
    for source in sources:
        parts.silent.add(len(parts.edges))
        parts.edges.append(EdgeDefinition(source, target))


def _prefixed(prefix: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names)
