"""The in-process runtime: one process, no queue, no store. What a run on an adapter is held against."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from flowcraft_conformance.contract.blueprint import NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.contract.keys import BLUEPRINT_ID, BLUEPRINT_VERSION
from flowcraft_conformance.contract.options import RuntimeOptions
from flowcraft_conformance.contract.payloads import (
    DeleteOp,
    NodeError,
    NodeResult,
    PatchOperation,
    SetOp,
    WorkflowResult,
)
from flowcraft_conformance.contract.protocols import IEvaluator, ISerializer
from flowcraft_conformance.runtime.added import added_output_key, check_added, definition_to_json, with_added
from flowcraft_conformance.runtime.built_in import COLLECTING_NODES, built_in, collect
from flowcraft_conformance.runtime.checks import check_blueprint
from flowcraft_conformance.runtime.execution import Executed, NodeFailedError, NodeRunner, stop
from flowcraft_conformance.runtime.expressions import SafeEvaluator
from flowcraft_conformance.runtime.graph import WAITING_NODES, Graph
from flowcraft_conformance.runtime.inputs import node_input
from flowcraft_conformance.runtime.instances import added_name
from flowcraft_conformance.runtime.parts import SUBFLOW_ENTRY
from flowcraft_conformance.runtime.progress import Progress
from flowcraft_conformance.runtime.routing import Decision, route
from flowcraft_conformance.runtime.scopes import prefixed, scoped
from flowcraft_conformance.runtime.tracked import TrackedContext
from flowcraft_conformance.runtime.values import JsonSerializer, json_copy, public_state

Answers = Mapping[str, NodeResult]
"""What waiting nodes are resumed with, by node id."""


class FlowRuntime:
    """Runs blueprints in this process."""

    def __init__(self, options: RuntimeOptions) -> None:
        self.options = options
        self._serializer: ISerializer = options.serializer or JsonSerializer()

    async def run(
        self,
        blueprint: WorkflowBlueprint | str,
        initial_context: Mapping[str, Any] | None = None,
        *,
        answers: Answers | None = None,
    ) -> WorkflowResult:
        """Run a blueprint, given or named, to its end, or to where it waits.

        Raises:
            BlueprintError: the blueprint cannot be run.
            LookupError: there is no such blueprint.
        """
        if isinstance(blueprint, str):
            if blueprint not in self.options.blueprints:
                raise LookupError(f"there is no blueprint {blueprint!r}")
            blueprint = self.options.blueprints[blueprint]
        run = FlowRun(blueprint, self.options, initial_context or {}, answers or {})
        await _concurrently(run)
        state = public_state(run.state)
        return WorkflowResult(state, self._serializer.serialize(state), run.status, tuple(run.errors))


async def _concurrently(run: FlowRun) -> None:
    """Start every node as soon as it is ready; what still runs when a node has failed may finish."""
    working: dict[asyncio.Task[Executed], str] = {}
    try:
        while run.startable or working:
            for node_id in run.startable:
                working[asyncio.ensure_future(run.execute(node_id))] = node_id
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=list(working).index):
                await run.commit(working.pop(task), task)
    finally:
        for task in working:
            await stop(task)


class FlowRun:
    """One run, a step at a time: :meth:`execute` a node, then :meth:`commit` it."""

    def __init__(
        self, blueprint: WorkflowBlueprint, options: RuntimeOptions, initial: Mapping[str, Any], answers: Answers
    ) -> None:
        self._evaluator: IEvaluator = options.evaluator or SafeEvaluator()
        known = {**options.blueprints, blueprint.id: blueprint}
        check_blueprint(blueprint, options.registry.keys(), self._evaluator, blueprints=known, strict=options.strict)
        self.graph = Graph(blueprint, known)
        self.progress = Progress(self.graph)
        self.errors: list[NodeError] = []
        self.failed_at: list[str] = []
        """By error the node of the run's own blueprint that it belongs to."""
        self.waiting: list[str] = []
        self.state: dict[str, Any] = {
            **{key: json_copy(value) for key, value in initial.items()},
            BLUEPRINT_ID: blueprint.id,
            BLUEPRINT_VERSION: self.graph.version,
        }
        self._answers = answers
        self._registry = options.registry
        self._added: dict[str, NodeDefinition] = {}
        self._runner = NodeRunner(options, built_in(options.clock, self._evaluator))

    @property
    def startable(self) -> list[str]:
        """The nodes that can start now. Taking one that waits for an answer notes it as waiting."""
        if self.errors:
            return []
        for node_id in list(self.progress.ready):
            if self._definition(node_id).uses in WAITING_NODES and self._answer(node_id) is None:
                self.progress.start(node_id)
                self.waiting.append(node_id)
        return list(self.progress.ready)

    @property
    def status(self) -> Literal["completed", "failed", "waiting"]:
        """How the run has ended, or rests."""
        if self.errors:
            return "failed"
        return "waiting" if self.waiting else "completed"

    async def execute(self, node_id: str) -> Executed:
        """Run a ready node against the state as it is now; raises NodeFailedError."""
        taken = self.progress.start(node_id)
        node, whole = self._definition(node_id), DictContext(self.state)
        context = scoped(whole, self.graph.scope(node_id))
        if (answer := self._answer(node_id)) is not None:
            return Executed(NodeResult(json_copy(answer.output), answer.action), TrackedContext(context), (node.id,))
        if node.uses == SUBFLOW_ENTRY:
            context = scoped(whole, self.graph.outer_scope(node_id))
        added = self.graph.added(node_id) is not None
        carried = partial(self._carried, node_id)
        value = await node_input(self.graph, node_id, node, (-1,) if added else taken, carried, context)
        if node.uses in COLLECTING_NODES:
            return await collect(self.graph, node_id, value, whole, self._decided)
        return await self._runner.run({node.id: node} if added else self.graph.nodes, node.id, value, context)

    async def commit(self, node_id: str, executed: asyncio.Future[Executed]) -> None:
        """Apply what a node did and settle its edges; a failure fails the run."""
        node = self._definition(node_id)
        try:
            done = executed.result()
            state = TrackedContext(scoped(DictContext(self.state), self.graph.scope(node_id)))
            await state.patch(done.changes)
            decision = await route(self.graph, node_id, done.result, state, self._evaluator)
            check_added(self.graph, node_id, done.result, self._registry)
            json_copy([definition_to_json(one) for one in done.result.dynamic_nodes])
        except NodeFailedError as error:
            self._fail(node_id, error)
            return
        except (TypeError, ValueError) as error:
            self._fail(node_id, NodeFailedError(node.id, error, 1))
            return
        self._added |= {added_name(node_id, position): one for position, one in enumerate(done.result.dynamic_nodes)}
        outputs = [SetOp(self._output_key(name, node_id), done.result.output) for name in done.ran]
        changes = prefixed(done.changes, self.graph.scope(node_id))
        await DictContext(self.state).patch([*changes, *outputs])
        self.progress.complete(node_id, with_added(self.graph, node_id, decision, done.result))

    def _fail(self, node_id: str, error: NodeFailedError) -> None:
        node = self._definition(node_id)
        self.errors.append(NodeError(node.id, str(error), error.attempts))
        by_name = self.graph.added(node_id) is not None and not self.graph.is_worker(node_id)
        self.failed_at.append(node.id if by_name else self.graph.owner(node_id))

    def _definition(self, node_id: str) -> NodeDefinition:
        return self._added[node_id] if node_id in self._added else self.graph.node(node_id)

    def _answer(self, node_id: str) -> NodeResult | None:
        """What a waiting node is resumed with, at this visit or at all of them."""
        node = self._definition(node_id)
        return self._answers.get(node_id, self._answers.get(node.id)) if node.uses in WAITING_NODES else None

    def _output_key(self, name: str, node_id: str) -> str:
        """Where the output goes that an instance gives in the name of a node."""
        if node_id in self._added:
            return added_output_key(self.graph, node_id, self._added[node_id])
        return self.graph.output_key(name, node_id)

    async def _decided(self, node_id: str) -> Decision | None:
        return self.progress.decisions.get(node_id)

    async def _carried(self, node_id: str, edge: int) -> Any:
        if (added := self.graph.added(node_id)) is not None:
            return self.state.get(self._output_key(self._definition(added[0]).id, added[0]))
        definition = self.graph.edges[edge]
        if definition.transform is None:
            return self.state.get(self.graph.output_key(definition.source, node_id))
        return self.progress.decisions[self.progress.source(edge, node_id)].values.get(edge)


class DictContext:
    """An ``IAsyncContext`` over a dict that belongs to one process."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    async def get(self, key: str) -> Any:
        """A copy of the value, or None."""
        return json_copy(self._state.get(key))

    async def set(self, key: str, value: Any) -> None:
        """Replace the value."""
        self._state[key] = json_copy(value)

    async def has(self, key: str) -> bool:
        """Whether the key is present."""
        return key in self._state

    async def delete(self, key: str) -> bool:
        """Remove the key."""
        return self._state.pop(key, self) is not self

    async def to_dict(self) -> dict[str, Any]:
        """A copy of the whole."""
        return {key: json_copy(value) for key, value in self._state.items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Apply the operations in order."""
        for operation in operations:
            if isinstance(operation, DeleteOp):
                self._state.pop(operation.key, None)
            else:
                self._state[operation.key] = json_copy(operation.value)
