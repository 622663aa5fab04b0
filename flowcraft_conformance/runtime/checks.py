"""Whether a blueprint can be run, said before it is: each refusal names the place and the way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from flowcraft_conformance.contract.blueprint import BlueprintError, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.contract.protocols import IEvaluator
from flowcraft_conformance.runtime.built_in import SLEEP
from flowcraft_conformance.runtime.durations import milliseconds
from flowcraft_conformance.runtime.graph import GATHER, SCATTER, WAITING_NODES, Graph
from flowcraft_conformance.runtime.instances import visit_in
from flowcraft_conformance.runtime.loops import CONTROLLER, Loop, find_loops, nests
from flowcraft_conformance.runtime.parts import SUBFLOW
from flowcraft_conformance.runtime.state import is_reserved

SHAPING_NODES = (CONTROLLER, SCATTER, GATHER, SUBFLOW)
"""Values of ``uses`` that stand for a part of the graph's shape: no registry can have them."""
BUILT_IN_NODES = (*WAITING_NODES, SLEEP, *SHAPING_NODES)
"""Values of ``uses`` that need no entry in the registry."""


def check_blueprint(
    blueprint: WorkflowBlueprint,
    registry: Collection[str],
    evaluator: IEvaluator,
    *,
    blueprints: Mapping[str, WorkflowBlueprint] | None = None,
    strict: bool = False,
) -> None:
    """See whether a blueprint can be run; ``blueprints`` are those that its subflows can name.

    Raises:
        BlueprintError: it has no nodes, two nodes with one id, an edge or a fallback that leads nowhere, a cycle that
            is no loop, a node without an implementation, an expression that cannot be read, a loop, batch, subflow or
            sleep that is not drawn as it must be, or (``strict``) a node that can never run; the text names the place.
    """
    _Check(registry, evaluator, blueprints or {}, strict).check(blueprint, ())


