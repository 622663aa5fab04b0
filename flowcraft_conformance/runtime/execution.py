"""One node, tried as its configuration says: attempts, delay, timeout, fallback, middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.options import RuntimeOptions
from flowcraft_conformance.contract.payloads import NodeContext, NodeResult, PatchOperation
from flowcraft_conformance.contract.protocols import Clock, IAsyncContext
from flowcraft_conformance.runtime.state import is_reserved
from flowcraft_conformance.runtime.tracked import TrackedContext
from flowcraft_conformance.runtime.values import json_copy, plain_text

_MILLISECOND = 0.001
_CANCEL_SECONDS = 1.0
"""How long a node that was timed out is given to obey."""


class NodeFailedError(Exception):
    """A node whose attempts, and whose fallback's, are used up."""

    def __init__(self, node_id: str, error: BaseException, attempts: int) -> None:
        super().__init__(describe(node_id, error, attempts))
        self.node_id = node_id
        self.error = error
        self.attempts = attempts


def describe(node_id: str, error: BaseException, attempts: int) -> str:
    """The reason of a failure: the node and the original error (RESULT-02)."""
    tried = f" after {attempts} attempts" if attempts > 1 else ""
    return f"node {node_id!r} failed{tried}: {type(error).__name__}: {plain_text(error)}"


BuiltIn = Callable[[NodeDefinition, NodeContext], Awaitable[Any]]
"""A node function of the runtime's own: it is told which node it is."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A node that succeeded, itself or through its fallback.

    ``state`` is the run's state with the node's changes; ``ran`` the ids whose output this is, the node's first.
    """

    result: NodeResult
    state: TrackedContext
    ran: tuple[str, ...]

    @property
    def changes(self) -> tuple[PatchOperation, ...]:
        """What the node wrote."""
        return self.state.changes


class NodeRunner:
    """Runs nodes of one runtime; blueprints and params are never changed by it."""

    def __init__(self, options: RuntimeOptions, built_in: Mapping[str, BuiltIn] | None = None) -> None:
        self._options = options
        self._clock: Clock = options.clock
        self._built_in = built_in or {}

    async def run(
        self, nodes: Mapping[str, NodeDefinition], node_id: str, value: Any, context: IAsyncContext
    ) -> Executed:
        """Run a node with its retries in this process, then its fallback.

        Raises:
            NodeFailedError: all of it failed; the error is the node's own.
        """
        node = nodes[node_id]
        failure: NodeFailedError
        for attempt in range(1, node.config.max_retries + 1):
            try:
                return await self.attempt(node, value, context, attempt)
            except NodeFailedError as error:
                failure = error
            if attempt < node.config.max_retries and node.config.retry_delay:
                await self._clock.sleep(node.config.retry_delay * _MILLISECOND)
        return await self.fall_back(nodes, node_id, value, context, failure)

    async def fall_back(
        self,
        nodes: Mapping[str, NodeDefinition],
        node_id: str,
        value: Any,
        context: IAsyncContext,
        failure: NodeFailedError,
    ) -> Executed:
        """Run the fallback of a node that failed; its output counts as the output of both.

        Raises:
            NodeFailedError: ``failure`` where there is none, or it fails too.
        """
        fallback = nodes[node_id].config.fallback
        if fallback is None:
            raise failure
        try:
            executed = await self.run(nodes, fallback, value, context)
        except NodeFailedError as also:
            raise failure from also
        return Executed(executed.result, executed.state, (node_id, *executed.ran))

    async def attempt(self, node: NodeDefinition, value: Any, context: IAsyncContext, number: int = 1) -> Executed:
        """Run a node once. What a failed attempt wrote is forgotten.

        Raises:
            NodeFailedError: it raised, took too long, or gave something that is no JSON.
        """
        state = TrackedContext(context)
        try:
            given = NodeContext(state, json_copy(value), json_copy(dict(node.params)), self._options.dependencies)
            result = await self._in_time(node, partial(self._through_middleware, node, given))
            result = NodeResult(json_copy(result.output), result.action, tuple(result.dynamic_nodes))
            _require_own_keys(state)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise NodeFailedError(node.id, error, number) from error
        except Exception as error:
            raise NodeFailedError(node.id, error, number) from error
        return Executed(result, state, (node.id,))

    async def _through_middleware(self, node: NodeDefinition, given: NodeContext) -> NodeResult:
        call: Callable[[], Awaitable[NodeResult]] = partial(self._call, node, given)
        for middleware in reversed(self._options.middleware):
            call = partial(middleware.around_node, node, given, call)
        return await call()

    async def _call(self, node: NodeDefinition, given: NodeContext) -> NodeResult:
        function = self._options.registry.get(node.uses) or partial(self._built_in[node.uses], node)
        try:
            returned = await function(given)
        except (Exception, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit, say: it ends the node, not the worker
            raise RuntimeError(f"{type(error).__name__}: {plain_text(error)}") from error
        return returned if isinstance(returned, NodeResult) else NodeResult(returned)

    async def _in_time(self, node: NodeDefinition, call: Callable[[], Awaitable[NodeResult]]) -> NodeResult:
        if node.config.timeout is None:
            return await call()
        work = asyncio.ensure_future(call())
        alarm = asyncio.ensure_future(self._clock.sleep(node.config.timeout * _MILLISECOND))
        try:
            await asyncio.wait({work, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise TimeoutError(f"it took longer than its timeout of {node.config.timeout:g} ms")
        finally:
            alarm.cancel()
            await stop(work)


def _require_own_keys(state: TrackedContext) -> None:
    taken = [change.key for change in state.changes if is_reserved(change.key)]
    if taken:
        raise ValueError(f"it wrote {taken[0]!r}, a key that is the runtime's own; choose another name")


async def stop(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for it a little; one that does not obey is left behind."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_SECONDS)
    if task.done() and not task.cancelled():
        task.exception()  # seen, so that nobody warns of it
