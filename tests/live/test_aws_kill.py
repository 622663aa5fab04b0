"""DynamoDB or SQS is killed in the middle of a run and started again: the run completes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    CoordinationTtls,
    FinalResult,
    NodeContext,
    RuntimeOptions,
)
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.services.dynamodb import DYNAMODB, dynamodb_local
from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.sqs import SQS
from reference_adapters.dynamodb_sqs import (
    AwsClient,
    AwsSettings,
    DynamoDbCoordinationStore,
    DynamoDbSqsAdapter,
    Layout,
    QueueSettings,
    Tables,
    create_queues,
    create_tables,
    read_result,
)
from tests.adapters.rig import Notes

pytestmark = pytest.mark.asyncio

_BOUND_SECONDS = 150.0
_PAUSE = 0.2
_FAILURES = (ClientError, BotoCoreError, OSError)
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
async def _server(spec: ServerSpec, find: Callable[[], Launch | None]) -> AsyncIterator[ServerProcess]:
    launch = await asyncio.to_thread(find)
    if launch is None:
        pytest.skip(f"not run: there is no {spec.name} on this machine that could be killed; {spec.advice}")
    server = await asyncio.to_thread(ServerProcess, spec.name, launch, spec.identify)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


@dataclass(slots=True)
class _Stack:
    """Both servers, and one worker on them."""

    dynamodb: AwsClient
    sqs: AwsClient
    worker: BaseDistributedAdapter
    queue: QueueSettings
    tables: Tables

    async def outage(self) -> None:
        """Wait until DynamoDB is gone."""
        async with asyncio.timeout(_BOUND_SECONDS):
            while True:
                try:
                    await self.dynamodb("list_tables")
                except _FAILURES:
                    return

    async def result(self) -> FinalResult:
        """Wait for the end of the run."""
        async with asyncio.timeout(_BOUND_SECONDS):
            while True:
                try:
                    found = await read_result(self.dynamodb, self.tables.results, "run:1")
                except _FAILURES:
                    found = None
                if found is not None:
                    return found
                await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def _stack(dynamodb: ServerProcess, sqs: ServerProcess, held: _Node, layout: Layout) -> AsyncIterator[_Stack]:
    at = {"dynamodb": AwsSettings.at(dynamodb.url), "sqs": AwsSettings.at(sqs.url)}
    scope = f"t{uuid.uuid4().hex[:8]}"
    tables = Tables(f"{scope}-")
    queue = QueueSettings(scope, lease_seconds=2, poll_seconds=1, attempts=8)
    async with AwsClient("dynamodb", at["dynamodb"]) as database, AwsClient("sqs", at["sqs"]) as messages:
        await create_tables(database, tables)
        await create_queues(messages, queue)
        runtime = RuntimeOptions(
            registry={"echo": _echo, "hold": held.hold},
            blueprints={"kill": _BLUEPRINT},
            ttls=CoordinationTtls(nodelock=3),
            logger=Notes(),
        )
        options = AdapterOptions(runtime, DynamoDbCoordinationStore(database, tables.coordination))
        worker = DynamoDbSqsAdapter(options, **at, tables=tables, queue=queue, layout=layout)
        await worker.start()
        try:
            await worker.start_run("kill", {"k": 1}, "run:1")
            async with asyncio.timeout(_BOUND_SECONDS):
                await held.begun.wait()
            yield _Stack(database, messages, worker, queue, tables)
        finally:
            await worker.close()


def _queue_server() -> Launch | None:
    return next((launch for find in SQS.finders if (launch := find()) is not None), None)


def _durable() -> Launch | None:
    return dynamodb_local(durable=True)


def _expect_whole(result: FinalResult) -> None:
    assert result.status == "completed", result.reason
    outputs = {key: value for key, value in result.payload.items() if key.startswith("_outputs.")}
    assert outputs == {f"_outputs.{name}": "held" if name == "b" else name for name in "abcjz"}


async def _answers(spec: ServerSpec, server: ServerProcess) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            try:
                await asyncio.to_thread(spec.identify, server.url)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            return


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_a_run_completes_though_dynamodb_was_killed(layout: Layout) -> None:
    held = _Node()
    async with (
        _server(DYNAMODB, _durable) as dynamodb,
        _server(SQS, _queue_server) as sqs,
        _stack(dynamodb, sqs, held, layout) as stack,
    ):
        dynamodb.use.kill()
        await stack.outage()
        held.may_end.set()
        await asyncio.sleep(1)  # the node ends, and its output cannot be stored
        dynamodb.use.start_again()
        _expect_whole(await stack.result())


async def test_a_run_completes_though_sqs_was_killed_with_all_its_messages() -> None:
    """The servers at hand keep messages in memory: what is left is the durable state, and reconcile goes on from it."""
    held = _Node()
    async with (
        _server(DYNAMODB, DYNAMODB.finders[0]) as dynamodb,
        _server(SQS, _queue_server) as sqs,
        _stack(dynamodb, sqs, held, "run") as stack,
    ):
        sqs.use.kill()
        held.may_end.set()
        await asyncio.sleep(1)
        sqs.use.start_again()
        await _answers(SQS, sqs)
        await create_queues(stack.sqs, stack.queue)
        ending = asyncio.ensure_future(stack.result())
        while not ending.done():
            await stack.worker.reconcile("run:1")
            await asyncio.wait({ending}, timeout=3)
        _expect_whole(await ending)
