"""What a node is given: fixed by the blueprint and by what is stored, never by who ran or what came first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.keys import output_key
from flowcraft_conformance.contract.protocols import IAsyncContext
from flowcraft_conformance.runtime.added import WorkerDefinition
from flowcraft_conformance.runtime.graph import Graph

Carried = Callable[[int], Awaitable[Any]]
"""What a taken edge carries: the output of its source, transformed."""


async def node_input(
    graph: Graph,
    instance: str,
    node: NodeDefinition,
    taken: Iterable[int],
    carried: Carried,
    context: IAsyncContext,
) -> Any:
    """The input of an instance whose edges ``taken`` were taken; of an ``any`` join that is the winner (FLOW-INPUT-01).

    ``context`` is the state as the node sees it. An added node has its item, or what the node gave that added it.
    """
    if node.inputs is not None:
        return await _mapped(node.inputs, context)
    if isinstance(node, WorkerDefinition):
        return node.item
    edges = sorted(taken)
    if graph.gives_dict(instance):
        # Of parallel edges the last in blueprint order.
        by_source = {graph.edges[edge].source: edge for edge in edges}
        return {graph.local(source): await carried(edge) for source, edge in by_source.items()}
    return await carried(edges[0]) if edges else None


async def _mapped(inputs: str | Mapping[str, str], context: IAsyncContext) -> Any:
    if isinstance(inputs, str):
        return await _named(inputs, context)
    return {name: await _named(key, context) for name, key in inputs.items()}


async def _named(key: str, context: IAsyncContext) -> Any:
    """A key with an underscore as it is; else the output of the node with this name, or the key."""
    if key.startswith("_"):
        return await context.get(key)
    if await context.has(output_key(key)):
        return await context.get(output_key(key))
    return await context.get(key)
