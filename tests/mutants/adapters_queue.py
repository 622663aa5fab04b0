"""Adapters with a broken queue, named by their behaviour: each is the one in memory with one mistake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar

from flowcraft_conformance import AdapterOptions, InvalidJobError, JobDeferred, JobPayload
from flowcraft_conformance.runtime.graph import END, Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.memory import MemoryAdapter, MemoryHarness
from reference_adapters.memory.queue import MemoryConsumer, _Message

Handler = Callable[[JobPayload], Awaitable[None]]


class QueueMutant(MemoryAdapter):
    """An adapter in memory whose consumer can be another one."""

    breaks: ClassVar[str] = ""
    profile: ClassVar[str] = "quick"
    consumer: ClassVar[type[MemoryConsumer]] = MemoryConsumer

    async def process_jobs(self, handler: Handler) -> None:
        """As the right one does."""
        if self._consumer is None:
            queue = self._cluster.queue
            self._consumer = self.consumer(queue, queue.clock, self._concurrency, self.abandon_job, self._note)
            self._consumer.start(handler)


def harness_of(adapter: type[MemoryAdapter]) -> type[MemoryHarness]:
    """A harness class for one adapter."""

    class Harness(MemoryHarness):
        async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
            return adapter(options, self._cluster)

        async def teardown(self) -> None:
            for left in vars(self._cluster).get("sockets", ()):
                left.close()
            for task in vars(self._cluster).get("tasks", ()):
                task.cancel()

    Harness.__name__ = f"{adapter.__name__}Harness"
    return Harness


# Arrival


class PutsDashesForColons(QueueMutant):
    """The queue refuses colons in ids, and they are replaced."""

    breaks = "JOB-RT-01"

    async def enqueue_job(self, job: JobPayload) -> None:
        await super().enqueue_job(replace(job, run_id=job.run_id.replace(":", "-")))


class NormalizesNodeIds(QueueMutant):
    """Node ids go through NFC."""

    breaks = "JOB-RT-01"

    async def enqueue_job(self, job: JobPayload) -> None:
        await super().enqueue_job(replace(job, node_id=unicodedata.normalize("NFC", job.node_id)))


class CountsAttemptsFromZero(QueueMutant):
    """Hands out the queue's own count."""

    breaks = "JOB-RT-01"

    async def process_jobs(self, handler: Handler) -> None:
        await super().process_jobs(lambda job: handler(replace(job, attempt=job.attempt - 1)))


class LosesOneInFifty(QueueMutant):
    """Every fiftieth job is forgotten as it is sent."""

    breaks = "JOB-LOSS-01"
    every = 50

    async def enqueue_job(self, job: JobPayload) -> None:
        shared = vars(self._cluster)
        shared["sent"] = shared.get("sent", 0) + 1
        if shared["sent"] % self.every:
            await super().enqueue_job(job)


class LosesOneInAThousand(LosesOneInFifty):
    """Every thousandth."""

    profile = "standard"
    every = 1000


class InventsJobs(QueueMutant):
    """Announces the next node before it is ready."""

    breaks = "JOB-LOSS-01"

    async def enqueue_job(self, job: JobPayload) -> None:
        await super().enqueue_job(job)
        if job.run_id.endswith("7"):
            await super().enqueue_job(replace(job, node_id="next"))


class DropsWhatItKnows(QueueMutant):
    """The message's id is made of run and node, and a second one is a duplicate."""

    breaks = "JOB-LOSS-01"

    async def enqueue_job(self, job: JobPayload) -> None:
        known = vars(self._cluster).setdefault("known", set())
        if (job.run_id, job.node_id) not in known:
            known.add((job.run_id, job.node_id))
            await super().enqueue_job(job)


# Outcomes


class _WithoutAck(MemoryConsumer):
    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        await super()._deliver(message, -1 if message.receipt == receipt else receipt, handler)


class NeverAcknowledges(QueueMutant):
    """The acknowledgement is sent with a receipt that is not valid, and the refusal is not seen."""

    breaks = "JOB-ACK-01"
    consumer = _WithoutAck


class DeliversToEveryWorker(QueueMutant):
    """A channel on which every worker has a subscription of its own."""

    breaks = "JOB-ACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        handlers = vars(self._cluster).setdefault("handlers", [])
        handlers.append(handler)

        async def publish(job: JobPayload) -> None:
            await asyncio.gather(*[one(job) for one in handlers])

        await super().process_jobs(publish)


class AcknowledgesWhatRaised(QueueMutant):
    """The exception is logged and the job acknowledged: a retry never reaches the queue."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def quietly(job: JobPayload) -> None:
            try:
                await handler(job)
            except JobDeferred:
                raise
            except Exception as error:
                self.logger.warning("a job failed", error=repr(error))

        await super().process_jobs(quietly)


class NeverRaisesTheAttempt(QueueMutant):
    """Every delivery says that it is the first."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        await super().process_jobs(lambda job: handler(replace(job, attempt=1)))


