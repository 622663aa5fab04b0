"""Adapters whose events, keys, leftovers or writes are wrong: the reference adapter with one mistake each."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from flowcraft_conformance import FinalResult, IAsyncContext, JobPayload, PatchOperation
from flowcraft_conformance.contract.keys import CoordinationKeys
from flowcraft_conformance.contract.payloads import DeleteOp, SetOp
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.routing import Decision
from flowcraft_conformance.runtime.state import DONE_PREFIX, RunState
from reference_adapters.memory import MemoryContext
from tests.mutants.adapter_parts import Jobs, PartedAdapter

T = TypeVar("T")


# Events


class _ProcessedAlways(Jobs):
    async def handle(self, job: JobPayload) -> None:
        try:
            await super().handle(job)
        finally:
            if await self._core.state(job.run_id).decision(job.node_id) is not None:
                await self._core.emit("job:processed", job.run_id, job.blueprint_id, job.node_id)


class ProcessedWhateverCameOfIt(PartedAdapter):
    """Emits job:processed in a finally block beside the runtime's own."""

    breaks = "EVT-01"
    jobs_type = _ProcessedAlways


class _SilentEnqueue(RuntimeCore):
    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        if event != "job:enqueued":
            await super().emit(event, run_id, blueprint_id, node_id, **more)


class EnqueuesWithoutAnEvent(PartedAdapter):
    """Tells of what was done, and not of what is to be done."""

    breaks = "EVT-01"
    core_type = _SilentEnqueue


class _OtherNames(RuntimeCore):
    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        await super().emit(event, run_id, node_id, node_id, **more)


class EventsOfAnotherBlueprint(PartedAdapter):
    """Gives the node's id for the blueprint's."""

    breaks = "EVT-01"
    core_type = _OtherNames


class _NoFailures(RuntimeCore):
    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        await super().emit(event.replace("failed", "processed"), run_id, blueprint_id, node_id, **more)


class FailedJobsAreProcessed(PartedAdapter):
    """Has one event for every end of a job."""

    breaks = "EVT-01"
    core_type = _NoFailures


class _BusErrorsRise(RuntimeCore):
    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        if self._bus is not None:
            await self._bus.emit(event, {"runId": run_id, "blueprintId": blueprint_id, "nodeId": node_id, **more})


class BusErrorReachesTheJob(PartedAdapter):
    """Raises where the event bus does."""

    breaks = "EVT-01"
    core_type = _BusErrorsRise


class _BusErrorsEndRuns(RuntimeCore):
    async def emit(self, event: str, run_id: str, blueprint_id: str, node_id: str, **more: Any) -> None:
        try:
            if self._bus is not None:
                await self._bus.emit(event, {"runId": run_id, "blueprintId": blueprint_id, "nodeId": node_id, **more})
        except Exception as error:
            await self.conclude(self.state(run_id), FinalResult("failed", reason=f"{node_id}: {error}"), "bus")


class BusErrorFailsTheRun(PartedAdapter):
    """Ends a run whose event was not taken."""

    breaks = "EVT-01"
    core_type = _BusErrorsEndRuns


# Ids


class _UnderscoredKeys(CoordinationKeys):
    def _key(self, kind: str, node_id: str) -> str:
        return f"flowcraft_{kind}_{self.run_id}_{node_id}"


class _Underscored(RunState):
    def __init__(self, run_id: str, context: IAsyncContext) -> None:
        super().__init__(run_id, context)
        self.keys = _UnderscoredKeys(run_id)


class JoinsIdsByUnderscore(PartedAdapter):
    """Makes keys of ids with a separator that they may contain."""

    breaks = "KEY-01"
    state_type = _Underscored


class _NodeKeys(CoordinationKeys):
    def nodelock(self, node_id: str) -> str:
        return f"flowcraft:nodelock:{node_id}"


class _ByNode(RunState):
    def __init__(self, run_id: str, context: IAsyncContext) -> None:
        super().__init__(run_id, context)
        self.keys = _NodeKeys(run_id)


class LocksANodeOfEveryRun(PartedAdapter):
    """Forgets the run in the key of a node's lock."""

    breaks = "KEY-01"
    state_type = _ByNode


class ReplacesColonsInRunIds(PartedAdapter):
    """Writes ``_`` for ``:``, which its backend does not take."""

    breaks = "KEY-01"

    def create_context(self, run_id: str) -> IAsyncContext:
        return super().create_context(run_id.replace(":", "_"))


class FoldsTheCaseOfRunIds(PartedAdapter):
    """Takes runs for the same whose ids differ in case alone."""

    breaks = "KEY-01"

    def create_context(self, run_id: str) -> IAsyncContext:
        return super().create_context(run_id.lower())


class CutsLongRunIds(PartedAdapter):
    """Has room for 100 characters of an id."""

    breaks = "KEY-01"

    def create_context(self, run_id: str) -> IAsyncContext:
        return super().create_context(run_id[:100])


