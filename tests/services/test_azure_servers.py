"""The servers for Cosmos DB and Azure Queue Storage, each as its own client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from flowcraft_conformance.harness.services.azure_queue import AZURE_QUEUE
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.cosmos import COSMOS
from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.process import ServerProcess
from reference_adapters.cosmos_azure_queue import (
    RUNS,
    Cosmos,
    CosmosAccount,
    QueueAccount,
    QueueSettings,
    RunItemContext,
    connect,
    create_database,
    create_queues,
)
from reference_adapters.cosmos_azure_queue.queue import AzureQueue

_KINDS = {COSMOS.name: ("cosmosdb-server", "independent"), AZURE_QUEUE.name: ("azurite", "emulator")}


@contextmanager
def _running(spec: ServerSpec) -> Iterator[tuple[Launch, ServerProcess]]:
    find: Callable[[], Launch | None] = spec.finders[0]
    launch = find()
    if launch is None:
        pytest.skip(f"not run: {spec.name}: there is none on this machine; {spec.advice}")
    server = ServerProcess(spec.name, launch, spec.identify)
    try:
        yield launch, server
    finally:
        server.stop()
    assert not server.folder.exists()


@pytest.mark.asyncio
async def test_cosmos() -> None:
    with _running(COSMOS) as (launch, server):
        assert (COSMOS.identify(server.url)[0], launch.kind) == _KINDS[COSMOS.name]
        assert launch.version
        async with Cosmos(CosmosAccount.at(server.url), "db") as cosmos:
            await create_database(cosmos)
            context = RunItemContext(cosmos, RUNS, "run")
            assert await context.get("k") is None
            await context.set("k", 1)
            assert await context.get("k") == 1


@pytest.mark.asyncio
async def test_azure_queue() -> None:
    with _running(AZURE_QUEUE) as (launch, server):
        name, version = AZURE_QUEUE.identify(server.url)
        assert (name, launch.kind) == _KINDS[AZURE_QUEUE.name]
        assert version == launch.version
        settings = QueueSettings("jobs")
        async with connect(QueueAccount.at(server.url)) as client:
            await create_queues(client, settings)
            await AzureQueue(client, "jobs").send("hello")
            assert [message.body for message in await AzureQueue(client, "jobs").receive(5, 5)] == ["hello"]


@pytest.mark.parametrize("spec", [COSMOS, AZURE_QUEUE], ids=lambda spec: spec.name)
def test_a_stand_in_is_told_by_its_url_too(spec: ServerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    named = replace(spec, name=f"own-{spec.name}", variable="FLOWCRAFT_OWN_URL")  # the run's own server stays
    with _running(spec) as (_, server):
        monkeypatch.setenv(named.variable, server.url)
        try:
            assert (service(named).name, service(named).kind) == _KINDS[spec.name]
        finally:
            stop_service(named)


@pytest.mark.parametrize("spec", [COSMOS, AZURE_QUEUE], ids=lambda spec: spec.name)
def test_what_is_no_such_server_is_not_taken_for_one(spec: ServerSpec) -> None:
    other = AZURE_QUEUE if spec is COSMOS else COSMOS
    with _running(other) as (_, server), pytest.raises(ConnectionError, match="this is no"):
        spec.identify(server.url)
