"""The nodes that the runtime brings: what a loop asks, what a batch hands out and collects, what a subflow maps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.keys import output_key
from flowcraft_conformance.contract.payloads import NodeContext, NodeResult
from flowcraft_conformance.contract.protocols import Clock, IAsyncContext, IEvaluator
from flowcraft_conformance.runtime.added import WorkerDefinition
from flowcraft_conformance.runtime.durations import milliseconds
from flowcraft_conformance.runtime.execution import BuiltIn, Executed
from flowcraft_conformance.runtime.graph import GATHER, SCATTER, WORKER_PREFIX, Graph
from flowcraft_conformance.runtime.instances import added_name
from flowcraft_conformance.runtime.loops import BREAK, CONTINUE, CONTROLLER
from flowcraft_conformance.runtime.parts import SUBFLOW, SUBFLOW_ENTRY
from flowcraft_conformance.runtime.routing import Decision, variables
from flowcraft_conformance.runtime.scopes import scoped
from flowcraft_conformance.runtime.tracked import TrackedContext

Decided = Callable[[str], Awaitable[Decision | None]]
"""What became of an instance."""

SLEEP = "sleep"
COLLECTING_NODES = (GATHER, SUBFLOW, SUBFLOW_ENTRY)
"""Values of ``uses`` whose nodes only carry values from one place of the state to another."""


async def collect(graph: Graph, instance: str, value: Any, context: IAsyncContext, decided: Decided) -> Executed:
    """Run a node that only carries values; ``context`` is the whole state of the run."""
    uses = graph.node(instance).uses
    if uses == GATHER:
        return await _gather(graph, instance, context, decided)
    if uses == SUBFLOW:
        return await _leave(graph, instance, context)
    return await _enter(graph, instance, value, context)


async def _gather(graph: Graph, instance: str, context: IAsyncContext, decided: Decided) -> Executed:
    """The results of a batch in the order of its items, as output and under ``params.outputKey``."""
    node = graph.node(instance)
    scatter = graph.scatter_of(instance)
    decision = await decided(scatter)
    count = 0 if decision is None else decision.added
    results = [await context.get(WORKER_PREFIX + added_name(scatter, position)) for position in range(count)]
    state = TrackedContext(scoped(context, graph.scope(instance)))
    if node.params.get("outputKey"):
        await state.set(node.params["outputKey"], results)
    return Executed(NodeResult(results), state, (node.id,))


async def _enter(graph: Graph, instance: str, value: Any, context: IAsyncContext) -> Executed:
    """Fill the state of a subflow: by ``params.inputs``, child key -> parent key, or with its input for its starts."""
    node = graph.node(instance)
    outside = scoped(context, graph.outer_scope(instance))
    state = TrackedContext(scoped(context, graph.scope(instance)))
    inputs: Mapping[str, str] | None = node.params.get("inputs")
    for inner, outer in (inputs or {}).items():
        await state.set(inner, await _key_or_output(outside, outer))
    return Executed(NodeResult(value if inputs is None else None), state, (node.id,))


async def _leave(graph: Graph, instance: str, context: IAsyncContext) -> Executed:
    """Take from the state of a subflow: by ``params.outputs``, parent key -> child key; its output is that of its ends.

    Where one node has nothing behind it the output is that node's, else a dict of those that ran, by id.
    """
    node = graph.node(instance)
    inside = scoped(context, graph.inner_scope(node.id, graph.place(instance).visit))
    state = TrackedContext(scoped(context, graph.scope(instance)))
    outputs: Mapping[str, str] | None = node.params.get("outputs")
    for outer, inner in (outputs or {}).items():
        given = output_key(inner)
        await state.set(outer, await inside.get(given if await inside.has(given) else inner))
    ends = {graph.local(end): output_key(graph.local(end)) for end in graph.last(node.id)}
    if len(ends) == 1:
        return Executed(NodeResult(await inside.get(*ends.values())), state, (node.id,))
    ran = {name: await inside.get(key) for name, key in ends.items() if await inside.has(key)}
    return Executed(NodeResult(ran), state, (node.id,))


async def _key_or_output(context: IAsyncContext, name: str) -> Any:
    if await context.has(name):
        return await context.get(name)
    return await context.get(output_key(name))


def built_in(clock: Clock, evaluator: IEvaluator) -> Mapping[str, BuiltIn]:
    """The node functions that need no entry in a registry."""
    return {
        SLEEP: partial(_sleep, clock),
        CONTROLLER: partial(_control_loop, evaluator),
        SCATTER: _scatter,
    }


async def _sleep(clock: Clock, node: NodeDefinition, given: NodeContext) -> Any:  # noqa: ARG001 - as all of them
    """Take ``params.duration``; its output is its input."""
    await clock.sleep(milliseconds(given.params.get("duration", 0)) / 1000)
    return given.input


async def _control_loop(evaluator: IEvaluator, node: NodeDefinition, given: NodeContext) -> NodeResult:  # noqa: ARG001
    """``continue`` while ``params.condition`` holds, else ``break``.

    The condition sees the context's keys by name and the controller's ``input``; its output is its input.
    """
    condition = given.params["condition"]
    known = await variables(condition, {"input": given.input}, given.context)
    return NodeResult(given.input, CONTINUE if evaluator.evaluate(condition, known) else BREAK)


async def _scatter(node: NodeDefinition, given: NodeContext) -> NodeResult:
    """A node that uses ``params.workerUsesKey`` for each item of its input.

    Raises:
        TypeError: the input is no list.
    """
    items = [] if given.input is None else given.input
    if not isinstance(items, list):
        raise TypeError(f"the input of a batch is a list, this is {type(items).__name__}; set 'inputs' to its key")
    workers = tuple(
        WorkerDefinition(added_name(node.id, position), given.params["workerUsesKey"], item=item)
        for position, item in enumerate(items)
    )
    return NodeResult({"gatherNodeId": given.params["gatherNodeId"], "hasMore": False}, dynamic_nodes=workers)
