"""What only Pub/Sub has: deliveries that it counts itself, dead letters of its own, no delays, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from flowcraft_conformance import JobDeferred, JobPayload
from reference_adapters.firestore_pubsub import create_queues, delete_queues
from reference_adapters.firestore_pubsub.consumer import Handler, PubSubConsumer
from reference_adapters.firestore_pubsub.queue import PubSubQueue, QueueSettings
from tests.adapters.rig import Notes, until
from tests.backends.google import Queues, queues

pytestmark = pytest.mark.asyncio

JOB = JobPayload("run", "blueprint", "node")


@pytest_asyncio.fixture
async def pubsub() -> AsyncIterator[Queues]:
    async with queues() as made:
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
async def _worker(
    pubsub: Queues, handler: Handler, given: Given, settings: QueueSettings | None = None
) -> AsyncIterator[Notes]:
    notes = Notes()
    pair = _both(pubsub)
    consumer = PubSubConsumer(pair, pair, settings or pubsub.settings, handler, given, notes)
    await consumer.start()
    try:
        yield notes
    finally:
        await consumer.close()


def _both(pubsub: Queues) -> tuple[PubSubQueue, PubSubQueue]:
    names = (pubsub.settings.name, pubsub.settings.dead_name)
    return PubSubQueue(pubsub.client, names[0]), PubSubQueue(pubsub.client, names[1])


async def _take_and_die(pubsub: Queues) -> None:
    """Receive the message as a worker does that then says nothing more; its lease ends at once."""
    jobs, _ = _both(pubsub)
    async with asyncio.timeout(30):
        taken = await jobs.receive(1, 2, 2)
        while not taken:
            taken = await jobs.receive(1, 2, 2)
    await jobs.hide([taken[0].receipt], 0)


async def test_deliveries_used_up_by_crashes_are_dead_letters_and_given_up(pubsub: Queues) -> None:
    given = Given()
    seen: list[JobPayload] = []

    async def note(job: JobPayload) -> None:
        seen.append(job)

    await _both(pubsub)[0].send(JOB.to_json())
    for _ in range(pubsub.settings.attempts):
        await _take_and_die(pubsub)
    async with _worker(pubsub, note, given):
        await until(lambda: bool(given.up), "the job to be given up")
    assert not seen
    ((job, reason),) = given.up
    assert (job.run_id, job.node_id) == ("run", "node")
    assert "workers that died" in reason


async def test_fewer_attempts_than_pubsub_counts_are_counted_by_the_worker() -> None:
    given = Given()
    seen: list[tuple[int, bool]] = []

    async def fail(job: JobPayload) -> None:
        seen.append((job.attempt, job.is_last_attempt))
        raise ValueError("broken")

    async with queues(attempts=2) as pubsub:
        await _both(pubsub)[0].send(JOB.to_json())
        async with _worker(pubsub, fail, given):
            await until(lambda: bool(given.up), "the job to be given up")
    assert seen == [(1, False), (2, True)]
    assert given.up[0][1] == "ValueError: broken"


async def test_crashes_count_as_attempts_for_a_copy_too(pubsub: Queues) -> None:
    """A job that was deferred is another message to Pub/Sub, which counts it from the start."""
    given = Given()
    seen: list[tuple[int, bool]] = []

    async def note(job: JobPayload) -> None:
        seen.append((job.attempt, job.is_last_attempt))
        if len(seen) == 1:
            raise JobDeferred(0)

    await _both(pubsub)[0].send(JOB.to_json(), used=3)
    await _take_and_die(pubsub)
    async with _worker(pubsub, note, given):
        await until(lambda: len(seen) == 2, "the copy")
    assert seen == [(5, True), (5, True)]


async def test_a_copy_whose_earlier_deliveries_were_all_used_up_is_given_up(pubsub: Queues) -> None:
    given = Given()
    seen: list[JobPayload] = []

    async def note(job: JobPayload) -> None:
        seen.append(job)

    await _both(pubsub)[0].send(JOB.to_json(), used=pubsub.settings.attempts)
    async with _worker(pubsub, note, given):
        await until(lambda: bool(given.up), "the job to be given up")
    assert not seen


async def test_a_dead_letter_that_cannot_be_published_is_kept_until_it_can(pubsub: Queues) -> None:
    given = Given(ConnectionError("the database is away"))
    reason = "broken\x00\ud800" + "\U0001f600" * 300  # as JSON more than one attribute holds

    async def fail(job: JobPayload) -> None:
        raise ValueError(reason)

    await _both(pubsub)[0].send(JOB.to_json())
    async with _worker(pubsub, fail, given) as notes:
        await until(lambda: bool(given.up), "the job to be given up")
        assert any("could not be given up" in line for line in notes.lines)
    assert given.up[0][1] == f"ValueError: {reason}"


async def test_a_deferral_is_kept_and_uses_up_no_attempt(pubsub: Queues) -> None:
    given = Given()
    at: list[float] = []
    loop = asyncio.get_running_loop()
    delays = [0.3, 3.5]  # the second one is longer than the lease

    async def defer(job: JobPayload) -> None:
        at.append(loop.time())
        assert job.attempt == 1
        if delays:
            raise JobDeferred(delays.pop(0))

    await _both(pubsub)[0].send(JOB.to_json())
    async with _worker(pubsub, defer, given):
        await until(lambda: len(at) == 3, "the job after both deferrals")
        await asyncio.sleep(1.5 * pubsub.settings.lease_seconds)
    assert at[1] - at[0] >= 0.29
    assert at[2] - at[1] >= 3.49
    assert len(at) == 3, "the message itself came again beside its copy"
    assert not given.up


async def test_deferred_jobs_take_no_place_among_those_that_run(pubsub: Queues) -> None:
    seen: list[str] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.node_id)
        if job.node_id == "sleeps":
            raise JobDeferred(300)

    alone = QueueSettings(pubsub.settings.name, lease_seconds=2, poll_seconds=2, concurrency=1)
    jobs, _ = _both(pubsub)
    async with _worker(pubsub, note, Given(), alone):
        await jobs.send(JobPayload("run", "blueprint", "sleeps").to_json())
        await until(lambda: seen == ["sleeps"], "the job that sleeps")
        await jobs.send(JOB.to_json())
        await until(lambda: seen == ["sleeps", "node"], "the job behind it")
    async with asyncio.timeout(30):  # a worker that closes puts back what it holds
        while not (back := await jobs.receive(1, 2, 10)):
            pass
    assert b"sleeps" in back[0].body
    assert back[0].attempt == 1


async def test_a_job_longer_than_its_lease_is_delivered_once(pubsub: Queues) -> None:
    seen: list[JobPayload] = []
    done = asyncio.Event()

    async def slow(job: JobPayload) -> None:
        seen.append(job)
        await asyncio.sleep(2.5 * pubsub.settings.lease_seconds)
        done.set()

    await _both(pubsub)[0].send(JOB.to_json())
    async with _worker(pubsub, slow, Given()), _worker(pubsub, slow, Given()):
        await asyncio.wait_for(done.wait(), 30)
        await asyncio.sleep(1.5 * pubsub.settings.lease_seconds)
    assert len(seen) == 1


async def test_a_job_of_a_silent_worker_comes_again_after_the_lease(pubsub: Queues) -> None:
    seen: list[int] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.attempt)

    jobs, _ = _both(pubsub)
    await jobs.send(JOB.to_json())
    assert len(await jobs.receive(1, 10, pubsub.settings.lease_seconds)) == 1
    async with _worker(pubsub, note, Given()):
        await until(lambda: seen == [2], "the job at the other worker")


@pytest.mark.parametrize(("lease", "asked"), [(2, [2]), (10, [])], ids=["shorter", "the same"])
async def test_a_lease_shorter_than_pubsubs_own_is_asked_for_with_the_message(
    pubsub: Queues, lease: int, asked: list[int]
) -> None:
    """Pub/Sub's own deadline is ten seconds at least: a job would come again only then."""

    class Recording(PubSubQueue):
        async def hide(self, receipts: list[str], seconds: int) -> None:
            hidden.append(seconds)
            await super().hide(receipts, seconds)

    hidden: list[int] = []
    await _both(pubsub)[0].send(JOB.to_json())
    assert len(await Recording(pubsub.client, pubsub.settings.name).receive(1, 10, lease)) == 1
    assert hidden == asked


