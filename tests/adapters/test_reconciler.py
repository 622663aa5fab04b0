"""The reconciler resumes runs that stand still, and leaves alone those that rest, have ended or are being worked on."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from flowcraft_conformance import AdapterHarness, BaseDistributedAdapter, JobPayload
from flowcraft_conformance.checking.clock import VirtualClock
from reference_adapters.memory import MemoryHarness
from reference_adapters.postgres_rabbitmq import (
    Database,
    DocumentHarness,
    PostgresRabbitMQHarness,
    unfinished_runs,
)
from reference_adapters.reconciler import Reconciler
from tests.adapters.rig import until
from tests.live.workflow import BLUEPRINT, options

pytestmark = pytest.mark.asyncio

_QUIET = 60.0


class Watch:
    """A reconciler over named runs, on a clock that the test moves."""

    def __init__(self, adapter: BaseDistributedAdapter, *run_ids: str) -> None:
        self.clock = VirtualClock()
        self._run_ids = run_ids
        self._reconciler = Reconciler(adapter, self._runs, quiet_seconds=_QUIET, clock=self.clock)

    async def _runs(self) -> AsyncIterator[str]:
        for run_id in self._run_ids:
            yield run_id

    async def look(self, after: float = 0.0) -> dict[str, set[str]]:
        """One round, so many seconds after the last one."""
        self.clock.advance(after)
        return await self._reconciler.look()


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[AdapterHarness]:
    made = MemoryHarness(f"t{uuid.uuid4().hex[:10]}")
    await made.setup()
    yield made
    await made.teardown()


async def _client(harness: AdapterHarness) -> BaseDistributedAdapter:
    adapter = await harness.create_adapter(options(await harness.create_store()))
    assert isinstance(adapter, BaseDistributedAdapter)
    await adapter.open()
    return adapter


async def _lose_jobs(adapter: BaseDistributedAdapter) -> None:
    async def lost(job: JobPayload) -> None: ...

    adapter.enqueue_job = lost  # type: ignore[method-assign]


async def test_a_run_whose_job_was_lost_is_resumed_after_the_quiet_time_and_only_once(harness: AdapterHarness) -> None:
    client = await _client(harness)
    await _lose_jobs(client)
    await client.start_run(BLUEPRINT.id, {}, "lost")
    watch = Watch(client, "lost", "unknown")
    assert await watch.look() == {}
    assert await watch.look(_QUIET - 1) == {}
    assert await watch.look(1) == {"lost": {"a"}}
    assert await watch.look() == {}, "it has just been resumed"
    assert await watch.look(_QUIET) == {"lost": {"a"}}


async def test_a_run_that_changes_is_left_alone(harness: AdapterHarness) -> None:
    client = await _client(harness)
    await _lose_jobs(client)
    await client.start_run(BLUEPRINT.id, {}, "busy")
    watch = Watch(client, "busy")
    for number in range(3):
        await client.create_context("busy").set("progress", number)
        assert await watch.look(_QUIET) == {}


async def test_runs_that_rest_or_have_ended_are_left_alone(harness: AdapterHarness) -> None:
    worker, client = await _client(harness), await _client(harness)
    await worker.start()
    for run_id in ("rests", "ended"):
        await client.start_run(BLUEPRINT.id, {}, run_id)

    async def ended() -> bool:
        await client.resume_with_action("ended", "approved")
        return bool(await harness.read_results("ended"))

    await until(ended, "the end of the one run")
    await until(lambda: client.create_context("rests").has("_awaiting.w"), "the wait of the other")
    await worker.close()
    watch = Watch(client, "rests", "ended")
    await watch.look()
    assert await watch.look(_QUIET) == {}


async def test_a_run_with_a_node_running_is_left_alone(harness: AdapterHarness) -> None:
    client = await _client(harness)
    await _lose_jobs(client)
    await client.start_run(BLUEPRINT.id, {}, "runs")
    lock = "flowcraft:nodelock:runs:a"
    assert await client.coordination_store.set_if_not_exist(lock, "a worker", 600)
    watch = Watch(client, "runs")
    await watch.look()
    assert await watch.look(_QUIET) == {}
    await client.coordination_store.delete(lock)
    assert await watch.look(_QUIET) == {"runs": {"a"}}


async def test_a_run_that_cannot_be_read_keeps_no_other_from_its_turn(harness: AdapterHarness) -> None:
    client = await _client(harness)
    await _lose_jobs(client)
    await client.start_run(BLUEPRINT.id, {}, "lost")
    make = client.create_context

    def broken(run_id: str) -> object:
        if run_id == "broken":
            raise ConnectionError("no database")
        return make(run_id)

    client.create_context = broken  # type: ignore[method-assign, assignment]
    watch = Watch(client, "broken", "lost")
    await watch.look()
    assert await watch.look(_QUIET) == {"lost": {"a"}}


@pytest.mark.parametrize("kind", [PostgresRabbitMQHarness, DocumentHarness], ids=["rows", "document"])
async def test_postgres_knows_its_unfinished_runs(
    kind: type[PostgresRabbitMQHarness], flowcraft_postgres: str, flowcraft_rabbitmq: str
) -> None:
    harness = kind(f"t{uuid.uuid4().hex[:10]}")
    await harness.setup()
    database = Database(flowcraft_postgres)
    worker, client = await _client(harness), await _client(harness)

    async def unfinished() -> set[str]:
        return {run async for run in unfinished_runs(database, schema=harness.scope, layout=harness.layout)}

    try:
        await _lose_jobs(client)
        await client.start_run(BLUEPRINT.id, {}, "lost")
        await client.start_run("live", {}, "ended")
        await client.abandon_job(JobPayload("ended", BLUEPRINT.id, "a"), "given up")
        assert await unfinished() == {"lost"}
        await worker.start()
        reconciler = Reconciler(
            worker,
            lambda: unfinished_runs(database, schema=harness.scope, layout=harness.layout),
            quiet_seconds=0.0,
        )
        assert await reconciler.look() == {"lost": {"a"}}

        async def finished() -> bool:
            await worker.resume_with_action("lost", "approved")
            return not await unfinished()

        await until(finished, "the end of the run")
    finally:
        for adapter in (worker, client):
            await adapter.close()
        await database.close()
        await harness.teardown()