class _Renaming(MemoryContext):
    """A context whose keys are changed on their way."""

    def renamed(self, key: str) -> str:
        """The key as it is stored."""
        raise NotImplementedError

    async def get(self, key: str) -> Any:
        return await super().get(self.renamed(key))

    async def set(self, key: str, value: Any) -> None:
        await super().set(self.renamed(key), value)

    async def has(self, key: str) -> bool:
        return await super().has(self.renamed(key))

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await super().patch([self._moved(one) for one in operations])

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        return await super().patch_if_absent(self.renamed(guard), [self._moved(one) for one in operations])

    def _moved(self, operation: PatchOperation) -> PatchOperation:
        key = self.renamed(operation.key)
        return DeleteOp(key) if isinstance(operation, DeleteOp) else SetOp(key, operation.value)


class _CutKeys(_Renaming):
    def renamed(self, key: str) -> str:
        return key[:255]


class CutsLongKeys(PartedAdapter):
    """Has room for 255 characters of a context key, where the runtime does not shorten it before."""

    breaks = "KEY-01"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.core.state = self._unshortened  # type: ignore[method-assign]

    def _unshortened(self, run_id: str) -> RunState:
        state = RunState(run_id, self.create_context(run_id))
        state.context = self.create_context(run_id)
        state.guarded = getattr(state.context, "patch_if_absent", None)
        return state

    def create_context(self, run_id: str) -> IAsyncContext:
        return _CutKeys(self.backend, run_id)


class _TrimmedKeys(_Renaming):
    def renamed(self, key: str) -> str:
        return key.rstrip()


class TrimsKeys(PartedAdapter):
    """Loses the blanks at the end of a node's id."""

    breaks = "KEY-01"

    def create_context(self, run_id: str) -> IAsyncContext:
        return _TrimmedKeys(self.backend, run_id)


# Leftovers


class _BeatsOn(NodeLease):
    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        self.beating = asyncio.ensure_future(self._beat())
        return await work

    async def release(self) -> None:
        return


class HeartbeatOutlivesItsNode(PartedAdapter):
    """Keeps a node's lock alive as long as the worker lives."""

    breaks = "LEAK-01"
    lease_type = _BeatsOn


class _ClaimsForEver(RuntimeCore):
    async def claim(self, key: str, owner: str, ttl: int) -> bool:
        return await super().claim(key, owner, 10 * 365 * 24 * 3600)


class ClaimsNeverEnd(PartedAdapter):
    """Writes keys with a TTL of ten years, to be sure."""

    breaks = "LEAK-01"
    core_type = _ClaimsForEver


class _Renews(Jobs):
    async def handle(self, job: JobPayload) -> None:
        key = self._core.state(job.run_id).keys.blueprint()
        await self._core.store.set_if_not_exist(key, job.blueprint_id, self._core.ttls.blueprint)
        self.renewing = asyncio.ensure_future(self._renew(key))
        await super().handle(job)

    async def _renew(self, key: str) -> None:
        while True:
            await self._core.clock.sleep(self._core.ttls.blueprint / 2)
            await self._core.store.extend_ttl(key, self._core.ttls.blueprint)


class RenewsTheKeyOfAFinishedRun(PartedAdapter):
    """Extends the key of every run it has seen, finished or not."""

    breaks = "LEAK-01"
    jobs_type = _Renews


# Several workers


class _WholeState(RunState):
    async def commit(
        self, node_id: str, decision: Decision, output: Any, ran: Sequence[str], changes: Sequence[PatchOperation]
    ) -> bool:
        before = await self.context.to_dict()
        own = {change.key for change in changes}
        others = [SetOp(key, value) for key, value in before.items() if not key.startswith("_") and key not in own]
        await self.context.has(DONE_PREFIX + node_id)
        return await super().commit(node_id, decision, output, ran, [*others, *changes])


class WritesTheStateItHasRead(PartedAdapter):
    """Writes all keys with its own changes: a value that another has written since is lost."""

    breaks = "DLV-MULTI-01"
    state_type = _WholeState


class _ReadsThenWrites(MemoryContext):
    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        await self._replace(operations)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if await self.has(guard):
            return False
        await self._replace(operations)
        return True

    async def _replace(self, operations: Sequence[PatchOperation]) -> None:
        state = await self.to_dict()
        await asyncio.sleep(0)
        for operation in operations:
            if isinstance(operation, DeleteOp):
                state.pop(operation.key, None)
            else:
                state[operation.key] = operation.value
        gone = [DeleteOp(key) for key in await self.to_dict() if key not in state]
        await super().patch([*gone, *(SetOp(key, value) for key, value in state.items())])


class ContextIsReadAndReplaced(PartedAdapter):
    """Keeps the state as one document, which a patch reads, waits for, and writes."""

    breaks = "DLV-MULTI-01"

    def create_context(self, run_id: str) -> IAsyncContext:
        return _ReadsThenWrites(self.backend, run_id)


SURFACE: tuple[type[PartedAdapter], ...] = (
    ProcessedWhateverCameOfIt,
    EnqueuesWithoutAnEvent,
    EventsOfAnotherBlueprint,
    FailedJobsAreProcessed,
    BusErrorReachesTheJob,
    BusErrorFailsTheRun,
    JoinsIdsByUnderscore,
    LocksANodeOfEveryRun,
    ReplacesColonsInRunIds,
    FoldsTheCaseOfRunIds,
    CutsLongRunIds,
    CutsLongKeys,
    TrimsKeys,
    HeartbeatOutlivesItsNode,
    ClaimsNeverEnd,
    RenewsTheKeyOfAFinishedRun,
    WritesTheStateItHasRead,
    ContextIsReadAndReplaced,
)