async def test_queues_that_come_back_are_read_again(pubsub: Queues) -> None:
    """An outage, as the worker sees it: its pulls fail, and then they do not."""
    seen: list[str] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.node_id)

    class Flaky(PubSubQueue):
        failures = 3

        async def receive(self, most: int, wait_seconds: float, lease_seconds: int):  # type: ignore[no-untyped-def]
            if Flaky.failures:
                Flaky.failures -= 1
                raise ConnectionError("no route")
            return await super().receive(most, wait_seconds, lease_seconds)

    notes = Notes()
    polling = (Flaky(pubsub.client, pubsub.settings.name), PubSubQueue(pubsub.client, pubsub.settings.dead_name))
    consumer = PubSubConsumer(polling, _both(pubsub), pubsub.settings, note, Given(), notes)
    await consumer.start()
    await _both(pubsub)[0].send(JOB.to_json())
    await until(lambda: seen == ["node"], "the job")
    await consumer.close()
    assert len([line for line in notes.lines if "could not be read" in line]) == 3


async def test_pubsub_is_told_to_count_deliveries_and_to_keep_what_is_not_read(pubsub: Queues) -> None:
    subscriber = await pubsub.client.subscriber()
    name = await pubsub.client.subscription(pubsub.settings.name)
    made = await subscriber.get_subscription(subscription=name)
    assert made.ack_deadline_seconds == 10  # the shortest that Pub/Sub takes, though the emulator takes less
    assert made.dead_letter_policy.max_delivery_attempts == pubsub.settings.attempts
    assert made.dead_letter_policy.dead_letter_topic == await pubsub.client.topic(pubsub.settings.dead_name)
    assert not made.expiration_policy.ttl


async def test_topics_can_be_made_and_removed_twice(pubsub: Queues) -> None:
    await create_queues(pubsub.client, pubsub.settings)
    await delete_queues(pubsub.client, pubsub.settings)
    await delete_queues(pubsub.client, pubsub.settings)
    await create_queues(pubsub.client, pubsub.settings)
    await _both(pubsub)[0].find()


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (4, 16), (30, 600)], ids=["first", "second", "fourth", "late"]
)
async def test_a_job_that_raised_comes_twice_as_late_each_time(attempt: int, seconds: int) -> None:
    assert QueueSettings(retry_seconds=2).retry_after(attempt) == seconds