class CountsDeferralsAsAttempts(QueueMutant):
    """JobDeferred is an exception like any other."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def handle(job: JobPayload) -> None:
            try:
                await handler(job)
            except JobDeferred as deferred:
                raise RuntimeError(str(deferred)) from None

        await super().process_jobs(handle)


class LosesDeferredJobs(QueueMutant):
    """A job that is deferred is acknowledged, and its copy never sent."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def handle(job: JobPayload) -> None:
            with contextlib.suppress(JobDeferred):
                await handler(job)

        await super().process_jobs(handle)


class NeverMarksTheLastAttempt(QueueMutant):
    """Nobody is told that it is the last chance."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        await super().process_jobs(lambda job: handler(replace(job, is_last_attempt=False)))


class MarksTheLastButOne(QueueMutant):
    """The mark is one off."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        last = self._cluster.queue.attempts - 1
        await super().process_jobs(lambda job: handler(replace(job, is_last_attempt=job.attempt >= last)))


# Workers


class _WithoutRenewal(MemoryConsumer):
    async def _renew(self, message: _Message, receipt: int) -> None:
        await asyncio.Event().wait()


class NeverRenewsTheLease(QueueMutant):
    """The lease of a long job ends while its handler runs."""

    breaks = "JOB-LONG-01"
    consumer = _WithoutRenewal


class ServesOneWorkerOnly(QueueMutant):
    """An exclusive consumer: who came first gets everything."""

    breaks = "JOB-CONC-01"

    async def process_jobs(self, handler: Handler) -> None:
        if vars(self._cluster).setdefault("only", self) is self:
            await super().process_jobs(handler)


class _OneAfterTheOther(MemoryConsumer):
    """Takes ten messages at a time, and the next ten once these are done."""

    async def _listen(self, handler: Handler) -> None:
        while True:
            batch = [message for _ in range(10) if (message := self._queue.receive()) is not None]
            held = [asyncio.ensure_future(self._renew(message, message.receipt)) for message in batch]
            for message in batch:
                task = asyncio.ensure_future(self._deliver(message, message.receipt, handler))
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)
                await asyncio.wait({task})
            for renewing in held:
                renewing.cancel()
            if not batch:
                await self._wait_for_more()


class TakesTenAtATime(QueueMutant):
    """Jobs taken ahead wait behind a slow one, while another worker is idle."""

    breaks = "JOB-CONC-02"
    consumer = _OneAfterTheOther


class HandlesOneJobInAll(QueueMutant):
    """A lock of the whole queue is held while a handler runs."""

    breaks = "JOB-CONC-02"

    async def process_jobs(self, handler: Handler) -> None:
        lock = vars(self._cluster).setdefault("lock", asyncio.Lock())

        async def alone(job: JobPayload) -> None:
            async with lock:
                await handler(job)

        await super().process_jobs(alone)


# Messages


class _DiesOfBadMessages(MemoryConsumer):
    async def _listen(self, handler: Handler) -> None:
        while True:
            message = self._queue.receive()
            if message is None:
                await self._wait_for_more()
                continue
            JobPayload.from_wire(message.body)
            task = asyncio.create_task(self._deliver(message, message.receipt, handler))
            self._jobs.add(task)
            task.add_done_callback(self._jobs.discard)


class DiesOfABadMessage(QueueMutant):
    """The message is parsed outside of the try block, and the consumer's task ends."""

    breaks = "JOB-BAD-01"
    consumer = _DiesOfBadMessages


class SwallowsBadMessages(QueueMutant):
    """Drops them without a word."""

    breaks = "JOB-BAD-01"

    def _note(self, message: str, body: bytes) -> None:
        return


class _Believes(MemoryConsumer):
    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        with contextlib.suppress(ValueError):
            wire = json.loads(message.body)
            if isinstance(wire, dict) and {"runId", "blueprintId", "nodeId"} <= set(wire):
                job = JobPayload(str(wire["runId"]), str(wire["blueprintId"]), str(wire["nodeId"]))
                with contextlib.suppress(InvalidJobError):
                    JobPayload.from_wire(message.body)
                    return await super()._deliver(message, receipt, handler)
                self._note("odd types", message.body)
                await handler(job)
                return self._queue.acknowledge(message, receipt)
        return await super()._deliver(message, receipt, handler)


class BelievesEveryType(QueueMutant):
    """Makes text of whatever stands in a field."""

    breaks = "JOB-BAD-01"
    consumer = _Believes


class _Strict(MemoryConsumer):
    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        with contextlib.suppress(ValueError):
            wire: Any = json.loads(message.body)
            if isinstance(wire, dict) and set(wire) - set(JobPayload("r", "b", "n").to_wire()):
                self._note("a message with unknown fields was dropped", message.body)
                return self._queue.acknowledge(message, receipt)
        return await super()._deliver(message, receipt, handler)


class RefusesUnknownFields(QueueMutant):
    """A newer version adds a field, and the job is dropped."""

    breaks = "JOB-BAD-01"
    consumer = _Strict


# Start and close


class StartsBeforeItListens(QueueMutant):
    """start() makes a task and returns before that one has subscribed."""

    breaks = "JOB-LIFE-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def later() -> None:
            await asyncio.sleep(2)
            await QueueMutant.process_jobs(self, handler)

        self._later = asyncio.ensure_future(later())


