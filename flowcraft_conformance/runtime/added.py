"""Nodes that are added to a run: what of them is stored, and how many are started at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.keys import output_key
from flowcraft_conformance.contract.payloads import NodeResult, SetOp
from flowcraft_conformance.runtime.graph import SCATTER, WORKER_PREFIX, Graph
from flowcraft_conformance.runtime.routing import Decision
from flowcraft_conformance.runtime.values import json_copy

ADDED_PREFIX = "_added."
_SMALLEST_GROUP = 32
_MOST_GROUPS = 16
"""Keys for the added nodes of one commit: a patch has room for 25 operations at least."""
_SLEEP = "sleep"


@dataclass(frozen=True, slots=True)
class WorkerDefinition(NodeDefinition):
    """A node that does one item of a batch; the item is its input."""

    item: Any = None


def definition_to_json(node: NodeDefinition) -> dict[str, Any]:
    """As it is stored."""
    wire = node.to_dict()
    return {**wire, "item": node.item} if isinstance(node, WorkerDefinition) else wire


def definition_from_json(stored: Mapping[str, Any]) -> NodeDefinition:
    """The inverse of :func:`definition_to_json`."""
    if "item" in stored:
        return WorkerDefinition(stored["id"], stored["uses"], item=stored["item"])
    return NodeDefinition.from_dict(stored)


def with_added(graph: Graph, instance: str, decision: Decision, result: NodeResult) -> Decision:
    """The decision of an instance that has added nodes."""
    count = len(result.dynamic_nodes)
    return replace(decision, added=count, chunk=chunk_of(graph, instance, count)) if count else decision


def check_added(graph: Graph, instance: str, result: NodeResult, registry: Collection[str]) -> None:
    """See whether the nodes that an instance adds can be run.

    Raises:
        ValueError: one has no id of its own, no implementation, or a fallback; or its place is taken.
    """
    seen: set[str] = set()
    adding = graph.place(instance).node
    if result.dynamic_nodes:
        for taken in (name for name in graph.nodes if name.startswith(f"{instance}[") and name.endswith("]")):
            raise ValueError(f"it adds nodes, and the blueprint has a node {taken!r}, which looks like one of them")
    for node in result.dynamic_nodes:
        if not isinstance(node, NodeDefinition):
            raise ValueError(f"dynamic_nodes holds NodeDefinitions, this is {node!r}")  # noqa: TRY004
        if not node.id or node.id in seen or graph.beside(adding, node.id) in graph.nodes:
            raise ValueError(
                f"it added a node with the id {node.id!r}, which is empty or another node's; choose another"
            )
        if node.uses not in registry and node.uses != _SLEEP:
            raise ValueError(
                f"it added node {node.id!r} with uses {node.uses!r}: what is added is in the registry, or sleeps; "
                "loops, batches, subflows and waits belong into a blueprint"
            )
        if node.config.fallback is not None:
            raise ValueError(f"it added node {node.id!r} with a fallback, which only nodes of a blueprint can have")
        seen.add(node.id)


def added_output_key(graph: Graph, instance: str, node: NodeDefinition) -> str:
    """The key of an added node's output; of an item of a batch it is the runtime's own."""
    if graph.is_worker(instance):
        return WORKER_PREFIX + instance
    return graph.scope(instance) + output_key(node.id)


def chunk_of(graph: Graph, instance: str, count: int) -> int:
    """How many of the added nodes may be at work at the same time: all, or as many as a scatter says."""
    node = graph.node(instance)
    size = node.params.get("chunkSize") if node.uses == SCATTER and graph.added(instance) is None else None
    return min(int(size), count) if size else count


def group_size(count: int) -> int:
    """How many definitions share one key."""
    return max(_SMALLEST_GROUP, -(-count // _MOST_GROUPS))


def group_key(instance: str, group: int) -> str:
    """The key of some of the nodes that an instance added."""
    return f"{ADDED_PREFIX}{instance}.{group}"


def stored(instance: str, nodes: Sequence[NodeDefinition]) -> list[SetOp]:
    """What is written to add the nodes; raises TypeError or ValueError where one is no JSON."""
    size = group_size(len(nodes))
    return [
        SetOp(
            group_key(instance, first // size), [json_copy(definition_to_json(n)) for n in nodes[first : first + size]]
        )
        for first in range(0, len(nodes), size)
    ]