class _Check:
    def __init__(
        self,
        registry: Collection[str],
        evaluator: IEvaluator,
        blueprints: Mapping[str, WorkflowBlueprint],
        strict: bool,
    ) -> None:
        self._registry = registry
        self._evaluator = evaluator
        self._blueprints = blueprints
        self._strict = strict

    def check(self, blueprint: WorkflowBlueprint, around: tuple[str, ...]) -> None:
        """One blueprint, and those of its subflows; ``around`` are the blueprints it is a part of."""
        name = f"blueprint {blueprint.id!r}"
        self._check_nodes(blueprint, name)
        self._check_edges(blueprint, name)
        _check_fallbacks(blueprint, name)
        loops = find_loops(blueprint)
        for one in blueprint.nodes:
            place = f"{name}: node {one.id!r}"
            if one.uses == CONTROLLER:
                self._check_condition(one, place)
            elif one.uses == SLEEP and one.uses not in self._registry:
                _check_sleep(one, place)
            elif one.uses == SUBFLOW:
                self._check_subflow(one, place, (*around, blueprint.id))
        _check_cycles(blueprint, loops, name)
        self._check_batches(blueprint, loops, name)
        graph = Graph(blueprint, self._blueprints)
        _check_names(blueprint, graph, name)
        if not graph.starts:
            raise BlueprintError(f"{name}: no node can start: each is a fallback or behind one")
        idle = [one.id for one in blueprint.nodes if one.id not in graph.live and not _is_fallback(blueprint, one.id)]
        if self._strict and idle:
            raise BlueprintError(f"{name}: node {idle[0]!r} can never run: only a fallback leads to it")

    def _check_nodes(self, blueprint: WorkflowBlueprint, name: str) -> None:
        if not blueprint.nodes:
            raise BlueprintError(f"{name} has no nodes")
        counts = Counter(node.id for node in blueprint.nodes)
        for node in blueprint.nodes:
            if not node.id:
                raise BlueprintError(f"{name}: a node has an empty id")
            if counts[node.id] > 1:
                raise BlueprintError(f"{name}: {counts[node.id]} nodes have the id {node.id!r}")
            if node.uses in SHAPING_NODES and node.uses in self._registry:
                raise BlueprintError(
                    f"{name}: node {node.id!r} uses {node.uses!r}, which is the runtime's own and in the registry "
                    "too; give the one in the registry another name"
                )
            if node.uses not in self._registry and node.uses not in BUILT_IN_NODES:
                raise BlueprintError(
                    f"{name}: node {node.id!r} uses {node.uses!r}, which is not in the registry "
                    f"({', '.join(sorted(self._registry)[:8]) or 'it is empty'})"
                )

    def _check_edges(self, blueprint: WorkflowBlueprint, name: str) -> None:
        known = {node.id for node in blueprint.nodes}
        for edge in blueprint.edges:
            place = f"{name}: edge {edge.source!r} -> {edge.target!r}"
            for end in (edge.source, edge.target):
                if end not in known:
                    raise BlueprintError(f"{place}: there is no node {end!r}")
            for what, expression in (("condition", edge.condition), ("transform", edge.transform)):
                self._check_expression(expression, f"{place}: its {what}")

    def _check_expression(self, expression: str | None, place: str) -> None:
        check = getattr(self._evaluator, "check", None)
        if expression is not None and check is not None:
            try:
                check(expression)
            except ValueError as error:
                raise BlueprintError(f"{place} cannot be read: {error}") from error

    def _check_condition(self, node: NodeDefinition, place: str) -> None:
        condition = node.params.get("condition")
        if not isinstance(condition, str) or not condition.strip():
            raise BlueprintError(
                f"{place}: a loop goes on while params.condition holds, an expression such as 'count < 3'; "
                f"this is {condition!r}"
            )
        self._check_expression(condition, f"{place}: its condition")

    def _check_subflow(self, node: NodeDefinition, place: str, around: tuple[str, ...]) -> None:
        child = node.params.get("blueprintId")
        if not isinstance(child, str) or child not in self._blueprints:
            there = ", ".join(map(repr, sorted(self._blueprints)[:8])) or "none"
            raise BlueprintError(
                f"{place}: params.blueprintId names the blueprint of the subflow; there is no {child!r} (there is "
                f"{there})"
            )
        if child in around:
            raise BlueprintError(f"{place}: blueprint {child!r} would be a part of itself; a subflow cannot recur")
        if node.config.max_retries > 1 or node.config.timeout is not None or node.config.fallback is not None:
            raise BlueprintError(
                f"{place}: a subflow has no maxRetries, timeout or fallback of its own; give them to nodes of {child!r}"
            )
        for what in ("inputs", "outputs"):
            _check_key_map(node.params.get(what), f"{place}: params.{what}")
        self.check(self._blueprints[child], around)

    def _check_batches(self, blueprint: WorkflowBlueprint, loops: Sequence[Loop], name: str) -> None:
        nodes = {node.id: node for node in blueprint.nodes}
        around = nests(loops, nodes)
        scatters: dict[str, str] = {}
        for node in blueprint.nodes:
            if node.uses != SCATTER:
                continue
            place = f"{name}: node {node.id!r}"
            gather = self._check_scatter(node, nodes, place)
            if gather in scatters:
                raise BlueprintError(
                    f"{place}: {gather!r} gathers for {scatters[gather]!r} already; give each scatter its own"
                )
            if not any((edge.source, edge.target) == (node.id, gather) for edge in blueprint.edges):
                raise BlueprintError(f"{place}: no edge leads to its {gather!r}; draw {node.id!r} -> {gather!r}")
            if around[node.id] != around[gather] or any(loop.header == gather for loop in loops):
                raise BlueprintError(f"{place}: a loop begins between it and {gather!r}; let none begin at {gather!r}")
            scatters[gather] = node.id
        for node in blueprint.nodes:
            if node.uses == GATHER:
                _check_gather(node, scatters, f"{name}: node {node.id!r}")

    def _check_scatter(self, node: NodeDefinition, nodes: Mapping[str, NodeDefinition], place: str) -> str:
        """The gather of a scatter."""
        worker, gather, size = (node.params.get(key) for key in ("workerUsesKey", "gatherNodeId", "chunkSize"))
        if worker not in self._registry:
            raise BlueprintError(
                f"{place}: params.workerUsesKey names what runs for each item; {worker!r} is not in the registry "
                f"({', '.join(sorted(self._registry)[:8]) or 'it is empty'})"
            )
        if not isinstance(gather, str) or gather not in nodes or nodes[gather].uses != GATHER:
            raise BlueprintError(f"{place}: params.gatherNodeId names a node that uses {GATHER!r}, not {gather!r}")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise BlueprintError(f"{place}: params.chunkSize is a whole number from 1, this is {size!r}")
        return gather


