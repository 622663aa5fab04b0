"""Broken adapters, named by their behaviour: each is the reference adapter with one mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    Capabilities,
    FinalResult,
    IAsyncContext,
    JobDeferred,
    JobPayload,
    PatchOperation,
)
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.graph import END, Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.leases import NodeLease
from flowcraft_conformance.runtime.routing import Decision
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.memory import MemoryBackend, MemoryContext
from tests.queueless import OnMemory, Queueless


class QueuelessAdapter(Queueless):
    """The reference adapter in memory, for captured runs: the kit is its queue."""

    breaks: ClassVar[str] = ""
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options)
        self.backend = backend

    @property
    def core(self) -> RuntimeCore:
        """Where a mutant puts its mistake."""
        return self._runs._core

    def create_context(self, run_id: str) -> IAsyncContext:
        return MemoryContext(self.backend, run_id)


class QueuelessHarness(OnMemory):
    """Makes one kind of adapter on a backend of its own."""

    adapter: ClassVar[type[QueuelessAdapter]] = QueuelessAdapter

    async def create_adapter(self, options: AdapterOptions) -> BaseDistributedAdapter:
        return self.adapter(options, self.backend)


def harness_of(adapter: type[QueuelessAdapter]) -> type[QueuelessHarness]:
    """A harness class for one adapter."""
    made = {"adapter": adapter, "capabilities": adapter.capabilities}
    return type(f"{adapter.__name__}Harness", (QueuelessHarness,), made)


class _CountingJoins(Joins):
    """An ``all`` join that counts arrivals in the coordination store."""

    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        outcome = await super()._settle(edge, target, taken)
        if target == END or not self._graph.is_join(target) or self._graph.is_any(target):
            return outcome
        return await self.count(edge, target)

    async def count(self, edge: int, target: str) -> bool | None:
        """True where the count is full."""
        arrived = await self._store.increment(self.counter(target), 3600)
        return True if arrived >= self._graph.width(target) else None

    def counter(self, target: str) -> str:
        """The key of the count."""
        return f"flowcraft:count:{self._state.run_id}:{target}"

    async def taken(self, node_id: str) -> tuple[int, ...]:
        """Trusts whoever has put the job on the queue."""
        edges = self._graph.incoming[node_id]
        return edges if len(edges) > 1 else await super().taken(node_id)


class CountsWithoutDedupe(QueuelessAdapter):
    """A bare counter: a job that is delivered twice counts twice."""

    breaks = "DLV-DUP-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        _use_joins(self, _CountingJoins)


class _MarkThenCount(_CountingJoins):
    async def count(self, edge: int, target: str) -> bool | None:
        mark = f"flowcraft:mark:{self._state.run_id}:{edge}"
        if not await self._store.set_if_not_exist(mark, "1", 3600):
            return None
        return await super().count(edge, target)


class MarksThenCounts(QueuelessAdapter):
    """Marks an edge, then counts it: a worker that dies between the two has counted for ever."""

    breaks = "DLV-CRASH-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        _use_joins(self, _MarkThenCount)


class _DeleteThenEnqueue(_CountingJoins):
    async def count(self, edge: int, target: str) -> bool | None:
        arrived = f"_edge.{edge}"
        await self._state.context.set(arrived, True)
        there = [await self._state.context.has(f"_edge.{one}") for one in self._graph.incoming[target]]
        done = self._state.keys.cancel(target)
        if not all(there) or not await self._store.set_if_not_exist(done, "1", 3600):
            return None
        await self._store.delete(self.counter(target))
        return True


class DeletesCounterBeforeEnqueue(QueuelessAdapter):
    """Cleans the join up before its job is on the queue: a worker that dies between the two leaves nothing to go by."""

    breaks = "DLV-CRASH-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        _use_joins(self, _DeleteThenEnqueue)


class AcknowledgesBeforeTheWork(QueuelessAdapter):
    """Returns to the queue at once and works in the background."""

    breaks = "DLV-CRASH-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        self._background: set[asyncio.Task[None]] = set()

    async def handle_job(self, job: JobPayload) -> None:
        task = asyncio.create_task(self._quietly(job))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _quietly(self, job: JobPayload) -> None:
        try:
            await super().handle_job(job)
        except Exception as error:
            self.logger.warning("a job failed", error=repr(error))


class _SkipOnce(Joins):
    async def walk(self, node_id: str, decision: Decision) -> list[str]:
        ready: list[str] = []
        for edge in self._graph.outgoing[node_id]:
            target = self._graph.edges[edge].target
            outcome = await self._settle(edge, target, edge in decision.taken)
            if outcome:
                ready.append(target)
            elif outcome is False and await self._state.decision(target) is None:
                await self._state.skip(target)
                ready += await self.walk(target, Decision(skipped=True))
        if await self._settle_end(node_id, ran=not decision.skipped):
            ready.append(END)
        return ready


class PassesSkippedBranchOnOnce(QueuelessAdapter):
    """Takes a branch that is noted as skipped for one that was passed on too."""

    breaks = "DLV-CRASH-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        _use_joins(self, _SkipOnce)


class _KeyDecidesAny(Joins):
    async def _winner_of(self, target: str, edge: int) -> int:
        lock = self._state.keys.joinlock(target)
        await self._store.set_if_not_exist(lock, str(edge), self._joinlock_ttl)
        return int(await self._store.get(lock) or edge)

    async def taken(self, node_id: str) -> tuple[int, ...]:
        if len(self._graph.incoming[node_id]) > 1 and self._graph.is_any(node_id):
            winner = await self._store.get(self._state.keys.joinlock(node_id))
            return () if winner is None else (int(winner),)
        return await super().taken(node_id)


class AnyJoinForgetsItsWinner(QueuelessAdapter):
    """The winner of an ``any`` join is known by a key alone: when it has expired, the next arrival wins too."""

    breaks = "HB-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        _use_joins(self, _KeyDecidesAny)


class PublishesTwoStatuses(QueuelessAdapter):
    """Publishes a failure for a call that failed, and raises, so that the job is repeated and the run completes."""

    breaks = "RESULT-01"

    async def handle_job(self, job: JobPayload) -> None:
        try:
            await super().handle_job(job)
        except JobDeferred:
            raise
        except Exception as error:
            await self.publish_final_result(job.run_id, FinalResult("failed", reason=f"{job.node_id}: {error}"))
            raise


class _PlainPatchState(RunState):
    async def write_once(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        if guard.startswith("_done."):
            await self.context.patch(operations)
            return True
        return await super().write_once(guard, operations)


class _Trusting(NodeLease):
    def require(self) -> None:
        return

    async def verify(self) -> None:
        return

    async def _beat(self) -> None:
        await self._clock.sleep(10**9)


class CommitsAfterWakingUp(QueuelessAdapter):
    """Commits without a look at its lease and without a guard: a worker that woke up too late writes over the other."""

    breaks = "HB-01"

    def __init__(self, options: AdapterOptions, backend: MemoryBackend) -> None:
        super().__init__(options, backend)
        self.core.state = lambda run_id: _PlainPatchState(run_id, self.create_context(run_id))  # type: ignore[method-assign]
        self.core.lease = lambda state, node_id: _Trusting(  # type: ignore[method-assign]
            self.core.store, state.keys.nodelock(node_id), self.core.ttls.nodelock, self.core.clock, self.logger
        )


def _use_joins(adapter: QueuelessAdapter, joins: type[Joins]) -> None:
    core = adapter.core

    def make(graph: Graph, state: RunState) -> Joins:
        return joins(graph, state, core.store, core.ttls.joinlock)

    core.joins = make  # type: ignore[method-assign]


PLANTED: tuple[type[QueuelessAdapter], ...] = (
    CountsWithoutDedupe,
    MarksThenCounts,
    DeletesCounterBeforeEnqueue,
    AcknowledgesBeforeTheWork,
    PassesSkippedBranchOnOnce,
    AnyJoinForgetsItsWinner,
    PublishesTwoStatuses,
    CommitsAfterWakingUp,
)
