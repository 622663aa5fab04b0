"""What only SQS has: deliveries that it counts itself, redrive, delays in whole seconds, FIFO queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from flowcraft_conformance import JobDeferred, JobPayload
from reference_adapters.dynamodb_sqs.consumer import Handler, SqsConsumer
from reference_adapters.dynamodb_sqs.queue import QueueSettings, SqsQueue, body_of
from tests.adapters.rig import Notes, until
from tests.backends.aws import Queues, queues

pytestmark = pytest.mark.asyncio

JOB = JobPayload("run", "blueprint", "node")


@pytest_asyncio.fixture(params=[False, True], ids=["standard", "fifo"])
async def sqs(request: pytest.FixtureRequest) -> AsyncIterator[Queues]:
    async with queues(fifo=request.param) as made:
        yield made


class Given:
    """The jobs that were given up."""

    def __init__(self, *failures: Exception) -> None:
        self.up: list[tuple[JobPayload, str]] = []
        self._failures = list(failures)

    async def __call__(self, job: JobPayload, reason: str) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.up.append((job, reason))


@asynccontextmanager
async def _worker(sqs: Queues, handler: Handler, given: Given) -> AsyncIterator[Notes]:
    notes = Notes()
    pair = _both(sqs)
    consumer = SqsConsumer(pair, pair, sqs.settings, handler, given, notes)
    await consumer.start()
    try:
        yield notes
    finally:
        await consumer.close()


def _both(sqs: Queues) -> tuple[SqsQueue, SqsQueue]:
    return SqsQueue(sqs.client, sqs.settings.jobs_name), SqsQueue(sqs.client, sqs.settings.dead_name)


async def _take_and_die(sqs: Queues) -> None:
    """Receive the message as a worker does that then says nothing more; its lease ends at once."""
    jobs, _ = _both(sqs)
    async with asyncio.timeout(30):
        taken = await jobs.receive(1, 1, 2)
        while not taken:
            taken = await jobs.receive(1, 1, 2)
    await jobs.hide(taken[0].receipt, 0)


async def test_deliveries_used_up_by_crashes_are_redriven_and_given_up(sqs: Queues) -> None:
    given = Given()
    seen: list[JobPayload] = []

    async def note(job: JobPayload) -> None:
        seen.append(job)

    await _both(sqs)[0].send(body_of(JOB))
    for _ in range(sqs.settings.attempts):
        await _take_and_die(sqs)
    async with _worker(sqs, note, given):
        await until(lambda: bool(given.up), "the job to be given up")
    assert not seen
    ((job, reason),) = given.up
    assert (job.run_id, job.node_id) == ("run", "node")
    assert "workers that died" in reason


async def test_crashes_count_as_attempts_for_a_copy_too(sqs: Queues) -> None:
    """A job that was deferred is another message to SQS, which counts it from the start."""
    given = Given()
    seen: list[tuple[int, bool]] = []

    async def note(job: JobPayload) -> None:
        seen.append((job.attempt, job.is_last_attempt))
        if len(seen) == 1:
            raise JobDeferred(0)

    await _both(sqs)[0].send(body_of(JOB), used=1)
    await _take_and_die(sqs)
    async with _worker(sqs, note, given):
        await until(lambda: len(seen) == 2, "the copy")
    assert seen == [(3, True), (3, True)]


async def test_a_dead_letter_that_cannot_be_published_is_kept_until_it_can(sqs: Queues) -> None:
    given = Given(ConnectionError("the database is away"))

    async def fail(job: JobPayload) -> None:
        raise ValueError("broken\x00\ud800")

    await _both(sqs)[0].send(body_of(JOB))
    async with _worker(sqs, fail, given) as notes:
        await until(lambda: bool(given.up), "the job to be given up")
        assert any("could not be given up" in line for line in notes.lines)
    assert given.up[0][1] == "ValueError: broken\x00\ud800"


async def test_a_deferral_is_kept_to_the_second_or_better(sqs: Queues) -> None:
    given = Given()
    at: list[float] = []
    loop = asyncio.get_running_loop()
    delays = [0.3, 1.5]

    async def defer(job: JobPayload) -> None:
        at.append(loop.time())
        assert job.attempt == 1
        if delays:
            raise JobDeferred(delays.pop(0))

    await _both(sqs)[0].send(body_of(JOB))
    async with _worker(sqs, defer, given):
        await until(lambda: len(at) == 3, "the job after both deferrals")
    assert at[1] - at[0] >= 0.29
    assert at[2] - at[1] >= 1.0  # SQS counts seconds as it likes: never more than one too few
    assert not given.up


async def test_queues_that_come_back_are_read_again(sqs: Queues) -> None:
    """An outage, as the worker sees it: its polls fail, and then they do not."""
    given = Given()
    seen: list[str] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.node_id)

    class Flaky(SqsQueue):
        failures = 3

        async def receive(self, most: int, wait_seconds: int, lease_seconds: int):  # type: ignore[no-untyped-def]
            if Flaky.failures:
                Flaky.failures -= 1
                raise ConnectionError("no route")
            return await super().receive(most, wait_seconds, lease_seconds)

    notes = Notes()
    polling = (Flaky(sqs.client, sqs.settings.jobs_name), SqsQueue(sqs.client, sqs.settings.dead_name))
    consumer = SqsConsumer(polling, _both(sqs), sqs.settings, note, given, notes)
    await consumer.start()
    await _both(sqs)[0].send(body_of(JOB))
    await until(lambda: seen == ["node"], "the job")
    await consumer.close()
    assert len([line for line in notes.lines if "could not be read" in line]) == 3


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (4, 16), (30, 900)], ids=["first", "second", "fourth", "late"]
)
async def test_a_job_that_raised_comes_twice_as_late_each_time(attempt: int, seconds: int) -> None:
    assert QueueSettings(retry_seconds=2).retry_after(attempt) == seconds
