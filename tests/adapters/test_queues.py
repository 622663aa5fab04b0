"""The queues of the reference adapters: what a handler's outcome does, and what is left of a worker that is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from flowcraft_conformance import AdapterHarness, JobDeferred, JobPayload, ServiceUnavailableError
from reference_adapters.dynamodb_sqs import DynamoDbSqsHarness
from reference_adapters.memory import MemoryHarness
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.adapters.rig import Rig, until

pytestmark = pytest.mark.asyncio

JOB = JobPayload("run:1", "blueprint", "a node: ümlaut")
_ATTEMPTS = 5


@pytest_asyncio.fixture(params=[MemoryHarness, RedisBullMQHarness, DynamoDbSqsHarness], ids=["memory", "redis", "sqs"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    harness: AdapterHarness = request.param(f"t{uuid.uuid4().hex[:10]}")
    assert harness.capabilities.queue_attempts == _ATTEMPTS
    try:
        await harness.setup()
    except ServiceUnavailableError as error:
        pytest.skip(f"not run: {error}")
    made = Rig(harness)
    try:
        yield made
    finally:
        await made.close()


class Recorder:
    """A handler that notes every delivery and does what the test's plan says for it; then it returns."""

    def __init__(self, *outcomes: Exception) -> None:
        self.jobs: list[JobPayload] = []
        self._outcomes = list(outcomes)

    async def __call__(self, job: JobPayload) -> None:
        self.jobs.append(job)
        if self._outcomes:
            raise self._outcomes.pop(0)

    @property
    def attempts(self) -> list[tuple[int, bool]]:
        return [(job.attempt, job.is_last_attempt) for job in self.jobs]


async def quiet(rig: Rig) -> None:
    """Long enough for a job that was wrongly kept to come back: a job sent now has been there and back."""
    await asyncio.sleep(rig.harness.capabilities.lease_seconds * 1.5)


async def test_a_job_arrives_unchanged_and_once(rig: Rig) -> None:
    seen = Recorder()
    client = await rig.client()
    await client.enqueue_job(JOB)  # before anybody listens
    worker = await rig.worker(seen)
    await worker.enqueue_job(JobPayload("r", "b", "second"))
    await until(lambda: len(seen.jobs) == 2, "both jobs")
    await quiet(rig)
    assert sorted(seen.jobs, key=lambda job: job.run_id) == [
        JobPayload("r", "b", "second", 1, False),
        JobPayload(JOB.run_id, JOB.blueprint_id, JOB.node_id, 1, False),
    ]


async def test_the_same_job_twice_is_two_jobs(rig: Rig) -> None:
    """A loop or a reconcile enqueues what was enqueued and done before."""
    seen = Recorder()
    worker = await rig.worker(seen)
    for number in (1, 2, 3):
        await worker.enqueue_job(JOB)
        await until(lambda number=number: len(seen.jobs) >= number, f"delivery {number}")  # type: ignore[misc]
    assert seen.attempts == [(1, False)] * 3


async def test_a_job_that_raised_comes_again_with_the_next_attempt(rig: Rig) -> None:
    seen = Recorder(ValueError("one"), ValueError("two"))
    worker = await rig.worker(seen)
    await worker.enqueue_job(JOB)
    await until(lambda: len(seen.jobs) == 3, "three deliveries")
    await quiet(rig)
    assert seen.attempts == [(1, False), (2, False), (3, False)]
    assert not rig.abandoned


async def test_after_the_last_attempt_the_job_is_given_up_with_the_error(rig: Rig) -> None:
    seen = Recorder(*(ValueError(f"error {number}") for number in range(1, 10)))
    worker = await rig.worker(seen)
    await worker.enqueue_job(JOB)
    await until(lambda: bool(rig.abandoned), "the job to be given up")
    await quiet(rig)
    assert seen.attempts == [(number, number == _ATTEMPTS) for number in range(1, _ATTEMPTS + 1)]
    ((job, reason),) = rig.abandoned
    assert (job.run_id, job.node_id, reason) == (JOB.run_id, JOB.node_id, "ValueError: error 5")


async def test_deferring_uses_up_no_attempt(rig: Rig) -> None:
    deferrals = [JobDeferred(0.01) for _ in range(_ATTEMPTS + 1)]
    seen = Recorder(ValueError("one"), *deferrals, JobDeferred(0))
    worker = await rig.worker(seen)
    await worker.enqueue_job(JOB)
    await until(lambda: len(seen.jobs) == _ATTEMPTS + 4, "the job after all deferrals")
    await quiet(rig)
    assert seen.attempts == [(1, False)] + [(2, False)] * (_ATTEMPTS + 3)
    assert not rig.abandoned