def _check_gather(node: NodeDefinition, scatters: Collection[str], place: str) -> None:
    if node.id not in scatters:
        raise BlueprintError(f"{place}: no {SCATTER!r} names it as its params.gatherNodeId")
    key = node.params.get("outputKey")
    if key is not None and (not isinstance(key, str) or not key or is_reserved(key)):
        raise BlueprintError(f"{place}: params.outputKey is a context key of your own, this is {key!r}")


def _check_key_map(mapping: Any, place: str) -> None:
    if mapping is None:
        return
    if not isinstance(mapping, Mapping) or not all(isinstance(part, str) for pair in mapping.items() for part in pair):
        raise BlueprintError(f"{place} maps names of keys to names of keys, this is {mapping!r}")
    if taken := [key for key in mapping if is_reserved(key)]:
        raise BlueprintError(f"{place} fills {taken[0]!r}, a key that is the runtime's own; choose another name")


def _check_sleep(node: NodeDefinition, place: str) -> None:
    try:
        duration = milliseconds(node.params.get("duration", 0))
    except ValueError as error:
        raise BlueprintError(f"{place}: {error}") from None
    if node.config.timeout is not None and node.config.timeout < duration:
        raise BlueprintError(
            f"{place}: it sleeps {duration:g} ms and its timeout is {node.config.timeout:g} ms: it could never end"
        )


def _is_fallback(blueprint: WorkflowBlueprint, node_id: str) -> bool:
    return any(node.config.fallback == node_id for node in blueprint.nodes)


def _check_fallbacks(blueprint: WorkflowBlueprint, name: str) -> None:
    fallbacks = {node.id: node.config.fallback for node in blueprint.nodes}
    uses = {node.id: node.uses for node in blueprint.nodes}
    for start in fallbacks:
        passed = [start]
        while (following := fallbacks[passed[-1]]) is not None:
            if following not in fallbacks:
                raise BlueprintError(
                    f"{name}: the fallback of node {passed[-1]!r} is {following!r}, which does not exist"
                )
            if following in passed:
                chain = " -> ".join(map(repr, [*passed, following]))
                raise BlueprintError(f"{name}: the fallbacks of {chain} go round in a circle")
            if uses[following] in (*SHAPING_NODES, *WAITING_NODES):
                raise BlueprintError(
                    f"{name}: the fallback of node {passed[-1]!r} is {following!r}, which uses {uses[following]!r}; "
                    "only a node that runs by itself can run in another one's place"
                )
            passed.append(following)


def _check_cycles(blueprint: WorkflowBlueprint, loops: Sequence[Loop], name: str) -> None:
    back = {edge for loop in loops for edge in loop.back}
    before: dict[str, set[str]] = {node.id: set() for node in blueprint.nodes}
    for number, edge in enumerate(blueprint.edges):
        if number not in back:
            before[edge.target].add(edge.source)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        cycle: Sequence[str] = list(reversed(error.args[1]))
        raise BlueprintError(
            f"{name}: {' -> '.join(map(repr, cycle))} is a cycle and no loop; a loop leads through a node that uses "
            f"{CONTROLLER!r}, and back over its 'continue' edge"
        ) from None


def _check_names(blueprint: WorkflowBlueprint, graph: Graph, name: str) -> None:
    """No node may look like another one's visit, nor like a node of a subflow."""
    ids = {node.id for node in blueprint.nodes}
    for node in graph.nodes:
        if node in ids and graph.local(node) != node:
            raise BlueprintError(f"{name}: node {node!r} has the id of a node in a subflow; choose another id")
        visited = visit_in(node)
        if visited is not None and visited[0] in graph.nodes and graph.nest(visited[0]):
            raise BlueprintError(
                f"{name}: node {node!r} has the name of a visit of node {visited[0]!r}, which is in a loop; choose "
                "another id"
            )
