"""Cassandra or Kafka is killed in the middle of a run and started again: the run completes."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable

from flowcraft_conformance import AdapterOptions, CoordinationTtls, FinalResult, NodeContext, RuntimeOptions
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.services.cassandra import CASSANDRA, cassandra_server
from flowcraft_conformance.harness.services.kafka import KAFKA
from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.process import ServerProcess
from reference_adapters.cassandra_kafka import (
    CassandraKafkaAdapter,
    Database,
    KafkaSettings,
    Layout,
    QueueSettings,
    create_schema,
    create_topics,
    read_result,
)
from reference_adapters.redis_bullmq import RedisCoordinationStore, connect
from tests.adapters.rig import Notes

pytestmark = pytest.mark.asyncio

_BOUND_SECONDS = 150.0
_PAUSE = 0.2
_FAILURES = (DriverException, NoHostAvailable, KafkaError, OSError)
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


@dataclass(slots=True)
class _Stack:
    """Both servers, and one worker on them."""

    database: Database
    worker: CassandraKafkaAdapter
    kafka: KafkaSettings
    queue: QueueSettings

    async def result(self) -> FinalResult:
        """Wait for the end of the run."""
        async with asyncio.timeout(_BOUND_SECONDS):
            while True:
                try:
                    found = await read_result(self.database, "run:1")
                except _FAILURES:
                    found = None
                if found is not None:
                    return found
                await asyncio.sleep(_PAUSE)


async def _echo(given: NodeContext) -> Any:
    return given.params["name"]


@asynccontextmanager
async def _server(spec: ServerSpec, find: Callable[[], Launch | None]) -> AsyncIterator[ServerProcess]:
    launch = await asyncio.to_thread(find)
    if launch is None:
        pytest.skip(f"not run: there is no {spec.name} on this machine that could be killed; {spec.advice}")
    server = await asyncio.to_thread(ServerProcess, spec.name, launch, spec.identify)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _stack(
    redis_url: str, cassandra: ServerProcess, kafka: ServerProcess, held: _Node, layout: Layout
) -> AsyncIterator[_Stack]:
    queue = QueueSettings(session_seconds=2, retry_seconds=0.2, longest_retry_seconds=2, attempts=20, partitions=4)
    brokers = KafkaSettings.at(kafka.url)
    async with Database(cassandra.url) as database, connect(redis_url) as redis:
        await create_schema(database)
        await create_topics(brokers, queue)
        runtime = RuntimeOptions(
            registry={"echo": _echo, "hold": held.hold},
            blueprints={"kill": _BLUEPRINT},
            ttls=CoordinationTtls(nodelock=3),
            logger=Notes(),
        )
        options = AdapterOptions(runtime, RedisCoordinationStore(redis, prefix=f"t{uuid.uuid4().hex[:10]}:"))
        worker = CassandraKafkaAdapter(options, database, brokers, queue=queue, layout=layout)
        await worker.start()
        try:
            await worker.start_run("kill", {"k": 1}, "run:1")
            async with asyncio.timeout(_BOUND_SECONDS):
                await held.begun.wait()
            yield _Stack(database, worker, brokers, queue)
        finally:
            await worker.close()


def _durable() -> Launch | None:
    return cassandra_server(durable=True)


def _expect_whole(result: FinalResult) -> None:
    assert result.status == "completed", result.reason
    outputs = {key: value for key, value in result.payload.items() if key.startswith("_outputs.")}
    assert outputs == {f"_outputs.{name}": "held" if name == "b" else name for name in "abcjz"}


async def _is(spec: ServerSpec, server: ServerProcess, *, there: bool) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            try:
                await asyncio.to_thread(spec.identify, server.url)
                found = True
            except OSError:
                found = False
            if found is there:
                return
            await asyncio.sleep(_PAUSE)


@pytest.mark.parametrize("layout", ["rows", "document"])
async def test_a_run_completes_though_cassandra_was_killed(layout: Layout, flowcraft_redis: str) -> None:
    held = _Node()
    async with (
        _server(CASSANDRA, _durable) as cassandra,
        _server(KAFKA, KAFKA.finders[0]) as kafka,
        _stack(flowcraft_redis, cassandra, kafka, held, layout) as stack,
    ):
        cassandra.use.kill()
        await _is(CASSANDRA, cassandra, there=False)
        held.may_end.set()
        await asyncio.sleep(1)  # the node ends, and its output cannot be stored
        cassandra.use.start_again()
        _expect_whole(await stack.result())


async def test_a_run_completes_though_kafka_was_killed_with_all_its_messages(flowcraft_redis: str) -> None:
    """The broker at hand keeps messages in memory: what is left is the durable state, and reconcile goes on from it."""
    held = _Node()
    async with (
        _server(CASSANDRA, CASSANDRA.finders[0]) as cassandra,
        _server(KAFKA, KAFKA.finders[0]) as kafka,
        _stack(flowcraft_redis, cassandra, kafka, held, "rows") as stack,
    ):
        kafka.use.kill()
        await _is(KAFKA, kafka, there=False)
        held.may_end.set()
        await asyncio.sleep(1)
        kafka.use.start_again()
        await _is(KAFKA, kafka, there=True)
        await create_topics(stack.kafka, stack.queue)
        ending = asyncio.ensure_future(stack.result())
        while not ending.done():
            with contextlib.suppress(*_FAILURES):
                await stack.worker.reconcile("run:1")
            await asyncio.wait({ending}, timeout=3)
        _expect_whole(await ending)