@pytest.mark.parametrize(
    "body",
    [b"no json", b"[]", b"null", b"{}", b'{"runId": 5, "blueprintId": "b", "nodeId": "n"}', b"\xff\xfe"],
    ids=["no JSON", "a list", "null", "no fields", "a wrong type", "no UTF-8"],
)
async def test_a_message_that_is_no_job_is_dropped_with_a_line(rig: Rig, body: bytes) -> None:
    seen = Recorder()
    worker = await rig.worker(seen)
    await rig.harness.send_raw(body)
    await worker.enqueue_job(JOB)
    await until(lambda: bool(seen.jobs), "the job behind the message")
    await until(lambda: any("no job" in line for line in rig.notes.lines), "a line in the log")
    await quiet(rig)
    assert len(seen.jobs) == 1
    assert len([line for line in rig.notes.lines if "no job" in line]) == 1


async def test_unknown_fields_are_ignored(rig: Rig) -> None:
    seen = Recorder()
    await rig.worker(seen)
    await rig.harness.send_raw(b'{"runId": "r", "blueprintId": "b", "nodeId": "n", "attempt": 1, "more": [1]}')
    await until(lambda: bool(seen.jobs), "the job")
    assert seen.jobs[0].node_id == "n"


async def test_closing_lets_a_job_finish_and_takes_no_other(rig: Rig) -> None:
    begun, release, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    taken: list[str] = []

    async def slow(job: JobPayload) -> None:
        taken.append(job.node_id)
        begun.set()
        await release.wait()
        ended.set()

    worker = await rig.worker(slow)
    client = await rig.client()
    await client.enqueue_job(JOB)
    await asyncio.wait_for(begun.wait(), 30)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0.2)
    await client.enqueue_job(JobPayload("r", "b", "later"))
    await asyncio.sleep(0.2)
    assert not closing.done()
    release.set()
    await asyncio.wait_for(closing, 30)
    assert ended.is_set()
    await worker.close()
    assert taken == [JOB.node_id]
    seen = Recorder()
    await rig.worker(seen)  # what was left goes to the next one; what was done does not come again
    await until(lambda: bool(seen.jobs), "the job that was left")
    await quiet(rig)
    assert [job.node_id for job in seen.jobs] == ["later"]


async def test_a_job_cut_off_by_closing_goes_to_another_worker(rig: Rig) -> None:
    begun = asyncio.Event()

    async def endless(job: JobPayload) -> None:
        begun.set()
        await asyncio.Event().wait()

    worker = await rig.worker(endless, shutdown_grace_seconds=0.05)
    seen = Recorder()
    await worker.enqueue_job(JOB)
    await asyncio.wait_for(begun.wait(), 30)
    await worker.close()
    await rig.worker(seen)
    await until(lambda: bool(seen.jobs), "the job at the other worker")
    assert seen.jobs[0].node_id == JOB.node_id


async def test_a_job_longer_than_the_lease_stays_with_its_worker(rig: Rig) -> None:
    seconds = rig.harness.capabilities.lease_seconds * 2.5
    running = most = 0
    done = asyncio.Event()

    async def long(job: JobPayload) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(seconds)
        running -= 1
        done.set()

    await rig.worker(long)
    other = await rig.worker(long)
    await other.enqueue_job(JOB)
    await asyncio.wait_for(done.wait(), 30)
    assert most == 1


async def test_a_slow_job_keeps_no_other_waiting(rig: Rig) -> None:
    release = asyncio.Event()
    done: list[str] = []

    async def handle(job: JobPayload) -> None:
        if job.node_id == "slow":
            await release.wait()
        done.append(job.node_id)

    worker = await rig.worker(handle)
    await worker.enqueue_job(JobPayload("r", "b", "slow"))
    await worker.enqueue_job(JobPayload("r", "b", "quick"))
    await until(lambda: "quick" in done, "the quick job")
    assert done == ["quick"]
    release.set()
    await until(lambda: "slow" in done, "the slow job")


async def test_a_worker_can_be_started_again(rig: Rig) -> None:
    seen = Recorder()
    worker = await rig.worker(seen)
    for number in (1, 2):
        await worker.close()
        await worker.start()
        await worker.enqueue_job(JOB)
        await until(lambda number=number: len(seen.jobs) == number, f"a job after start {number}")  # type: ignore[misc]
