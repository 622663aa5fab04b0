"""Adapters that fail their clients and operators: each is the reference adapter with one mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowcraft_conformance import FinalResult, JobPayload
from flowcraft_conformance.contract.keys import BLUEPRINT_VERSION
from flowcraft_conformance.contract.payloads import DeleteOp, JobDeferred, NodeResult, SetOp
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.execution import Executed
from flowcraft_conformance.runtime.graph import WAITING_NODES, Graph
from flowcraft_conformance.runtime.routing import Decision
from flowcraft_conformance.runtime.runs import Runs
from flowcraft_conformance.runtime.state import RESUME_PREFIX, RUNTIME, RunState
from flowcraft_conformance.runtime.tracked import TrackedContext
from tests.mutants.adapter_parts import Jobs, PartedAdapter, Work
from tests.mutants.adapters_rules import TakesEveryActionsEdge


class _Swallows(RuntimeCore):
    async def enqueue(self, state: RunState, graph: Graph, node_ids: Iterable[str]) -> None:
        try:
            await super().enqueue(state, graph, node_ids)
        except Exception as error:
            self.logger.warning("a job could not be enqueued", error=repr(error))


class SwallowsAFailingEnqueue(PartedAdapter):
    """Logs that the queue refused a job, and acknowledges its own."""

    breaks = "FAULT-01"
    core_type = _Swallows


class _FailsSilently(Work):
    async def _still_leased(self) -> None:
        try:
            await super()._still_leased()
        except Exception as error:
            self._core.logger.warning("a lease is lost", error=repr(error))

    async def do(self) -> bool:
        try:
            return await super().do()
        except Exception as error:
            self._core.logger.warning("a job failed", error=repr(error))
            return False


class AcknowledgesWhatFailed(PartedAdapter):
    """Logs every failure of its backend, and acknowledges the job."""

    breaks = "FAULT-01"
    work_type = _FailsSilently


class _ErrorOnly(Work):
    async def _failed(self, reason: str) -> Decision:
        return await super()._failed(reason.rpartition(": ")[2])


class ReasonWithoutItsNode(PartedAdapter):
    """Publishes the error, and not where it was."""

    breaks = "RESULT-02"
    work_type = _ErrorOnly


class _NodeOnly(Work):
    async def _failed(self, reason: str) -> Decision:
        return await super()._failed(reason.partition(": ")[0])


class ReasonWithoutItsError(PartedAdapter):
    """Publishes which node has failed, and not why."""

    breaks = "RESULT-02"
    work_type = _NodeOnly


class _DropsUnknown(Jobs):
    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        if job.blueprint_id not in self._core.options.blueprints:
            self._core.logger.error("an unknown blueprint", run=job.run_id)
            return None
        return await super()._admitted(job, state)


class DropsUnknownBlueprints(PartedAdapter):
    """Logs that it does not know a blueprint, and nothing else."""

    breaks = "RESULT-03"
    jobs_type = _DropsUnknown


class _StartsOver(Runs):
    async def start(self, blueprint_id: str, initial: Mapping[str, Any], run_id: str) -> None:
        context = self._core.state(run_id).context
        done = [key for key in await context.to_dict() if key.startswith("_") and key != RUNTIME]
        await context.patch([DeleteOp(key) for key in done])
        await super().start(blueprint_id, initial, run_id)


class SecondStartRunsAgain(PartedAdapter):
    """Forgets what a run has done when it is started again."""

    breaks = "START-01"
    runs_type = _StartsOver


class _WritesAgain(Runs):
    async def start(self, blueprint_id: str, initial: Mapping[str, Any], run_id: str) -> None:
        await super().start(blueprint_id, initial, run_id)
        await self._core.state(run_id).context.patch([SetOp(key, value) for key, value in initial.items()])


class SecondStartChangesTheState(PartedAdapter):
    """Writes the initial context of every start."""

    breaks = "START-01"
    runs_type = _WritesAgain


class _StartsHalf(Runs):
    async def start(self, blueprint_id: str, initial: Mapping[str, Any], run_id: str) -> None:
        if await self._core.state(run_id).context.get("blueprintId") is None:
            await super().start(blueprint_id, initial, run_id)


class StartIsNotCompleted(PartedAdapter):
    """Takes a run that was begun for one whose first jobs are on the queue."""

    breaks = "START-01"
    runs_type = _StartsHalf


class OnlyLogsGivingUp(PartedAdapter):
    """Logs that a job was given up: its run stays silent."""

    breaks = "DLQ-01"

    async def abandon_job(self, job: JobPayload, reason: str) -> None:
        self.logger.error("a job was given up", node=job.node_id, reason=reason)


class GivesUpWithoutSayingWhy(PartedAdapter):
    """Fails the run of a job that was given up with words of its own."""

    breaks = "DLQ-01"

    async def abandon_job(self, job: JobPayload, reason: str) -> None:
        await super().abandon_job(job, "see the log")


class _DropsOthers(Jobs):
    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        try:
            return await super()._admitted(job, state)
        except JobDeferred:
            return None


class AcknowledgesAnotherVersionsJob(PartedAdapter):
    """Drops a job of a version that it does not have."""

    breaks = "VER-01"
    jobs_type = _DropsOthers


class _RaisesAtOthers(Jobs):
    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        try:
            return await super()._admitted(job, state)
        except JobDeferred as deferred:
            raise RuntimeError("another version") from deferred


class UsesUpAttemptsOfAnotherVersion(PartedAdapter):
    """Raises at a job of a version that it does not have."""

    breaks = "VER-01"
    jobs_type = _RaisesAtOthers


class _TakesAll(Jobs):
    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        try:
            return await super()._admitted(job, state)
        except JobDeferred:
            return self._core.graph(job.blueprint_id)


class RunsAnyVersion(PartedAdapter):
    """Does a job of a version that it does not have."""

    breaks = "VER-01"
    jobs_type = _TakesAll


class _WantsAVersion(Jobs):
    async def _admitted(self, job: JobPayload, state: RunState) -> Graph | None:
        if await state.context.get(BLUEPRINT_VERSION) is None:
            return None
        return await super()._admitted(job, state)


class DropsRunsWithoutAVersion(PartedAdapter):
    """Takes a run without a version for one of another version."""

    breaks = "VER-01"
    jobs_type = _WantsAVersion


class _EverythingUndone(Runs):
    async def _is_to_be_queued(self, graph: Graph, state: RunState, node: str) -> bool:
        return await state.decision(node) is None


class ReconcilesWhatIsNotReady(PartedAdapter):
    """Enqueues every node that is not done, ready or not."""

    breaks = "RECON-01"
    runs_type = _EverythingUndone


class _FinishedToo(Runs):
    async def reconcile(self, run_id: str) -> set[str]:
        state = self._core.state(run_id)
        graph = await self._graph_of(state)
        if graph is None or await state.status() is None:
            return await super().reconcile(run_id)
        await self._core.enqueue(state, graph, graph.starts)
        return set(graph.starts)


class ReconcilesFinishedRuns(PartedAdapter):
    """Enqueues the first nodes of a run that has ended."""

    breaks = "RECON-01"
    runs_type = _FinishedToo


class _StartsNever(Runs):
    async def _is_to_be_queued(self, graph: Graph, state: RunState, node: str) -> bool:
        return node not in graph.starts and await super()._is_to_be_queued(graph, state, node)


class ReconcileForgetsStarts(PartedAdapter):
    """Looks for nodes behind others only."""

    breaks = "RECON-01"
    runs_type = _StartsNever


class ResumesEveryBranch(TakesEveryActionsEdge):
    """Follows a resumed node over the edges of every action."""

    breaks = "HITL-01"


class _DoesNotWait(Work):
    async def _answer(self) -> Executed | None:
        return Executed(NodeResult(None), TrackedContext(self._state.context), (self._node.id,))


class WaitCompletesTheRun(PartedAdapter):
    """Goes on behind a waiting node at once."""

    breaks = "HITL-01"
    work_type = _DoesNotWait


class _AllAtOnce(Runs):
    async def resume(self, run_id: str, action: str, output: Any, node_id: str | None) -> set[str]:
        return await super().resume(run_id, action, output, None)


class OneResumeResumesAll(PartedAdapter):
    """Resumes every waiting node, whichever was named."""

    breaks = "HITL-01"
    runs_type = _AllAtOnce


class _FirstOnly(Runs):
    async def resume(self, run_id: str, action: str, output: Any, node_id: str | None) -> set[str]:
        state = self._core.state(run_id)
        graph = await self._graph_of(state)
        if node_id is None and graph is not None:
            waits = [node.id for node in graph.blueprint.nodes if node.uses in WAITING_NODES]
            node_id = next(iter(waits), None)
        return await super().resume(run_id, action, output, node_id)


class ResumeOfAllResumesOne(PartedAdapter):
    """Resumes the first waiting node where none is named."""

    breaks = "HITL-01"
    runs_type = _FirstOnly


class _LastAnswer(RunState):
    async def resume(self, node_id: str, action: str, output: Any) -> bool:
        await self.context.set(RESUME_PREFIX + node_id, {"action": action, "output": output})
        return True


class SecondAnswerWins(PartedAdapter):
    """Writes over the answer that a waiting node has."""

    breaks = "HITL-01"
    state_type = _LastAnswer


class _PublishesAgain(RuntimeCore):
    async def conclude(self, state: RunState, result: FinalResult, owner: str) -> None:
        record = await state.decide_status(result)
        await self.adapter.publish_final_result(state.run_id, FinalResult(record.status, None, record.reason))


class PublishesAtEveryEnd(PartedAdapter):
    """Publishes the one status of a run as often as it is asked to."""

    breaks = "RESULT-01"
    core_type = _PublishesAgain


CLIENTS: tuple[type[PartedAdapter], ...] = (
    SwallowsAFailingEnqueue,
    AcknowledgesWhatFailed,
    ReasonWithoutItsNode,
    ReasonWithoutItsError,
    DropsUnknownBlueprints,
    SecondStartRunsAgain,
    SecondStartChangesTheState,
    StartIsNotCompleted,
    OnlyLogsGivingUp,
    GivesUpWithoutSayingWhy,
    AcknowledgesAnotherVersionsJob,
    UsesUpAttemptsOfAnotherVersion,
    RunsAnyVersion,
    DropsRunsWithoutAVersion,
    ReconcilesWhatIsNotReady,
    ReconcilesFinishedRuns,
    ReconcileForgetsStarts,
    ResumesEveryBranch,
    WaitCompletesTheRun,
    OneResumeResumesAll,
    ResumeOfAllResumesOne,
    SecondAnswerWins,
    PublishesAtEveryEnd,
)
