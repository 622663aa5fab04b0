"""Starting, reconciling, versions, queue retries and leases, with and without atomic guards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft_conformance import JobDeferred, JobPayload, NodeConfig, NodeContext
from flowcraft_conformance.checking.blueprints import ANY, flow, node
from flowcraft_conformance.contract.keys import short_context_key
from flowcraft_conformance.runtime.leases import LeaseLostError
from tests.runtime.bench import ListAdapter

GUARDED = pytest.mark.parametrize("guarded", [True, False])
JOB = JobPayload("r", "b", "a")


@GUARDED
def test_a_start_that_was_cut_before_the_queue_is_completed_by_either_way(guarded: bool) -> None:
    async def run(again: bool) -> None:
        adapter = ListAdapter(flow("b", "a>c b>c"), guarded=guarded)
        await adapter.start_run("b", {"x": 1}, "r")
        adapter.queue.clear()
        if again:
            await adapter.start_run("b", {"x": 2}, "r")
        else:
            assert await adapter.reconcile("r") == {"a", "b"}
        await adapter.deliver()
        assert adapter.state()["x"] == 1
        assert [result.status for result in adapter.results] == ["completed"]
        await adapter.start_run("b", run_id="r")
        assert adapter.queue == []
        assert await adapter.reconcile("r") == set()

    asyncio.run(run(again=True))
    asyncio.run(run(again=False))


def test_a_run_id_belongs_to_one_blueprint() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")), flow("c", node("a")))
        await adapter.start_run("b", run_id="r")
        with pytest.raises(ValueError, match="'b'"):
            await adapter.start_run("c", run_id="r")
        with pytest.raises(ValueError, match="_status"):
            await adapter.start_run("b", {"_status": 1})

    asyncio.run(run())


def test_a_job_of_another_version_is_deferred_and_uses_nothing_up() -> None:
    async def run() -> None:
        old = ListAdapter(flow("b", node("a"), version="1"))
        new = ListAdapter(flow("b", node("a"), version="2"))
        new.backend.runs = old.backend.runs
        await old.start_run("b", run_id="r")
        with pytest.raises(JobDeferred, match="'1'"):
            await new.handle_job(JOB)
        assert await new.reconcile("r") == set()
        await old.deliver()
        assert len(old.results) == 1

    asyncio.run(run())


@GUARDED
def test_reconcile_repeats_what_a_dead_worker_left_and_not_what_runs(guarded: bool) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a", "slow", seconds=50), node("c"), "a>d c>d"), guarded=guarded)
        await adapter.start_run("b", run_id="r")
        adapter.queue.clear()
        running = asyncio.ensure_future(adapter.handle_job(JOB))
        await asyncio.sleep(0.01)
        assert await adapter.reconcile("r") == {"c"}
        await adapter.deliver()
        adapter.clock.advance(50)
        await running
        adapter.queue.clear()  # the job of the join is lost
        assert await adapter.reconcile("r") == {"d"}
        assert await adapter.reconcile("r") == {"d"}
        await adapter.deliver()
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@GUARDED
def test_a_worker_that_wakes_up_after_its_lease_commits_nothing(guarded: bool) -> None:
    async def run() -> None:
        ran: list[int] = []
        go_on = asyncio.Event()

        async def first_is_paused(_: NodeContext) -> int:
            ran.append(1)
            number = len(ran)
            if number == 1:
                await go_on.wait()
            return number

        adapter = ListAdapter(flow("b", node("a", "p"), "a>c"), registry={"p": first_is_paused}, guarded=guarded)
        await adapter.start_run("b", run_id="r")
        job = adapter.queue.pop()
        paused = asyncio.ensure_future(adapter.handle_job(job))
        await asyncio.sleep(0.01)
        adapter.clock._now += 121  # nobody beats, the key expires
        await adapter.handle_job(job)
        go_on.set()
        with pytest.raises(LeaseLostError):
            await paused
        await adapter.deliver()
        assert adapter.state()["_outputs.a"] == 2
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@GUARDED
def test_heartbeats_that_fail_for_a_while_stop_nothing(guarded: bool) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a", "slow", seconds=1000)), guarded=guarded)
        await adapter.start_run("b", run_id="r")
        extend: Any = adapter.coordination_store.extend_ttl
        failures = 0

        async def fails_three_times(key: str, ttl_seconds: int) -> bool:
            nonlocal failures
            failures += 1
            if failures <= 3:
                raise ConnectionError("away")
            return bool(await extend(key, ttl_seconds))

        adapter.coordination_store.extend_ttl = fails_three_times  # type: ignore[method-assign]
        running = asyncio.ensure_future(adapter.handle_job(adapter.queue.pop()))
        while not running.done():
            for _ in range(20):
                await asyncio.sleep(0)
            adapter.clock.advance_to_next()
        await running
        assert failures > 3
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize(("failures", "status"), [(2, "completed"), (3, "failed")])
def test_a_flaky_node_is_tried_as_often_as_it_says(in_process: bool, failures: int, status: str) -> None:
    async def run() -> None:
        config = NodeConfig(max_retries=3)
        adapter = ListAdapter(flow("b", node("a", "flaky", failures=failures, config=config)), in_process=in_process)
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()
        assert [result.status for result in adapter.results] == [status]
        if status == "failed":
            assert "3 attempts" in str(adapter.results[0].reason)

    asyncio.run(run())


def test_the_queue_waits_for_retry_delay_and_the_last_attempt_falls_back() -> None:
    async def run() -> None:
        config = NodeConfig(max_retries=100, retry_delay=7_000, fallback="f")
        adapter = ListAdapter(flow("b", node("a", "fail", config=config), node("f")), in_process=False)
        start = adapter.clock.monotonic()
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()
        assert adapter.state()["_outputs.a"]["by"] == "f"
        assert adapter.clock.monotonic() - start >= 4 * 7

    asyncio.run(run())


@GUARDED
def test_an_any_join_goes_on_when_the_worker_of_its_winner_died_before_the_enqueue(guarded: bool) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("j", config=ANY), "a>j c>j j>z"), guarded=guarded)
        await adapter.start_run("b", run_id="r")
        enqueue = adapter.enqueue_job

        async def fails(job: JobPayload) -> None:
            raise ConnectionError("away")

        adapter.enqueue_job = fails  # type: ignore[method-assign]
        with pytest.raises(ConnectionError):
            await adapter.handle_job(JOB)
        await adapter.handle_job(JobPayload("r", "b", "c"))
        adapter.enqueue_job = enqueue  # type: ignore[method-assign]
        await adapter.deliver()
        assert adapter.state()["_outputs.j"]["input"]["by"] == "a"
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@pytest.mark.parametrize("names", [("a:b", "c"), ("a.0.0", "a.0"), (" ", "é"), ("{x}", "%3A"), ("n" * 400, "n" * 401)])
def test_odd_ids_do_not_meet(names: tuple[str, str]) -> None:
    async def run() -> None:
        first, second = names
        blueprint = flow("b", node(first), node(second), node("z"))
        adapter = ListAdapter(blueprint)
        for run_id in names:
            await adapter.start_run("b", run_id=run_id)
        adapter.queue += adapter.queue
        await adapter.deliver(lambda size: size - 1)
        for run_id in names:
            outputs = {key: value["by"] for key, value in adapter.state(run_id).items() if key.startswith("_outputs.")}
            assert outputs == {short_context_key(f"_outputs.{name}"): name for name in (first, second, "z")}
        assert len(adapter.results) == 2

    asyncio.run(run())
