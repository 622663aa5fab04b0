"""Azure Queue Storage is killed in the middle of a run and started again: the run completes.

Cosmos DB's stand-in keeps everything in memory, so that there is nothing to go on from once it was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    CoordinationTtls,
    FinalResult,
    NodeContext,
    RuntimeOptions,
)
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.services.azure_queue import AZURE_QUEUE
from flowcraft_conformance.harness.services.process import ServerProcess
from reference_adapters.cosmos_azure_queue import (
    Cosmos,
    CosmosAzureQueueAdapter,
    QueueAccount,
    QueueSettings,
    RedisCoordinationStore,
    connect,
    create_queues,
    read_result,
)
from reference_adapters.redis_bullmq import connect as connect_redis
from tests.adapters.rig import Notes
from tests.backends.azure import database

pytestmark = pytest.mark.asyncio

_BOUND_SECONDS = 150.0
_PAUSE = 0.2
_RUN = "run:1"
_QUEUE = QueueSettings("kill", lease_seconds=2, poll_seconds=0.2, attempts=8)
_BLUEPRINT = flow("kill", node("b", "hold"), "a>b b>j a>c c>j j>z")


@dataclass(slots=True)
class _Node:
    """The node during which the server is killed."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, given: NodeContext) -> str:
        self.begun.set()
        await self.may_end.wait()
        return "held"


async def _echo(given: NodeContext) -> Any:
    return given.params["name"]


@asynccontextmanager
async def _azurite() -> AsyncIterator[ServerProcess]:
    launch = AZURE_QUEUE.finders[0]()
    if launch is None:
        pytest.skip(f"not run: there is no Azurite on this machine that could be killed; {AZURE_QUEUE.advice}")
    server = await asyncio.to_thread(ServerProcess, AZURE_QUEUE.name, launch, AZURE_QUEUE.identify)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _worker(
    cosmos: Cosmos, storage: QueueAccount, redis_url: str, held: _Node
) -> AsyncIterator[BaseDistributedAdapter]:
    """A worker on a run that has come to the node which is held."""
    async with connect_redis(redis_url) as redis:
        runtime = RuntimeOptions(
            registry={"echo": _echo, "hold": held.hold},
            blueprints={"kill": _BLUEPRINT},
            ttls=CoordinationTtls(nodelock=3),
            logger=Notes(),
        )
        options = AdapterOptions(runtime, RedisCoordinationStore(redis, prefix=f"{cosmos.database}:"))
        account = cosmos.account
        worker = CosmosAzureQueueAdapter(
            options, cosmos=account, storage=storage, database=cosmos.database, queue=_QUEUE
        )
        await worker.start()
        try:
            await worker.start_run("kill", {"k": 1}, _RUN)
            await asyncio.wait_for(held.begun.wait(), _BOUND_SECONDS)
            yield worker
        finally:
            await worker.close()
            async for key in redis.scan_iter(match=f"{cosmos.database}:*"):
                await redis.unlink(key)


async def _end(cosmos: Cosmos) -> FinalResult:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            found = await read_result(cosmos, _RUN)
            if found is not None:
                return found
            await asyncio.sleep(_PAUSE)


async def _answers(server: ServerProcess) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            try:
                await asyncio.to_thread(AZURE_QUEUE.identify, server.url)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            return


async def test_a_run_completes_though_the_queue_was_killed_with_all_its_messages(flowcraft_redis: str) -> None:
    """Azurite keeps messages in memory here: what is left is the durable state, and reconcile goes on from it."""
    held = _Node()
    async with database() as cosmos, _azurite() as azurite:
        storage = QueueAccount.at(azurite.url)
        async with connect(storage) as service:
            await create_queues(service, _QUEUE)
            async with _worker(cosmos, storage, flowcraft_redis, held) as worker:
                azurite.use.kill()
                held.may_end.set()
                await asyncio.sleep(1)  # the node ends, and what follows it cannot be sent
                azurite.use.start_again()
                await _answers(azurite)
                await create_queues(service, _QUEUE)
                ending = asyncio.ensure_future(_end(cosmos))
                while not ending.done():
                    await worker.reconcile(_RUN)
                    await asyncio.wait({ending}, timeout=2)
    result = ending.result()
    assert result.status == "completed", result.reason
    outputs = {key: value for key, value in result.payload.items() if key.startswith("_outputs.")}
    assert outputs == {f"_outputs.{name}": "held" if name == "b" else name for name in "abcjz"}
