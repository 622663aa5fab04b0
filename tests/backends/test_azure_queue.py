"""What only Azure Queue Storage has: deliveries that it counts, receipts that change, messages that are XML."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from flowcraft_conformance import JobDeferred, JobPayload
from reference_adapters.cosmos_azure_queue.consumer import Handler, QueueConsumer
from reference_adapters.cosmos_azure_queue.queue import AzureQueue, Delivery, QueueSettings, body_of, noted
from tests.adapters.rig import Notes, until
from tests.backends.azure import Queues, queues

pytestmark = pytest.mark.asyncio

JOB = JobPayload("run", "blueprint", "node: <&\x7f\U0001f600")


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[Queues]:
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


def _jobs(azure: Queues) -> AzureQueue:
    return AzureQueue(azure.service, azure.settings.name)


def _poison(azure: Queues) -> AzureQueue:
    return AzureQueue(azure.service, azure.settings.poison_name)


@asynccontextmanager
async def _worker(
    azure: Queues, handler: Handler, given: Given, jobs: AzureQueue | None = None
) -> AsyncIterator[Notes]:
    notes = Notes()
    consumer = QueueConsumer(jobs or _jobs(azure), _poison(azure), azure.settings, handler, given, notes)
    await consumer.start()
    try:
        yield notes
    finally:
        await consumer.close()


async def _taken(queue: AzureQueue, lease_seconds: int = 5) -> Delivery:
    """The one message, as soon as it can be had."""
    async with asyncio.timeout(30):
        while True:
            if found := await queue.receive(1, lease_seconds):
                return found[0]
            await asyncio.sleep(0.02)


async def _take_and_die(azure: Queues) -> None:
    """Receive the message as a worker does that then says nothing more; its lease ends at once."""
    await _jobs(azure).hide(await _taken(_jobs(azure)), 0)


async def _unexpected(job: JobPayload) -> None:
    raise AssertionError("no handler is to be called")


async def test_deliveries_used_up_by_crashes_fail_the_run_and_are_kept_as_poison(azure: Queues) -> None:
    given = Given()
    await _jobs(azure).send(body_of(JOB))
    for _ in range(azure.settings.attempts):
        await _take_and_die(azure)
    async with _worker(azure, _unexpected, given):
        kept = await _taken(_poison(azure))
        await until(lambda: bool(given.up), "the job to be given up")
    ((job, reason),) = given.up
    assert (job.run_id, job.node_id, job.is_last_attempt) == (JOB.run_id, JOB.node_id, True)
    assert "workers that died" in reason
    assert JobPayload.from_wire(kept.body) == JOB
    assert kept.reason == reason
    await asyncio.sleep(azure.settings.lease_seconds)
    assert not await _jobs(azure).receive(1, 1), "the job is gone from the queue"


async def test_an_error_at_the_last_attempt_is_published_and_kept_as_poison(azure: Queues) -> None:
    given = Given()

    async def fail(job: JobPayload) -> None:
        raise ValueError("broken\x00\ud800")

    await _jobs(azure).send(body_of(JOB))
    async with _worker(azure, fail, given):
        kept = await _taken(_poison(azure))
    assert [reason for _, reason in given.up] == ["ValueError: broken\x00\ud800"]
    assert kept.reason == "ValueError: broken\x00\ud800"


async def test_poison_that_cannot_be_published_keeps_its_reason_until_it_can(azure: Queues) -> None:
    given = Given(ConnectionError("the database is away"))
    seen: list[int] = []

    async def fail(job: JobPayload) -> None:
        seen.append(job.attempt)
        raise ValueError("broken")

    await _jobs(azure).send(body_of(JOB))
    async with _worker(azure, fail, given) as notes:
        await until(lambda: bool(given.up), "the job to be given up")
        assert any("could not be given up" in line for line in notes.lines)
        await _taken(_poison(azure))
    assert [reason for _, reason in given.up] == ["ValueError: broken"]
    assert seen == [1, 2, 3], "what is given up is not run again"


async def test_a_deferral_uses_up_no_attempt_and_a_crash_does(azure: Queues) -> None:
    seen: list[tuple[int, bool]] = []

    async def note(job: JobPayload) -> None:
        seen.append((job.attempt, job.is_last_attempt))
        if len(seen) < 4:
            raise JobDeferred(0)

    await _jobs(azure).send(body_of(JOB))
    await _take_and_die(azure)
    async with _worker(azure, note, Given()):
        await until(lambda: len(seen) == 2, "the deferred job")
    seen.clear()
    await _take_and_die(azure)
    async with _worker(azure, note, Given()):
        await until(lambda: len(seen) == 4, "the deferred job")
    assert seen == [(3, True)] * 4


async def test_a_deferral_lasts_at_least_as_long_as_it_says(azure: Queues) -> None:
    at: list[float] = []
    loop = asyncio.get_running_loop()
    delays = [0.3, 1.5]

    async def defer(job: JobPayload) -> None:
        at.append(loop.time())
        assert job.attempt == 1
        if delays:
            raise JobDeferred(delays.pop(0))

    await _jobs(azure).send(body_of(JOB))
    async with _worker(azure, defer, Given()):
        await until(lambda: len(at) == 3, "the job after both deferrals")
    assert at[1] - at[0] >= 0.29
    assert at[2] - at[1] >= 1.4


async def test_a_job_longer_than_its_lease_stays_with_its_worker(azure: Queues) -> None:
    seen: list[int] = []
    ended = asyncio.Event()

    async def long(job: JobPayload) -> None:
        seen.append(job.attempt)
        await asyncio.sleep(2.5 * azure.settings.lease_seconds)
        ended.set()

    await _jobs(azure).send(body_of(JOB))
    async with _worker(azure, long, Given()), _worker(azure, long, Given()):
        await asyncio.wait_for(ended.wait(), 30)
        await asyncio.sleep(0.5)
    assert seen == [1]
    assert not await _jobs(azure).receive(1, 1)


async def test_only_the_newest_receipt_counts_and_an_old_one_takes_nothing_away(azure: Queues) -> None:
    queue = _jobs(azure)
    await queue.send(body_of(JOB))
    lost = await _taken(queue)
    await queue.hide(lost, 0)
    old, held = Delivery(lost.body, lost.id, lost.receipt, 1), await _taken(queue)
    await queue.delete(old)
    await queue.hide(held, 5)
    await queue.hide(held, 0)
    again = await _taken(queue)
    assert (again.body, again.received) == (body_of(JOB), 3), "neither the message nor its text was lost"
    await queue.delete(again)
    await queue.delete(again)


async def test_a_queue_that_comes_back_is_read_again(azure: Queues) -> None:
    """An outage, as the worker sees it: its polls fail, and then they do not."""
    seen: list[str] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.node_id)

    class Flaky(AzureQueue):
        failures = 3

        async def receive(self, most: int, lease_seconds: int) -> list[Delivery]:
            if Flaky.failures:
                Flaky.failures -= 1
                raise ConnectionError("no route")
            return await super().receive(most, lease_seconds)

    await _jobs(azure).send(body_of(JOB))
    async with _worker(azure, note, Given(), Flaky(azure.service, azure.settings.name)) as notes:
        await until(lambda: seen == [JOB.node_id], "the job")
    assert len([line for line in notes.lines if "could not be read" in line]) == 3


@pytest.mark.parametrize("name", ["ab", "Jobs", "a--b", "-ab", "ab-", "a_b", "x" * 57])
async def test_a_name_that_azure_would_refuse_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        QueueSettings(name)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (4, 16), (30, 604_800)])
async def test_a_job_that_raised_comes_twice_as_late_each_time(attempt: int, seconds: int) -> None:
    assert QueueSettings(retry_seconds=2).retry_after(attempt) == seconds


@pytest.mark.parametrize("body", ["no json", "[]", "5", "null", ""])
async def test_a_note_leaves_what_is_no_job_as_it_is(body: str) -> None:
    assert noted(body, deferred=1) == body
    assert Delivery(body, "id", "receipt", 2).attempt == 2


@pytest.mark.parametrize("note", [-1, 9, True, "2", None, {}])
async def test_a_note_of_a_strangers_gives_an_attempt_all_the_same(note: object) -> None:
    body = json.dumps({"flowcraftQueue": {"deferred": note, "reason": None}})
    assert Delivery(body, "id", "receipt", 2).attempt in (1, 2)
    assert Delivery(body, "id", "receipt", 2).reason is None
