"""One job, from delivery to outcome. A job is a hint: what is durable decides whether and what there is to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from flowcraft_conformance.contract.blueprint import BlueprintError, NodeDefinition
from flowcraft_conformance.contract.keys import BLUEPRINT_ID, BLUEPRINT_VERSION
from flowcraft_conformance.contract.payloads import FinalResult, JobDeferred, JobPayload, NodeResult, SetOp
from flowcraft_conformance.runtime.added import added_output_key, check_added, stored, with_added
from flowcraft_conformance.runtime.built_in import COLLECTING_NODES, SLEEP, collect
from flowcraft_conformance.runtime.core import RuntimeCore, unusable
from flowcraft_conformance.runtime.durations import milliseconds
from flowcraft_conformance.runtime.execution import Executed, NodeFailedError
from flowcraft_conformance.runtime.graph import END, WAITING_NODES, Graph
from flowcraft_conformance.runtime.inputs import node_input
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.parts import SUBFLOW_ENTRY
from flowcraft_conformance.runtime.routing import Decision, route
from flowcraft_conformance.runtime.scopes import prefixed, scoped
from flowcraft_conformance.runtime.state import RUNTIME, THIS_RUNTIME, RunState, no_longer_waiting
from flowcraft_conformance.runtime.tracked import TrackedContext
from flowcraft_conformance.runtime.values import plain_text

_ELSEWHERE_SECONDS = 5.0
"""When to look again for workers that can do a job this one cannot."""
_MILLISECOND = 0.001
_FROM_ADDING = -1
"""Stands for the edge into an added node, which nobody has drawn."""


class AttemptFailedError(Exception):
    """A node failed, and the queue is to repeat it."""


class JobHandler:
    """Handles the jobs of one adapter."""

    def __init__(self, core: RuntimeCore) -> None:
        self._core = core

    async def handle(self, job: JobPayload) -> None:
        """See :meth:`BaseDistributedAdapter.handle_job`."""
        core = self._core
        state = core.state(job.run_id)
        record = await state.status()
        if record is not None and record.published:
            return
        try:
            done = await (self._handle_open_run(job, state) if record is None else self._publish_once(job, state))
        except JobDeferred:
            raise
        except Exception as error:
            await core.emit("job:failed", job.run_id, job.blueprint_id, job.node_id, error=str(error))
            raise
        if done:
            await core.emit("job:processed", job.run_id, job.blueprint_id, job.node_id)

    async def abandon(self, job: JobPayload, reason: str) -> None:
        """See :meth:`BaseDistributedAdapter.abandon_job`."""
        state = self._core.state(job.run_id)
        if await state.is_walked(job.node_id):
            return  # the node had done its part; only its acknowledgement was lost
        if await state.is_waiting(job.node_id) and await state.answer(job.node_id) is None:
            return  # the same: it rests until it is resumed, with a new job
        if await self._is_foreign(state):
            self._core.logger.error("a given-up job is of another runtime's run", run=job.run_id, node=job.node_id)
            return
        why = f"node {job.node_id!r} was given up by the queue: {plain_text(reason)}"
        await self._core.conclude(state, FinalResult("failed", reason=why), _owner(job))

    async def _handle_open_run(self, job: JobPayload, state: RunState) -> bool:
        graph = await self._admitted(job, state)
        if graph is None:
            return False
        async with self._leased(job, state) as lease:
            return await lease.keep(_Work(self._core, job, graph, state, lease).do())

    async def _publish_once(self, job: JobPayload, state: RunState) -> bool:
        """Go on where a delivery died before it had told the client; another one that is at it has the lease."""
        async with self._leased(job, state):
            record = await state.status()
            assert record is not None
            await self._core.publish(state, record, _owner(job))
            return False

    @asynccontextmanager
    async def _leased(self, job: JobPayload, state: RunState) -> AsyncIterator[NodeLease]:
        lease = self._core.lease(state, job.node_id)
        if not await lease.acquire():
            raise JobDeferred(lease.retry_seconds, f"another worker has node {job.node_id!r}")
        try:
            yield lease
        finally:
            await lease.release()

    async def _is_foreign(self, state: RunState) -> bool:
        """Whether another runtime started the run."""
        owner = await state.context.get(RUNTIME)
        return owner != THIS_RUNTIME and (owner is not None or await state.context.has(BLUEPRINT_ID))

    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        """The graph of the run; None where the run has failed for want of one, or the job is not of this run.

        Raises:
            JobDeferred: the run belongs to another runtime or version (VER-01).
        """
        core = self._core
        if await self._is_foreign(state):
            raise JobDeferred(_ELSEWHERE_SECONDS, f"run {job.run_id!r} was started by another runtime")
        bound_to = await state.context.get(BLUEPRINT_ID)
        if bound_to not in (None, job.blueprint_id):
            core.logger.error("a job names another blueprint than its run has", run=job.run_id, node=job.node_id)
            return None
        try:
            graph = core.graph(job.blueprint_id)
        except (LookupError, BlueprintError) as error:
            await core.conclude(state, FinalResult("failed", reason=unusable(error)), _owner(job))
            return None
        if bound_to is None:
            await state.begin(job.blueprint_id, graph.version, ())
        elif (version := await state.context.get(BLUEPRINT_VERSION)) != graph.version:
            raise JobDeferred(
                _ELSEWHERE_SECONDS, f"run {job.run_id!r} has version {version!r}, this worker has {graph.version!r}"
            )
        if not graph.knows(job.node_id):
            core.logger.error("a job names a node that its blueprint does not run", run=job.run_id, node=job.node_id)
            return None
        return graph


class _Work:
    """What one delivery does under its lease."""

    def __init__(self, core: RuntimeCore, job: JobPayload, graph: Graph, state: RunState, lease: NodeLease) -> None:
        self._core = core
        self._job = job
        self._graph = graph
        self._state = state
        self._lease = lease
        self._joins = core.joins(graph, state)
        self._node = graph.node(job.node_id)
        self._scope = graph.scope(job.node_id)

    async def do(self) -> bool:
        """Whether the node is done."""
        node_id = self._job.node_id
        decision = await self._state.decision(node_id)
        if decision is None:
            decision = await self._decide()
            if decision is None:
                return False
        elif decision.failure is None and await self._state.is_walked(node_id):
            return True
        if decision.failure is not None:
            await self._fail(decision.failure)
            return False
        await self._walk(decision)
        return True

    async def _walk(self, decision: Decision) -> None:
        node_id = self._job.node_id
        ready = await self._joins.walk(node_id, decision)
        await self._core.enqueue(self._state, self._graph, [name for name in ready if await self._is_mine(name)])
        if END in ready:
            await self._core.conclude(self._state, FinalResult("completed"), _owner(self._job))
        await self._state.mark_walked(node_id)

    async def _is_mine(self, target: str) -> bool:
        """Whether this node's job is the one to enqueue the target: of several that see a join ready, one is enough."""
        if target == END:
            return False
        alone = self._graph.added(self._job.node_id) is None
        if alone and (not self._graph.is_join(target) or self._graph.is_any(target)):
            return True
        return await self._core.claim(self._state.keys.fanin(target), self._job.node_id, self._core.ttls.fanin)

    async def _decide(self) -> Decision | None:
        """Run the node and commit it; None where it is not ready, waits, or has failed for good."""
        node_id = self._job.node_id
        taken = await self._taken()
        if not taken and node_id not in self._graph.starts:
            self._core.logger.info("a node is not ready yet", run=self._job.run_id, node=node_id)
            return None
        try:
            executed = await self._answer() if self._node.uses in WAITING_NODES else await self._execute(taken)
            if executed is None:
                return None
            return await self._commit(executed)
        except NodeFailedError as error:
            return await self._failed(str(error))

    async def _taken(self) -> tuple[int, ...]:
        """The edges that make the node ready; of an added node also what it is, which the one knows that added it."""
        added = self._graph.added(self._job.node_id)
        if added is None:
            return await self._joins.taken(self._job.node_id)
        decision = await self._state.decision(added[0])
        if decision is None or not await self._joins.is_started(*added, decision):
            return ()
        definition = await self._state.added(*added, decision.added)
        assert definition is not None  # it was committed with that decision
        self._node = definition
        return (_FROM_ADDING,)

    async def _definition(self, instance: str) -> NodeDefinition | None:
        """The node that an instance is one of; None for an added one that has not been added."""
        added = self._graph.added(instance)
        if added is None:
            return self._graph.node(instance)
        decision = await self._state.decision(added[0])
        if decision is None or added[1] >= decision.added:
            return None
        return await self._state.added(*added, decision.added)

    async def _answer(self) -> Executed | None:
        """What a waiting node was resumed with, or None: it waits."""
        node_id = self._job.node_id
        answer = await self._state.answer(node_id)
        if answer is None:
            details: dict[str, object] = {"uses": self._node.uses}
            if self._node.uses == "webhook":
                endpoint = await self._core.adapter.register_webhook_endpoint(self._job.run_id, node_id)
                details |= {"url": endpoint.url, "event": endpoint.event}
            await self._state.await_resume(node_id, details)
            return None
        state = TrackedContext(scoped(self._state.context, self._scope))
        return Executed(NodeResult(answer["output"], answer["action"]), state, (self._node.id,))

    async def _execute(self, taken: tuple[int, ...]) -> Executed:
        core, node, instance = self._core, self._node, self._job.node_id
        await self._wait_for_its_turn()
        nodes = self._graph.nodes if self._graph.added(instance) is None else {node.id: node}
        if node.uses == SLEEP and SLEEP not in core.options.registry:
            node = await self._slept()
            nodes = {**nodes, node.id: node}
        await core.adapter.on_job_start(self._job.run_id, self._job.blueprint_id, instance)
        context = scoped(self._state.context, self._scope)
        if node.uses == SUBFLOW_ENTRY:
            context = scoped(self._state.context, self._graph.outer_scope(instance))
        value = await node_input(self._graph, instance, node, taken, self._carried, context)
        if node.uses in COLLECTING_NODES:
            return await collect(self._graph, instance, value, self._state.context, self._state.decision)
        if core.adapter.should_retry_in_process(node):
            return await core.runner.run(nodes, node.id, value, context)
        try:
            return await core.runner.attempt(node, value, context)
        except NodeFailedError as error:
            failed = await self._state.count_attempt(instance, core.clock.time())
            if failed < node.config.max_retries and not self._job.is_last_attempt:
                raise AttemptFailedError(f"{error}; attempt {failed} of {node.config.max_retries}") from error
            failure = NodeFailedError(node.id, error.error, failed)
        return await core.runner.fall_back(nodes, node.id, value, context, failure)

    async def _slept(self) -> NodeDefinition:
        """Put the job back until it is time; the node that is left to run takes none any more."""
        node, now = self._node, self._core.clock.time()
        duration = milliseconds(node.params.get("duration", 0)) * _MILLISECOND
        left = await self._state.wake_at(self._job.node_id, now + duration) - now
        if left > 0:
            raise JobDeferred(left, f"node {node.id!r} sleeps")
        return replace(node, params={**node.params, "duration": 0})

    async def _wait_for_its_turn(self) -> None:
        """Hold back an attempt that the queue repeats sooner than ``retry_delay`` allows."""
        node = self._node
        if not node.config.retry_delay or self._core.adapter.should_retry_in_process(node):
            return
        failures = await self._state.attempts(self._job.node_id)
        if failures:
            left = failures[-1] + node.config.retry_delay * _MILLISECOND - self._core.clock.time()
            if left > 0:
                raise JobDeferred(left, f"node {node.id!r} is to be tried again later")

    async def _carried(self, edge: int) -> object:
        """What a taken edge carries."""
        instance = self._job.node_id
        if edge == _FROM_ADDING:
            return await self._state.context.get(await self._adding_output_key())
        definition = self._graph.edges[edge]
        if definition.transform is None:
            return await self._state.context.get(self._graph.output_key(definition.source, instance))
        source = await self._joins.source(edge, instance)
        decision = None if source is None else await self._state.decision(source)
        return None if decision is None else decision.values.get(edge)

    async def _adding_output_key(self) -> str:
        """The key of the output of the node that has added this one."""
        added = self._graph.added(self._job.node_id)
        assert added is not None
        node = await self._definition(added[0])
        if node is None or self._graph.added(added[0]) is None:
            return self._graph.output_key(self._graph.node(added[0]).id, added[0])
        return added_output_key(self._graph, added[0], node)

    async def _commit(self, executed: Executed) -> Decision:
        node_id = self._job.node_id
        result = executed.result
        try:
            decision = await route(self._graph, node_id, result, executed.state, self._core.evaluator)
            check_added(self._graph, node_id, result, self._core.options.registry)
        except ValueError as error:
            raise NodeFailedError(self._node.id, error, 1) from error
        await self._still_leased()
        try:
            committed = await self._store(with_added(self._graph, node_id, decision, result), executed)
        except (TypeError, ValueError) as error:  # what the node wrote cannot be stored
            raise NodeFailedError(self._node.id, error, 1) from error
        return with_added(self._graph, node_id, decision, result) if committed else await self._decided()

    async def _store(self, decision: Decision, executed: Executed) -> bool:
        """The commit itself: under the node's own name, or wherever its part of the state is."""
        node_id, result = self._job.node_id, executed.result
        changes = prefixed(executed.changes, self._scope)
        if self._node.uses in WAITING_NODES:
            changes.append(no_longer_waiting(node_id))
        changes += stored(node_id, result.dynamic_nodes)
        if self._graph.added(node_id) is not None:
            changes.append(SetOp(added_output_key(self._graph, node_id, self._node), result.output))
        elif self._scope:
            changes += [SetOp(self._graph.output_key(name, node_id), result.output) for name in executed.ran]
        else:
            return await self._state.commit(node_id, decision, result.output, executed.ran, changes)
        return await self._state.commit(node_id, decision, result.output, (), changes)

    async def _failed(self, reason: str) -> Decision:
        """Commit the failure, unless another worker has committed the node."""
        await self._still_leased()
        committed = await self._state.fail(self._job.node_id, reason)
        return Decision(failure=reason) if committed else await self._decided()

    async def _still_leased(self) -> None:
        """Look at the lease before a commit; where the commit itself is no atomic step, in the store too."""
        if self._state.guarded is None:
            await self._lease.verify()
        else:
            self._lease.require()

    async def _decided(self) -> Decision:
        decision = await self._state.decision(self._job.node_id)
        assert decision is not None  # a commit was refused because of it, and nothing removes it
        return decision

    async def _fail(self, reason: str) -> None:
        job = self._job
        await self._core.conclude(self._state, FinalResult("failed", reason=reason), _owner(job))
        await self._core.emit("job:failed", job.run_id, job.blueprint_id, job.node_id, error=reason)


def _owner(job: JobPayload) -> str:
    return f"job:{job.node_id}"
