"""Pub/Sub is killed in the middle of a run and started again: the run completes.

Google's emulators keep everything in memory. What Pub/Sub forgets is made again from the state; were Firestore's
emulator killed, the state itself would be gone, which no run can survive: that is not tried here.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google.api_core.exceptions import ServiceUnavailable

from flowcraft_conformance import (
    AdapterOptions,
    CoordinationTtls,
    FinalResult,
    NodeContext,
    RuntimeOptions,
)
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.pubsub import PUBSUB
from reference_adapters.firestore_pubsub import (
    Collections,
    FirestoreClient,
    FirestorePubSubAdapter,
    GoogleSettings,
    Layout,
    PubSubClient,
    QueueSettings,
    create_queues,
    delete_collections,
    read_result,
)
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect
from tests.adapters.rig import Notes

pytestmark = pytest.mark.asyncio

_BOUND_SECONDS = 150.0
_PAUSE = 0.2
_BLUEPRINT = flow("kill", node("b", "hold"), "a>b b>j a>c c>j j>z")


@asynccontextmanager
async def _pubsub() -> AsyncIterator[ServerProcess]:
    """A Pub/Sub for this test alone."""
    launch = PUBSUB.finders[0]()
    if launch is None:
        pytest.skip(f"not run: there is no pubsub on this machine that could be killed; {PUBSUB.advice}")
    server = await asyncio.to_thread(ServerProcess, "pubsub", launch, PUBSUB.identify)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def _answers(server: ServerProcess) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            try:
                await asyncio.to_thread(PUBSUB.identify, server.url)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            return


async def _result(firestore: FirestoreClient, collection: str) -> FinalResult:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            found = await read_result(firestore, collection, "run:1")
            if found is not None:
                return found
            await asyncio.sleep(_PAUSE)


async def _echo(given: NodeContext) -> object:
    return given.params["name"]


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_a_run_completes_though_pubsub_was_killed_with_all_its_messages(
    layout: Layout, flowcraft_firestore: str, flowcraft_redis: str
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def hold(given: NodeContext) -> str:
        begun.set()
        await may_end.wait()
        return "held"

    scope = f"t{uuid.uuid4().hex[:8]}"
    collections, queue = Collections(f"{scope}-"), QueueSettings(scope, lease_seconds=2, poll_seconds=2, attempts=8)
    place = GoogleSettings.at(flowcraft_firestore)
    async with _pubsub() as server, FirestoreClient(place) as firestore, connect(flowcraft_redis) as redis:
        messages = GoogleSettings.at(server.url)
        async with PubSubClient(messages) as pubsub:
            await create_queues(pubsub, queue)
            runtime = RuntimeOptions(
                registry={"echo": _echo, "hold": hold},
                blueprints={"kill": _BLUEPRINT},
                ttls=CoordinationTtls(nodelock=3),
                logger=Notes(),
            )
            options = AdapterOptions(runtime, RedisCoordinationStore(redis, prefix=f"{scope}:"))
            worker = FirestorePubSubAdapter(
                options, firestore=place, pubsub=messages, collections=collections, queue=queue, layout=layout
            )
            await worker.start()
            try:
                await worker.start_run("kill", {"k": 1}, "run:1")
                await asyncio.wait_for(begun.wait(), _BOUND_SECONDS)
                server.use.kill()
                may_end.set()
                await asyncio.sleep(1)  # the node ends, and nobody can be told
                server.use.start_again()
                await _answers(server)
                await create_queues(pubsub, queue)
                ending = asyncio.ensure_future(_result(firestore, collections.results))
                while not ending.done():
                    with contextlib.suppress(
                        ServiceUnavailable
                    ):  # the worker's own channel may still wait to try again
                        await worker.reconcile("run:1")
                    await asyncio.wait({ending}, timeout=3)
                result = await ending
            finally:
                await worker.close()
                await delete_collections(firestore, collections)
                async for key in redis.scan_iter(match=f"{scope}:*"):
                    await redis.unlink(key)
    assert result.status == "completed", result.reason
    outputs = {key: value for key, value in result.payload.items() if key.startswith("_outputs.")}
    assert outputs == {f"_outputs.{name}": "held" if name == "b" else name for name in "abcjz"}
