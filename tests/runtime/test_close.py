"""Closing a worker: what is in flight may finish, nothing new starts, nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft_conformance import JobDeferred, JobPayload
from flowcraft_conformance.checking.blueprints import flow, node
from tests.runtime.bench import ListAdapter

SLOW = flow("b", node("a", "slow", seconds=10))


async def _in_flight() -> tuple[ListAdapter, asyncio.Task[None]]:
    adapter = ListAdapter(SLOW)
    await adapter.start()
    await adapter.start_run("b", run_id="r")
    assert adapter.handler is not None
    task = asyncio.ensure_future(_handled(adapter, adapter.queue.pop()))
    await asyncio.sleep(0.01)
    return adapter, task


async def _handled(adapter: ListAdapter, job: JobPayload) -> None:
    assert adapter.handler is not None
    await adapter.handler(job)


def test_a_job_in_flight_finishes() -> None:
    async def run() -> None:
        adapter, task = await _in_flight()
        closing = asyncio.ensure_future(adapter.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        adapter.clock.advance(10)
        await asyncio.wait_for(closing, 5)
        await task
        assert [result.status for result in adapter.results] == ["completed"]
        await adapter.close()

    asyncio.run(run())


def test_a_job_that_is_cut_off_goes_back_to_the_queue_and_its_consumer_is_not_cancelled() -> None:
    async def run() -> None:
        adapter, task = await _in_flight()
        closing = asyncio.ensure_future(adapter.close())
        await asyncio.sleep(0.01)
        adapter.clock._now += adapter.runtime_options.shutdown_grace_seconds * 2  # the node does not wake
        adapter.clock._sleepers = [one for one in adapter.clock._sleepers if one[0] > 1_000_010.0]
        adapter.clock.advance(0)
        await asyncio.wait_for(closing, 5)
        with pytest.raises(JobDeferred, match="closed"):
            await task

    asyncio.run(run())


def test_a_closing_worker_takes_no_job_until_it_starts_again() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        await adapter.start()
        await adapter.start_run("b", run_id="r")
        await adapter.close()
        with pytest.raises(JobDeferred, match="closing"):
            await _handled(adapter, adapter.queue[0])
        await adapter.start()
        await _handled(adapter, adapter.queue[0])
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())
