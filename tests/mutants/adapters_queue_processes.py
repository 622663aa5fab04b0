"""Adapters on Redis that break when their processes are killed or their server goes away: each has one mistake."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, ClassVar

from bullmq.custom_errors import UnrecoverableError

from flowcraft_conformance import AdapterOptions, JobDeferred, JobPayload, redis_service
from flowcraft_conformance.runtime.graph import Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.redis_bullmq import QueueSettings, RedisBullMQAdapter, RedisBullMQHarness
from reference_adapters.redis_bullmq.calls import RedisCalls
from reference_adapters.redis_bullmq.queue import BullMQConsumer
from tests.mutants.adapters_queue_workers import OwnArrivals

_BATCH: ContextVar[list[JobPayload] | None] = ContextVar("batch", default=None)


class ProcessMutant(RedisBullMQHarness):
    """Makes one kind of adapter."""

    breaks: ClassVar[str] = ""
    adapter: ClassVar[type[RedisBullMQAdapter]] = RedisBullMQAdapter
    stalled_check_seconds: ClassVar[float] = 0.5

    async def create_adapter(self, options: AdapterOptions) -> RedisBullMQAdapter:
        settings = QueueSettings(
            prefix=f"{self._prefix}bull",
            lease_seconds=self.capabilities.lease_seconds,
            stalled_check_seconds=self.stalled_check_seconds,
        )
        return self.adapter(options, redis_service().url, prefix=self._prefix, queue=settings)


class LooksForStalledJobsOnceAnHour(ProcessMutant):
    """The job of a dead worker comes back long after the declared time."""

    breaks = "JOB-CRASH-01"
    stalled_check_seconds = 3600


class _AcknowledgingFirst(BullMQConsumer):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._working: set[asyncio.Future[None]] = set()

    async def _process(self, job: Any, token: str) -> None:
        task = asyncio.ensure_future(self._later(job, token))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _later(self, job: Any, token: str) -> None:
        try:
            await super()._process(job, token)
        except Exception as error:
            self._note(error)


class _AcknowledgesFirstAdapter(RedisBullMQAdapter):
    async def process_jobs(self, handler: Any) -> None:
        if self._consumer is None:
            self._consumer = _AcknowledgingFirst(self._url, self._settings, handler, self.abandon_job, self.logger)
            await self._consumer.start()


class AcknowledgesOnReceipt(ProcessMutant):
    """The job is acknowledged before its handler has begun."""

    breaks = "JOB-CRASH-01"
    adapter = _AcknowledgesFirstAdapter


class _BackgroundAdapter(RedisBullMQAdapter):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._background: set[asyncio.Task[None]] = set()

    async def enqueue_job(self, job: JobPayload) -> None:
        task = asyncio.create_task(self._send(job))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _send(self, job: JobPayload) -> None:
        await asyncio.sleep(1)
        await super().enqueue_job(job)


class SendsJobsLater(ProcessMutant):
    """A job is in the client's buffer when enqueue_job returns, and dies with the process."""

    breaks = "DLV-CRASH-02"
    adapter = _BackgroundAdapter


class _InABatchAdapter(RedisBullMQAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        batch: list[JobPayload] = []
        token = _BATCH.set(batch)
        try:
            await super().handle_job(job)
        finally:
            _BATCH.reset(token)
            for one in batch:
                await super().enqueue_job(one)

    async def enqueue_job(self, job: JobPayload) -> None:
        batch = _BATCH.get()
        if batch is None:
            await super().enqueue_job(job)
        else:
            batch.append(job)


class SendsJobsInABatch(ProcessMutant):
    """What a job enqueues is sent when it is over, and dies with a process that is killed before that."""

    breaks = "DLV-CRASH-02"
    adapter = _InABatchAdapter


class _TimersAdapter(RedisBullMQAdapter):
    async def process_jobs(self, handler: Any) -> None:
        async def deferring(job: JobPayload) -> None:
            try:
                await handler(job)
            except JobDeferred as deferred:
                loop = asyncio.get_running_loop()
                loop.call_later(deferred.delay_seconds, lambda: loop.create_task(self.enqueue_job(job)))

        await super().process_jobs(deferring)


class KeepsDeferredJobsInTimers(ProcessMutant):
    """A deferred job is acknowledged, and sent again by a timer of the process that had it."""

    breaks = "JOB-CRASH-01"
    adapter = _TimersAdapter


class _StopsOnErrorAdapter(RedisBullMQAdapter):
    _watching: asyncio.Future[None] | None = None

    async def process_jobs(self, handler: Any) -> None:
        await super().process_jobs(handler)
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        ping = RedisCalls(self._redis)
        try:
            while True:
                await ping("PING")
                await asyncio.sleep(0.05)
        except Exception as error:
            self.logger.warning("the connection is lost", error=repr(error))
            await self.stop_jobs()
            if self._consumer is not None:
                for fetching in set(self._consumer._worker.processing):  # else a fetch that goes on takes one job more
                    fetching.cancel()

    async def disconnect(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await super().disconnect()


class StopsWhenItsServerGoes(ProcessMutant):
    """The consumer ends with the first error of its connection, and nobody starts it again."""

    breaks = "JOB-LIFE-03"
    adapter = _StopsOnErrorAdapter


class _FailingWithoutAWord(BullMQConsumer):
    async def _give_up(self, job: Any, token: str, payload: JobPayload, reason: str) -> None:
        if "workers that died" not in reason:
            return await super()._give_up(job, token, payload, reason)
        self._logger.error("a job has failed", job=payload.node_id)
        raise UnrecoverableError(reason)


class _WithoutAWordAdapter(RedisBullMQAdapter):
    async def process_jobs(self, handler: Any) -> None:
        if self._consumer is None:
            self._consumer = _FailingWithoutAWord(self._url, self._settings, handler, self.abandon_job, self.logger)
            await self._consumer.start()


class OnlyLogsAJobThatKillsItsWorkers(ProcessMutant):
    """The dead letter of a job that raises is heard of; that of one whose workers died is a line in a log."""

    breaks = "DLQ-01"
    adapter = _WithoutAWordAdapter


class _OwnArrivalsAdapter(RedisBullMQAdapter):
    arrivals: ClassVar[dict[tuple[str, str], set[int]]] = {}
    """Of the process: all workers of one process see them."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        core = self._runs._core

        def make(graph: Graph, state: RunState) -> Joins:
            joins = OwnArrivals(graph, state, core.store, core.ttls.joinlock)
            joins.arrivals = self.arrivals
            return joins

        core.joins = make  # type: ignore[method-assign]


class CountsArrivalsInItsProcess(ProcessMutant):
    """Right with any number of workers in one process, and wrong with two processes."""

    breaks = "DLV-MULTI-01"
    adapter = _OwnArrivalsAdapter


PROCESSES: tuple[type[ProcessMutant], ...] = (
    LooksForStalledJobsOnceAnHour,
    AcknowledgesOnReceipt,
    SendsJobsLater,
    SendsJobsInABatch,
    KeepsDeferredJobsInTimers,
    StopsWhenItsServerGoes,
    OnlyLogsAJobThatKillsItsWorkers,
    CountsArrivalsInItsProcess,
)
