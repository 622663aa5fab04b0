"""A server is killed in the middle of a run and started again on its data: the run completes, and nothing is lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from flowcraft_conformance import FinalResult, ServiceUnavailableError
from flowcraft_conformance.harness.services.model import ServerSpec
from flowcraft_conformance.harness.services.postgres import POSTGRES
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.rabbitmq import RABBITMQ
from reference_adapters.postgres_rabbitmq import PostgresRabbitMQAdapter, PostgresRabbitMQHarness
from tests.adapters.rig import until
from tests.live.workflow import BLUEPRINT, options

pytestmark = pytest.mark.asyncio

_BOUND_SECONDS = 120.0
_DOWN_SECONDS = 1.0
_SETTLED_SECONDS = 3.0
"""RabbitMQ 3.10 does not bring back a quorum queue that was declared less than about a second before its SIGKILL."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ServerProcess]]:
    """Servers of this module's own: what is killed here is nobody else's."""
    started: dict[str, ServerProcess] = {}
    try:
        for spec in (POSTGRES, RABBITMQ):
            started[spec.name] = _start(spec)
        yield started
    finally:
        for server in started.values():
            server.stop()


def _start(spec: ServerSpec) -> ServerProcess:
    for find in spec.finders:
        launch = find()
        if launch is not None:
            try:
                return ServerProcess(spec.name, launch, spec.identify)
            except ServiceUnavailableError:
                continue
    pytest.skip(f"not run: no {spec.name} can be started here; {spec.advice}")


@pytest_asyncio.fixture
async def harness(
    servers: dict[str, ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresRabbitMQHarness]:
    for spec in (POSTGRES, RABBITMQ):
        monkeypatch.setenv(spec.variable, servers[spec.name].url)
    made = PostgresRabbitMQHarness(f"killed{uuid.uuid4().hex[:8]}")
    # Enough attempts for a server that is away for a while, as those of a real deployment are.
    made.settings = replace(made.settings, attempts=20, retry_seconds=0.2, longest_retry_seconds=2)
    await made.setup()
    yield made
    await made.teardown()


async def _worker(harness: PostgresRabbitMQHarness, started: list[str]) -> PostgresRabbitMQAdapter:
    given = options(await harness.create_store())
    registry = dict(given.runtime_options.registry)
    slow = registry["slow"]

    async def noted(node: Any) -> Any:
        started.append(node.params["name"])
        return await slow(node)

    registry["slow"] = noted
    worker = await harness.create_adapter(
        replace(given, runtime_options=replace(given.runtime_options, registry=registry))
    )
    await worker.start()
    return worker


@pytest.mark.parametrize("killed", [POSTGRES, RABBITMQ], ids=lambda spec: spec.name)
async def test_a_run_completes_though_a_server_was_killed_in_the_middle(
    harness: PostgresRabbitMQHarness, servers: dict[str, ServerProcess], killed: ServerSpec
) -> None:
    started: list[str] = []
    workers = [await _worker(harness, started) for _ in range(2)]
    client = await harness.create_adapter(options(await harness.create_store()))
    results: list[FinalResult] = []

    async def resumed() -> bool:
        try:
            return bool(await client.resume_with_action("run:1", "approved", {"who": "me"}))
        except Exception:  # the server may be away
            return False

    async def finished() -> bool:
        results[:] = await harness.read_results("run:1")
        return bool(results)

    try:
        await asyncio.sleep(_SETTLED_SECONDS)
        await client.start_run(BLUEPRINT.id, {"k": 1}, "run:1")
        await until(lambda: "b" in started, "the slow node", _BOUND_SECONDS)
        server = servers[killed.name]
        server.use.kill()
        await asyncio.sleep(_DOWN_SECONDS)
        with pytest.raises(OSError):  # noqa: PT011 - that it is gone is all that matters
            killed.identify(server.url)
        server.use.start_again()
        await until(lambda: _answers(killed, server.url), "the server", _BOUND_SECONDS)
        await until(resumed, "the node that waits", _BOUND_SECONDS)
        await until(finished, "the end of the run", _BOUND_SECONDS)
        (result,) = results
        assert result.status == "completed", result.reason
        state = await client.create_context("run:1").to_dict()
    finally:
        for adapter in [*workers, client]:
            await adapter.close()
    assert state["k"] == 1
    assert set(state["_outputs.j"]["input"]) == {"b", "c", "d"}
    assert state["_outputs.yes"]["input"] == {"who": "me"}
    assert "_outputs.no" not in state


def _answers(spec: ServerSpec, url: str) -> bool:
    try:
        spec.identify(url)
    except OSError:
        return False
    return True
