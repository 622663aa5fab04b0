"""One end a run, told to its client whatever fails on the way; dead letters end only what they may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from flowcraft_conformance import JobDeferred, JobPayload
from flowcraft_conformance.checking.blueprints import flow, node
from tests.runtime.bench import ListAdapter

JOB = JobPayload("r", "b", "a")


async def _fails() -> None:
    raise ConnectionError("the bus is away")


async def _never() -> None:
    await asyncio.Event().wait()


async def _decided_and_untold(adapter: ListAdapter) -> None:
    await adapter.start_run("b", run_id="r")
    adapter.queue.clear()
    adapter.before_publishing = _fails
    with pytest.raises(ConnectionError):
        await adapter.handle_job(JOB)
    assert adapter.state()["_status"]["published"] is False


@pytest.mark.parametrize("guarded", [True, False])
def test_a_reconcile_that_fails_to_publish_can_be_repeated_at_once(guarded: bool) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")), guarded=guarded)
        await _decided_and_untold(adapter)
        with pytest.raises(ConnectionError):
            await adapter.reconcile("r")
        adapter.before_publishing = None
        assert await adapter.reconcile("r") == set()
        assert await adapter.reconcile("r") == set()
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@pytest.mark.parametrize("dies", [True, False])
def test_a_job_that_meets_a_publisher_stays_until_the_client_was_told(dies: bool) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        await _decided_and_untold(adapter)
        go_on = asyncio.Event()

        async def wait() -> None:
            await go_on.wait()

        adapter.before_publishing = wait
        publisher = asyncio.ensure_future(adapter.reconcile("r"))
        await asyncio.sleep(0.01)
        with pytest.raises(JobDeferred, match="being told"):
            await adapter.handle_job(JOB)
        assert await adapter.reconcile("r") == set()
        adapter.before_publishing = None
        if not dies:
            go_on.set()
            await publisher
        adapter.queue.append(JOB)
        await adapter.deliver()
        assert [result.status for result in adapter.results] == ["completed"]
        publisher.cancel()
        await asyncio.gather(publisher, return_exceptions=True)

    asyncio.run(run())


def _started(adapter: ListAdapter) -> Callable[[], Awaitable[str]]:
    return lambda: adapter.start_run("b", run_id="r")


def test_a_dead_letter_fails_the_run_with_its_reason_once() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        await _started(adapter)()
        await adapter.abandon_job(JOB, "it crashed \0 five times \ud800")
        await adapter.abandon_job(JOB, "again")
        await adapter.deliver()
        (result,) = adapter.results
        assert result.status == "failed"
        assert "'a'" in str(result.reason)
        assert "five times" in str(result.reason)
        str(result.reason).encode()
        assert "\0" not in str(result.reason)

    asyncio.run(run())


def test_a_dead_letter_leaves_a_finished_run_alone() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        await _started(adapter)()
        await adapter.deliver()
        await adapter.abandon_job(JOB, "lost")
        await adapter.abandon_job(JobPayload("r", "b", "other"), "lost")
        assert [result.status for result in adapter.results] == ["completed"]
        assert adapter.state()["_status"]["status"] == "completed"

    asyncio.run(run())


@pytest.mark.parametrize("state", [{"_runtime": "other/1", "blueprintId": "b"}, {"blueprintId": "b"}])
def test_a_run_of_another_runtime_is_neither_run_nor_ended(state: dict[str, str]) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        for key, value in state.items():
            await adapter.create_context("r").set(key, value)
        with pytest.raises(JobDeferred):
            await adapter.handle_job(JOB)
        await adapter.abandon_job(JOB, "lost")
        assert await adapter.reconcile("r") == set()
        assert adapter.state() == state
        assert adapter.results == []

    asyncio.run(run())


def test_a_dead_letter_of_a_resting_node_leaves_it_to_be_resumed() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a", "wait")))
        await _started(adapter)()
        await adapter.deliver()
        await adapter.abandon_job(JOB, "its acknowledgement was lost")
        assert adapter.results == []
        assert await adapter.resume_with_action("r", "go", 1) == {"a"}
        assert await adapter.resume_with_action("r", "stop", 2) == set()
        await adapter.deliver()
        assert adapter.state()["_outputs.a"] == 1
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


@pytest.mark.parametrize("other", ["c", "unknown"])
def test_a_job_that_names_another_blueprint_harms_no_run(other: str) -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")), flow("c", node("a"), "a>z"))
        await _started(adapter)()
        await adapter.handle_job(JobPayload("r", other, "a"))
        assert adapter.results == []
        await adapter.deliver()
        assert [result.status for result in adapter.results] == ["completed"]
        assert "_outputs.z" not in adapter.state()

    asyncio.run(run())


def test_an_unknown_blueprint_publishes_a_failure_that_names_it() -> None:
    async def run() -> None:
        adapter = ListAdapter(flow("b", node("a")))
        await adapter.handle_job(JobPayload("r", "nobody's", "a"))
        assert [result.status for result in adapter.results] == ["failed"]
        assert "nobody's" in str(adapter.results[0].reason)

    asyncio.run(run())
