"""What only the BullMQ queue has: processes, keys and sockets on a server, jobs that other code put there."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from bullmq import Queue, Worker
from redis.asyncio import Redis

from flowcraft_conformance import FinalResult, JobPayload, redis_service
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.adapters.rig import BOUND_SECONDS, Rig, take_and_die, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig(RedisBullMQHarness(f"t{uuid.uuid4().hex[:10]}"))
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture
async def redis() -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(redis_service().url, decode_responses=True)
    yield client
    await client.aclose()


async def test_deliveries_used_up_by_crashes_end_in_giving_up(rig: Rig, redis: Redis) -> None:
    seen: list[JobPayload] = []

    async def note(job: JobPayload) -> None:
        seen.append(job)

    client = await rig.client()
    await client.enqueue_job(JobPayload("run", "b", "killer"))
    await redis.hset(f"{rig.harness.scope}:bull:flowcraft-queue:1", "stc", 5)  # as five dead workers leave it
    await rig.worker(note)
    await until(lambda: bool(rig.abandoned), "the job to be given up")
    assert not seen
    assert "workers that died" in rig.abandoned[0][1]


async def test_a_job_that_stalled_often_is_delivered_until_its_attempts_are_used_up(rig: Rig, redis: Redis) -> None:
    seen: list[JobPayload] = []

    async def note(job: JobPayload) -> None:
        seen.append(job)

    await take_and_die(rig)
    await redis.hset(f"{rig.harness.scope}:bull:flowcraft-queue:1", "stc", 3)  # as three dead workers leave it
    await rig.worker(note)
    await until(lambda: bool(seen), "the last delivery")
    assert [(job.attempt, job.is_last_attempt) for job in seen] == [(5, True)]


async def test_a_job_that_was_being_fetched_when_the_worker_was_closed_is_handed_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, closing = asyncio.Event(), asyncio.Event()
    fetch = Worker.moveToActive
    seen: list[str] = []

    async def fetch_slowly(worker: Worker, token: str) -> Any:
        job = await fetch(worker, token)
        if job:
            fetched.set()
            await closing.wait()
        return job

    async def first(job: JobPayload) -> None:
        seen.append("first")

    async def second(job: JobPayload) -> None:
        seen.append("second")

    monkeypatch.setattr(Worker, "moveToActive", fetch_slowly)
    closed = await rig.worker(first)
    await closed.enqueue_job(JobPayload("r", "b", "n"))
    await asyncio.wait_for(fetched.wait(), BOUND_SECONDS)
    await closed.stop_jobs()
    closing.set()
    await closed.close()
    await rig.worker(second)
    await until(lambda: bool(seen), "the job")
    assert seen == ["second"]


async def test_a_job_that_other_code_gave_one_attempt_is_not_lost_in_silence(rig: Rig, redis: Redis) -> None:
    async def fail(job: JobPayload) -> None:
        raise ValueError("broken")

    await rig.worker(fail)
    queue = Queue("flowcraft-queue", {"connection": redis, "prefix": f"{rig.harness.scope}:bull"})
    await queue.add("executeNode", {"runId": "r", "blueprintId": "b", "nodeId": "n"}, {})
    await until(lambda: bool(rig.abandoned), "the job to be given up")
    job, reason = rig.abandoned[0]
    assert (job.node_id, job.attempt, job.is_last_attempt, reason) == ("n", 1, True, "ValueError: broken")


async def test_a_worker_goes_on_after_its_connections_were_lost(rig: Rig, redis: Redis) -> None:
    seen: list[str] = []

    async def note(job: JobPayload) -> None:
        seen.append(job.node_id)

    await rig.worker(note)
    client = await rig.client()
    await client.enqueue_job(JobPayload("r", "b", "before"))
    await until(lambda: seen == ["before"], "the first job")
    lost = [each["id"] for each in await redis.client_list() if each["name"].startswith(f"{rig.harness.scope}:")]
    assert lost
    for number in lost:
        await redis.client_kill_filter(_id=number)
    await client.enqueue_job(JobPayload("r", "b", "after"))
    await until(lambda: "after" in seen, "the job after the loss")


async def test_names_and_layout_are_the_published_ones(rig: Rig, redis: Redis) -> None:
    client = await rig.client()
    await client.enqueue_job(JobPayload("run:1", "b", "n"))
    await client.create_context("run:1").set("key", {"a": 1})
    await client.publish_final_result("run:1", FinalResult("failed", reason="why"))
    scope = rig.harness.scope
    job = await redis.hgetall(f"{scope}:bull:flowcraft-queue:1")
    assert job["name"] == "executeNode"
    assert JobPayload.from_wire(job["data"]).run_id == "run:1"
    assert await redis.hgetall(f"{scope}:workflow:state:run:1") == {"key": '{"a":1}'}
    assert await redis.get(f"{scope}:workflow:status:run:1") == '{"status": "failed", "reason": "why"}'


async def test_teardown_removes_every_key_of_the_scope_and_no_other(rig: Rig, redis: Redis) -> None:
    scope = rig.harness.scope
    neighbour = Rig(RedisBullMQHarness(f"{scope}x"))
    for each in (rig, neighbour):
        client = await each.client()
        await client.enqueue_job(JobPayload("r", "b", "n"))
        await client.create_context("r").set("k", 1)
        await client.coordination_store.increment("k", 60)
    assert [key async for key in redis.scan_iter(f"{scope}:*")]
    await rig.close()
    assert not [key async for key in redis.scan_iter(f"{scope}:*")]
    assert [key async for key in redis.scan_iter(f"{scope}x:*")]
    await neighbour.close()
