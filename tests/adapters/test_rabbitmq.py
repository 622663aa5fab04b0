"""What only the RabbitMQ queue has: a broker's connections, delivery limits, dead letters, queues to wait in."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aio_pika
import psycopg
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractChannel

from flowcraft_conformance import JobDeferred, JobPayload
from flowcraft_conformance.harness.addresses import Address
from flowcraft_conformance.harness.proxy import Fault, FaultPlan, FaultProxy
from reference_adapters.postgres_rabbitmq import PostgresRabbitMQHarness
from reference_adapters.postgres_rabbitmq.queue import Broker
from tests.adapters.rig import Rig, take_and_die, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def rig(flowcraft_postgres: str, flowcraft_rabbitmq: str) -> AsyncIterator[Rig]:
    harness = PostgresRabbitMQHarness(f"t{uuid.uuid4().hex[:10]}")
    await harness.setup()
    made = Rig(harness)
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture
async def channel(flowcraft_rabbitmq: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(flowcraft_rabbitmq) as connection, connection.channel() as opened:
        yield opened


def _harness(rig: Rig) -> PostgresRabbitMQHarness:
    assert isinstance(rig.harness, PostgresRabbitMQHarness)
    return rig.harness


class Seen:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.jobs: list[JobPayload] = []

    async def __call__(self, job: JobPayload) -> None:
        self.jobs.append(job)


async def test_a_killed_process_gives_its_job_to_another_worker(rig: Rig) -> None:
    seen = Seen()
    await take_and_die(rig)
    await rig.worker(seen)
    await until(lambda: bool(seen.jobs), "the killed worker's job")
    assert [(job.node_id, job.is_last_attempt) for job in seen.jobs] == [("victim", False)]


async def test_deliveries_used_up_by_lost_connections_end_in_the_dead_letters(
    rig: Rig, channel: AbstractChannel
) -> None:
    """As workers that die over a job leave it: each takes it and is gone."""
    client = await rig.client()
    await client.enqueue_job(JobPayload("run", "b", "killer"))
    deliveries = 0
    settings = _harness(rig).settings
    async with asyncio.timeout(60):
        while deliveries < settings.attempts:
            async with await aio_pika.connect(_url()) as connection, connection.channel() as victim:
                queue = await victim.get_queue(settings.jobs)
                if await queue.get(fail=False) is not None:
                    deliveries += 1
    seen = Seen()
    await rig.worker(seen)
    await until(lambda: bool(rig.abandoned), "the job to be given up")
    assert not seen.jobs
    ((job, reason),) = rig.abandoned
    assert job.node_id == "killer"
    assert "workers that died" in reason


def _url() -> str:
    from flowcraft_conformance import rabbitmq_service

    return rabbitmq_service().url


async def test_a_letter_that_cannot_be_given_up_is_kept(rig: Rig) -> None:
    tries = 0

    async def fail(job: JobPayload) -> None:
        raise ValueError("broken")

    async def give_up(job: JobPayload, reason: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionError("no database")
        rig.abandoned.append((job, reason))

    worker = await rig.client()
    worker.handle_job = fail  # type: ignore[method-assign]
    worker.abandon_job = give_up  # type: ignore[method-assign]
    await worker.start()
    await worker.enqueue_job(JobPayload("r", "b", "n"))
    await until(lambda: bool(rig.abandoned), "the second try")
    assert rig.abandoned[0][1] == "ValueError: broken"


async def test_a_deferred_job_waits_its_time_and_keeps_its_attempt(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    attempts: list[int] = []

    async def handle(job: JobPayload) -> None:
        times.append(loop.time())
        attempts.append(job.attempt)
        if len(times) == 1:
            raise ValueError("the first attempt fails")
        if len(times) == 2:
            raise JobDeferred(1.0)

    worker = await rig.worker(handle)
    await worker.enqueue_job(JobPayload("r", "b", "n"))
    await until(lambda: len(times) == 3, "the deferred job")
    assert attempts == [1, 2, 2]
    assert times[2] - times[1] >= 0.95, "the broker counts in milliseconds"


async def test_a_worker_goes_on_after_its_connections_were_reset(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    address = Address.of(_url())
    proxy = FaultProxy(address.host, address.port)
    monkeypatch.setenv("FLOWCRAFT_RABBITMQ_URL", address.at("127.0.0.1", proxy.port))
    try:
        seen = Seen()
        worker = await rig.worker(seen)
        await worker.enqueue_job(JobPayload("r", "b", "before"))
        await until(lambda: len(seen.jobs) == 1, "the first job")
        proxy.plan(FaultPlan(Fault.CUT_OFF))
        with pytest.raises((OSError, aio_pika.exceptions.AMQPError)):
            await worker.enqueue_job(JobPayload("r", "b", "lost"))
        await until(lambda: any("connecting again" in line for line in rig.notes.lines), "a line in the log")
        proxy.lift()
        with contextlib.suppress(
            OSError, aio_pika.exceptions.AMQPError
        ):  # what was sent on may not yet know of its end
            await worker.enqueue_job(JobPayload("r", "b", "too soon"))
        await worker.enqueue_job(JobPayload("r", "b", "after"))
        await until(lambda: any(job.node_id == "after" for job in seen.jobs), "the job after the loss")
    finally:
        await rig.close()
        proxy.close()


async def test_nothing_is_taken_for_sent_that_no_queue_took(rig: Rig, channel: AbstractChannel) -> None:
    client = await rig.client()
    await client.enqueue_job(JobPayload("r", "b", "n"))
    await channel.queue_delete(_harness(rig).settings.jobs)
    with pytest.raises(aio_pika.exceptions.AMQPError):
        await client.enqueue_job(JobPayload("r", "b", "n"))


async def test_messages_survive_the_broker(rig: Rig, channel: AbstractChannel) -> None:
    client = await rig.client()
    await client.enqueue_job(JobPayload("run:1", "b", "n"))
    queue = await channel.get_queue(_harness(rig).settings.jobs)
    message = await queue.get(timeout=20)
    assert message is not None
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert JobPayload.from_wire(message.body).run_id == "run:1"
    await message.nack()


async def test_teardown_removes_the_schema_and_the_queues_of_the_scope_and_no_other(
    rig: Rig, flowcraft_postgres: str, flowcraft_rabbitmq: str
) -> None:
    neighbour = Rig(PostgresRabbitMQHarness(f"{rig.harness.scope}x"))
    await neighbour.harness.setup()
    for each in (rig, neighbour):
        client = await each.client()
        await client.enqueue_job(JobPayload("r", "b", "n"))
        await client.create_context("r").set("k", 1)
        await client.coordination_store.increment("k", 60)
    await rig.close()
    assert not await _exists(flowcraft_rabbitmq, _harness(rig).settings.jobs)
    assert not _schema_exists(flowcraft_postgres, rig.harness.scope)
    assert await _exists(flowcraft_rabbitmq, _harness(neighbour).settings.jobs)
    assert _schema_exists(flowcraft_postgres, neighbour.harness.scope)
    await neighbour.close()


async def _exists(url: str, queue: str) -> bool:
    async with await aio_pika.connect(url) as connection:
        try:
            await (await connection.channel()).declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
        return True


def _schema_exists(url: str, schema: str) -> bool:
    with psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchall())


async def test_waiting_queues_are_few_and_go_when_they_are_not_used(rig: Rig) -> None:
    settings = replace(_harness(rig).settings)
    broker = Broker(_url(), settings)
    try:
        for delay in (0.001, 0.011, 0.012, 0.015, 0.019, 0.02):
            await broker.send(settings.jobs, b"{}", {}, delay)
    finally:
        await broker.close()
    there = [name for name in settings.all_queues() if await _exists(_url(), name)]
    assert [name.removeprefix(settings.jobs) for name in there] == ["", "-dead", "-in-10ms", "-in-20ms"]


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_starting_and_closing_leaves_nothing_that_grows(rig: Rig) -> None:
    worker = await rig.worker(Seen())
    counts = []
    for _ in range(4):
        await worker.close()
        await asyncio.sleep(0.1)  # transports that were closed are let go of in the loop's next rounds
        counts.append((len(asyncio.all_tasks()), threading.active_count(), _open_files()))
        await worker.start()
    assert len(set(counts[1:])) == 1, f"tasks, threads and open files after each close: {counts}"
