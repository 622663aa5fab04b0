"""What the queues of the reference adapters do beyond the clauses of the job suite."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from flowcraft_conformance import AdapterHarness, JobPayload
from reference_adapters.cassandra_kafka import CassandraKafkaHarness
from reference_adapters.cosmos_azure_queue import CosmosAzureQueueHarness
from reference_adapters.dynamodb_sqs import DynamoDbSqsHarness
from reference_adapters.firestore_pubsub import FirestorePubSubHarness
from reference_adapters.memory import MemoryHarness
from reference_adapters.postgres_rabbitmq import PostgresRabbitMQHarness
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.adapters.rig import Rig, until

pytestmark = pytest.mark.asyncio

JOB = JobPayload("run:1", "blueprint", "a node: ümlaut")
_ATTEMPTS = 5


_HARNESSES: dict[type[AdapterHarness], tuple[str, ...]] = {
    MemoryHarness: (),
    RedisBullMQHarness: ("flowcraft_redis",),
    PostgresRabbitMQHarness: ("flowcraft_postgres", "flowcraft_rabbitmq"),
    DynamoDbSqsHarness: ("flowcraft_dynamodb", "flowcraft_sqs"),
    CosmosAzureQueueHarness: ("flowcraft_cosmos", "flowcraft_azure_queue", "flowcraft_redis"),
    FirestorePubSubHarness: ("flowcraft_firestore", "flowcraft_pubsub", "flowcraft_redis"),
    CassandraKafkaHarness: ("flowcraft_cassandra", "flowcraft_kafka", "flowcraft_redis"),
}


@pytest.fixture(params=_HARNESSES, ids=["memory", "redis", "rabbitmq", "sqs", "azure-queue", "pubsub", "kafka"])
def harness(request: pytest.FixtureRequest) -> AdapterHarness:
    for server in _HARNESSES[request.param]:
        request.getfixturevalue(server)  # where there is none the test is not run, with the reason
    made: AdapterHarness = request.param(f"t{uuid.uuid4().hex[:10]}")
    return made


@pytest_asyncio.fixture
async def rig(harness: AdapterHarness) -> AsyncIterator[Rig]:
    assert harness.capabilities.queue_attempts == _ATTEMPTS
    await harness.setup()
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


async def test_after_the_last_attempt_the_job_is_given_up_with_the_error(rig: Rig) -> None:
    seen = Recorder(*(ValueError(f"error {number}") for number in range(1, 10)))
    worker = await rig.worker(seen)
    await worker.enqueue_job(JOB)
    await until(lambda: bool(rig.abandoned), "the job to be given up")
    await quiet(rig)
    assert seen.attempts == [(number, number == _ATTEMPTS) for number in range(1, _ATTEMPTS + 1)]
    ((job, reason),) = rig.abandoned
    assert (job.run_id, job.node_id, reason) == (JOB.run_id, JOB.node_id, "ValueError: error 5")


_NO_JOBS = (b"no json", b"[]", b"null", b"{}", b'{"runId": 5, "blueprintId": "b", "nodeId": "n"}', b"\xff\xfe")


async def test_messages_that_are_no_jobs_are_dropped_with_a_line_each(rig: Rig) -> None:
    """A lease may be lost on a busy machine, and a line come twice; what is not dropped comes again and again."""
    seen = Recorder()
    worker = await rig.worker(seen)

    def lines() -> list[str]:
        return [line for line in rig.notes.lines if "no job" in line]

    for body in _NO_JOBS:
        before = len(lines())
        await rig.harness.send_raw(body)
        await until(lambda before=before: len(lines()) > before, f"a line in the log for {body!r}")  # type: ignore[misc]
    await worker.enqueue_job(JOB)
    await until(lambda: bool(seen.jobs), "the job behind the messages")
    await quiet(rig)
    told = len(lines())
    await quiet(rig)
    assert len(lines()) == told
    assert {job.node_id for job in seen.jobs} == {JOB.node_id}


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


async def test_a_worker_can_be_started_again(rig: Rig) -> None:
    seen = Recorder()
    worker = await rig.worker(seen)
    for number in (1, 2):
        await worker.close()
        await worker.start()
        await worker.enqueue_job(JOB)
        await until(lambda number=number: len(seen.jobs) == number, f"a job after start {number}")  # type: ignore[misc]