class BeginsWithTheNewestMessage(QueueMutant):
    """The first worker begins where the queue is when it comes."""

    breaks = "JOB-LIFE-01"

    async def process_jobs(self, handler: Handler) -> None:
        if not vars(self._cluster).setdefault("begun", False):
            vars(self._cluster)["begun"] = True
            self._cluster.queue.messages.clear()
        await super().process_jobs(handler)


class CutsJobsOff(QueueMutant):
    """close() cancels the jobs in flight."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        await self.disconnect()


class LosesTheJobInFlight(QueueMutant):
    """close() cancels the jobs in flight, and they were acknowledged before."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        self._cluster.queue.messages.clear()
        await self.disconnect()


class ClosesAtOnce(QueueMutant):
    """close() does not wait for the jobs in flight, which go on by themselves."""

    breaks = "JOB-LIFE-02"

    async def close(self) -> None:
        await self.stop_jobs()
        self._consumer = None


class TakesJobsWhileItCloses(QueueMutant):
    """It stops to listen when all is done, and that may be never."""

    breaks = "JOB-LIFE-02"

    async def process_jobs(self, handler: Handler) -> None:
        await super().process_jobs(self.handle_job)

    async def close(self) -> None:
        consumer = self._consumer
        while consumer is not None and consumer._jobs:
            await asyncio.wait(set(consumer._jobs))
        await super().close()


class ClosesOnlyOnce(QueueMutant):
    """A second close() meets what is closed already."""

    breaks = "JOB-LIFE-02"
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("the pool is closed")
        self.closed = True
        await super().close()


class _ForgetsAtTheEnd(MemoryConsumer):
    stopping = False

    async def stop(self) -> None:
        self.stopping = True
        await super().stop()

    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        async def handle(job: JobPayload) -> None:
            await handler(job)
            if self.stopping:  # the connection on which it would be acknowledged is closed
                message.receipt += 1

        await super()._deliver(message, receipt, handle)


class ClosesBeforeItAcknowledges(QueueMutant):
    """The last jobs are done, and come back, since their connection was closed first."""

    breaks = "JOB-LIFE-02"
    consumer = _ForgetsAtTheEnd


class LeavesATaskBehind(QueueMutant):
    """Nobody ends the task that looks for dead workers."""

    breaks = "JOB-LIFE-02"

    async def open(self) -> None:
        tasks = vars(self._cluster).setdefault("tasks", set())
        tasks.add(asyncio.ensure_future(asyncio.sleep(300)))


class LeavesASocketBehind(QueueMutant):
    """Each open makes a connection, and close releases the last one only."""

    breaks = "JOB-LIFE-02"

    async def open(self) -> None:
        vars(self._cluster).setdefault("sockets", []).append(socket.socket())


# Workflows


class OwnArrivals(Joins):
    """An ``all`` join counts arrivals in the memory of its worker."""

    arrivals: dict[tuple[str, str], set[int]]

    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        outcome = await super()._settle(edge, target, taken)
        if target == END or not self._graph.is_join(target) or self._graph.is_any(target):
            return outcome
        seen = self.arrivals.setdefault((self._state.run_id, target), set())
        seen.add(edge)
        return True if len(seen) == self._graph.width(target) else None


class CountsArrivalsInItsMemory(QueueMutant):
    """A join is ready when one worker has seen all of its predecessors."""

    breaks = "DLV-MULTI-01"

    def __init__(self, options: AdapterOptions, *rest: Any, **more: Any) -> None:
        super().__init__(options, *rest, **more)
        core = self._runs._core
        arrivals: dict[tuple[str, str], set[int]] = {}

        def make(graph: Graph, state: RunState) -> Joins:
            joins = OwnArrivals(graph, state, core.store, core.ttls.joinlock)
            joins.arrivals = arrivals
            return joins

        core.joins = make  # type: ignore[method-assign]


QUEUES: tuple[type[QueueMutant], ...] = (
    PutsDashesForColons,
    NormalizesNodeIds,
    CountsAttemptsFromZero,
    LosesOneInFifty,
    LosesOneInAThousand,
    InventsJobs,
    DropsWhatItKnows,
    NeverAcknowledges,
    DeliversToEveryWorker,
    AcknowledgesWhatRaised,
    NeverRaisesTheAttempt,
    CountsDeferralsAsAttempts,
    LosesDeferredJobs,
    NeverMarksTheLastAttempt,
    MarksTheLastButOne,
    NeverRenewsTheLease,
    ServesOneWorkerOnly,
    TakesTenAtATime,
    HandlesOneJobInAll,
    DiesOfABadMessage,
    SwallowsBadMessages,
    BelievesEveryType,
    RefusesUnknownFields,
    StartsBeforeItListens,
    BeginsWithTheNewestMessage,
    CutsJobsOff,
    LosesTheJobInFlight,
    ClosesAtOnce,
    TakesJobsWhileItCloses,
    ClosesOnlyOnce,
    ClosesBeforeItAcknowledges,
    LeavesATaskBehind,
    LeavesASocketBehind,
    CountsArrivalsInItsMemory,
)
