"""Adapters whose queue loses, changes or miscounts jobs: each is the one in memory with one mistake."""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from dataclasses import replace

from flowcraft_conformance import JobDeferred, JobPayload
from reference_adapters.memory.queue import Handler, MemoryConsumer, _Message
from tests.mutants.adapters_queue import QueueMutant

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


DELIVERY: tuple[type[QueueMutant], ...] = (
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
)
