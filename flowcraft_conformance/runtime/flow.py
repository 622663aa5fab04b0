"""The in-process runtime: one process, no queue, no store. What a run on an adapter is held against."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.keys import BLUEPRINT_ID, BLUEPRINT_VERSION, output_key
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
from flowcraft_conformance.runtime.execution import Executed, NodeFailedError, NodeRunner, stop
from flowcraft_conformance.runtime.expressions import SafeEvaluator
from flowcraft_conformance.runtime.graph import WAITING_NODES, Graph, check_blueprint
from flowcraft_conformance.runtime.inputs import node_input
from flowcraft_conformance.runtime.progress import Progress
from flowcraft_conformance.runtime.routing import route
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
        check_blueprint(blueprint, options.registry.keys(), self._evaluator, strict=options.strict)
        self.graph = Graph(blueprint)
        self.progress = Progress(self.graph)
        self.errors: list[NodeError] = []
        self.waiting: list[str] = []
        self.state: dict[str, Any] = {
            **{key: json_copy(value) for key, value in initial.items()},
            BLUEPRINT_ID: blueprint.id,
            BLUEPRINT_VERSION: self.graph.version,
        }
        self._answers = answers
        self._runner = NodeRunner(options)

    @property
    def startable(self) -> list[str]:
        """The nodes that can start now. Taking one that waits for an answer notes it as waiting."""
        if self.errors:
            return []
        for node_id in list(self.progress.ready):
            if self.graph.nodes[node_id].uses in WAITING_NODES and node_id not in self._answers:
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
        context = DictContext(self.state)
        if self.graph.nodes[node_id].uses in WAITING_NODES:
            answer = self._answers[node_id]
            result = NodeResult(json_copy(answer.output), answer.action)
            return Executed(result, TrackedContext(context), (node_id,))
        value = await node_input(self.graph, self.graph.nodes[node_id], taken, self._carried, context)
        return await self._runner.run(self.graph.nodes, node_id, value, context)

    async def commit(self, node_id: str, executed: asyncio.Future[Executed]) -> None:
        """Apply what a node did and settle its edges; a failure fails the run."""
        try:
            done = executed.result()
            state = TrackedContext(DictContext(self.state))
            await state.patch(done.changes)
            decision = await route(self.graph, node_id, done.result, state, self._evaluator)
        except NodeFailedError as error:
            self.errors.append(NodeError(node_id, str(error), error.attempts))
            return
        except ValueError as error:
            failure = NodeFailedError(node_id, error, 1)
            self.errors.append(NodeError(node_id, str(failure)))
            return
        outputs = [SetOp(output_key(name), done.result.output) for name in done.ran]
        await DictContext(self.state).patch([*done.changes, *outputs])
        self.progress.complete(node_id, decision)

    async def _carried(self, edge: int) -> Any:
        definition = self.graph.edges[edge]
        if definition.transform is None:
            return self.state.get(output_key(definition.source))
        return self.progress.decisions[definition.source].values.get(edge)


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
