"""Which edges a completed node takes, and what they carry: decided once, and stored with the output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.contract.blueprint import EdgeDefinition
from flowcraft_conformance.contract.keys import OUTPUTS_PREFIX
from flowcraft_conformance.contract.payloads import NodeResult
from flowcraft_conformance.contract.protocols import IAsyncContext, IEvaluator
from flowcraft_conformance.runtime.expressions import names_in
from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.values import json_copy, public_state


class RoutingError(ValueError):
    """A condition or transform that failed; the text names the edge."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a node.

    ``values``: by edge, what a transform made of the output; ``skipped``: it can no longer run; ``failure``: why it has
    failed for good; ``added``: so many nodes were added to the run, ``chunk`` of them at a time.
    """

    taken: tuple[int, ...] = ()
    values: Mapping[int, Any] = field(default_factory=dict)
    skipped: bool = False
    failure: str | None = None
    added: int = 0
    chunk: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        if self.skipped:
            return {"skipped": True}
        if self.failure is not None:
            return {"failed": self.failure}
        stored: dict[str, Any] = {"taken": list(self.taken)}
        if self.values:
            stored["values"] = {str(edge): value for edge, value in self.values.items()}
        if self.added:
            stored |= {"added": self.added, "chunk": self.chunk}
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Decision:
        """The inverse of :meth:`to_json`."""
        values = {int(edge): value for edge, value in stored.get("values", {}).items()}
        return cls(
            tuple(stored.get("taken", ())),
            values,
            bool(stored.get("skipped")),
            stored.get("failed"),
            stored.get("added", 0),
            stored.get("chunk", 0),
        )


SKIPPED = Decision(skipped=True)


async def route(
    graph: Graph, node_id: str, result: NodeResult, context: IAsyncContext, evaluator: IEvaluator
) -> Decision:
    """The edges with the result's action, else those without one; each only if its condition holds (FLOW-ROUTE-01).

    ``context`` is the state as the node sees it, with its own changes.

    Raises:
        RoutingError: a condition or transform failed.
    """
    edges = graph.routes(node_id) if graph.added(node_id) is None else ()
    routing = _Routing(graph, result, context, evaluator)
    taken: list[int] = []
    if result.action is not None:
        taken = await routing.holding(edge for edge in edges if graph.edges[edge].action == result.action)
    if not taken:
        taken = await routing.holding(edge for edge in edges if graph.edges[edge].action is None)
    values = {edge: await routing.transformed(edge) for edge in taken if graph.edges[edge].transform is not None}
    return Decision(tuple(taken), values)


class _Routing:
    def __init__(self, graph: Graph, result: NodeResult, context: IAsyncContext, evaluator: IEvaluator) -> None:
        self._graph = graph
        self._context = context
        self._evaluator = evaluator
        self._own = {
            "result": {"output": result.output, "action": result.action},
            "input": result.output,
            "output": result.output,
        }

    async def holding(self, edges: Iterable[int]) -> list[int]:
        return [edge for edge in edges if await self._holds(edge)]

    async def transformed(self, edge: int) -> Any:
        definition = self._graph.edges[edge]
        assert definition.transform is not None
        return await self._evaluate(definition, "transform", definition.transform)

    async def _holds(self, edge: int) -> bool:
        definition = self._graph.edges[edge]
        if definition.condition is None:
            return True
        return bool(await self._evaluate(definition, "condition", definition.condition))

    async def _evaluate(self, edge: EdgeDefinition, what: str, expression: str) -> Any:
        known = await variables(expression, self._own, self._context)
        try:
            return json_copy(self._evaluator.evaluate(expression, known))
        except Exception as error:
            raise RoutingError(
                f"edge {edge.source!r} -> {edge.target!r}: its {what} {expression!r} failed: {error}"
            ) from error


async def variables(expression: str, own: Mapping[str, Any], context: IAsyncContext) -> dict[str, Any]:
    """What an expression can look at: ``own``, and of the state only what it names; an absent key is None.

    ``context`` is the whole state; the output of a node is there under the node's id too, where no key has that name.
    """
    found: dict[str, Any] = dict(own)
    for name in sorted(names_in(expression)):
        if name == "context":
            state = public_state(await context.to_dict())
            outputs = {key.removeprefix(OUTPUTS_PREFIX): value for key, value in state.items() if _is_output(key)}
            found[name] = {**outputs, **state}
        elif name not in found:
            found[name] = await context.get(name)
    return found


def _is_output(key: str) -> bool:
    return key.startswith(OUTPUTS_PREFIX)
