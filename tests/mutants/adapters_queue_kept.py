"""Queues that lose or use up what they were to keep: deferred, taken ahead, enqueued at work, given up."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import replace
from typing import Any

from flowcraft_conformance import FinalResult, JobDeferred, JobPayload
from reference_adapters.memory.queue import MemoryConsumer
from tests.mutants.adapters_queue import Handler, QueueMutant

_LONGEST_DELAY = 900
_MOST_DEFERRALS = 20
_MOST_BYTES = 256 * 1024
_AHEAD = 8


class RefusesLongDelays(QueueMutant):
    """The queue takes delays of a quarter of an hour at most; the error counts as one of the job's."""

    breaks = "JOB-NACK-01"

    async def process_jobs(self, handler: Handler) -> None:
        async def bounded(job: JobPayload) -> None:
            try:
                await handler(job)
            except JobDeferred as deferred:
                if deferred.delay_seconds > _LONGEST_DELAY:
                    raise ValueError(f"the delay is at most {_LONGEST_DELAY} s") from None
                raise

        await super().process_jobs(bounded)


class GivesUpWhatIsDeferredOften(QueueMutant):
    """Deferrals have a bound of their own: a job that waits for another worker long enough fails its run."""

    breaks = "JOB-NACK-01"

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self._deferrals: Counter[tuple[str, str]] = Counter()

    async def process_jobs(self, handler: Handler) -> None:
        async def counting(job: JobPayload) -> None:
            try:
                await handler(job)
            except JobDeferred:
                self._deferrals[job.run_id, job.node_id] += 1
                if self._deferrals[job.run_id, job.node_id] < _MOST_DEFERRALS:
                    raise
                await self.abandon_job(job, "it was deferred too often")

        await super().process_jobs(counting)


class DropsWhatIsOnTheQueue(QueueMutant):
    """A job that is on the queue is not added again, also while it is worked at."""

    breaks = "JOB-LOSS-01"

    async def enqueue_job(self, job: JobPayload) -> None:
        if not any(message.body == job.to_json() for message in self._cluster.queue.messages.values()):
            await super().enqueue_job(job)


class _Forgetting(MemoryConsumer):
    async def _give_up(self, message: Any, receipt: int, job: JobPayload, reason: str) -> None:
        try:
            await self._abandon(job, reason)
        except Exception as error:
            self._note(f"a dead letter could not be abandoned: {error!r}", message.body)
        self._queue.acknowledge(message, receipt)


class ForgetsWhatItCouldNotGiveUp(QueueMutant):
    """A dead letter is acknowledged, whether its run could be told or not."""

    breaks = "DLQ-01"
    consumer = _Forgetting


class _TakingAhead(MemoryConsumer):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._ahead: deque[tuple[Any, int]] = deque()

    def _take(self) -> None:
        while len(self._ahead) < _AHEAD and (message := self._queue.receive()) is not None:
            self._ahead.append((message, message.receipt))

    async def _listen(self, handler: Handler) -> None:
        while True:
            self._take()
            if self._room.locked() or not self._ahead:
                await asyncio.sleep(0.02)
                continue
            await self._room.acquire()
            task = asyncio.create_task(self._deliver(*self._ahead.popleft(), handler))
            self._jobs.add(task)
            task.add_done_callback(self._delivered)


class TakesAheadWithoutRenewing(QueueMutant):
    """Leases of jobs in a worker's buffer end there: the job is given out again, and each time counts."""

    breaks = "JOB-ACK-01"
    consumer = _TakingAhead

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__(*options, **{**named, "concurrency": 3})


class _CountingWhatItHandsBack(_TakingAhead):
    def _take(self) -> None:
        if self._room.locked():  # no room: others may have what was taken ahead
            while self._ahead:
                message, receipt = self._ahead.popleft()
                self._queue.put_back(message, receipt, 0.2, counts=True)
            return
        super()._take()


class HandsBackAtThePriceOfAnAttempt(TakesAheadWithoutRenewing):
    """What a full worker hands back has used up an attempt."""

    breaks = "JOB-RT-01"
    consumer = _CountingWhatItHandsBack


class OneJobOfARunAtATime(QueueMutant):
    """A FIFO queue with the run as its group: parallel branches wait for each other."""

    breaks = "JOB-CONC-02"

    async def process_jobs(self, handler: Handler) -> None:
        groups: dict[str, asyncio.Lock] = vars(self._cluster).setdefault("groups", {})

        async def in_order(job: JobPayload) -> None:
            async with groups.setdefault(job.run_id, asyncio.Lock()):
                await handler(job)

        await super().process_jobs(in_order)


class DropsLargePayloads(QueueMutant):
    """Results travel in messages of at most 256 KB; a larger one goes without its payload."""

    breaks = "RESULT-01"

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        if len(str(result.to_wire())) > _MOST_BYTES:
            result = replace(result, payload=None)
        await super().publish_final_result(run_id, result)


class ResultsWithoutCase(QueueMutant):
    """Run ids that differ in case have one row in the table of results."""

    breaks = "KEY-01"

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        results = self._cluster.results
        known = next((one for one in results if one.casefold() == run_id.casefold()), run_id)
        results[run_id] = results.setdefault(known, [])
        await super().publish_final_result(run_id, result)


QUEUES_KEPT: tuple[type[QueueMutant], ...] = (
    RefusesLongDelays, GivesUpWhatIsDeferredOften, DropsWhatIsOnTheQueue, ForgetsWhatItCouldNotGiveUp,
    TakesAheadWithoutRenewing, HandsBackAtThePriceOfAnAttempt,
    OneJobOfARunAtATime, DropsLargePayloads, ResultsWithoutCase,
)  # fmt: skip
