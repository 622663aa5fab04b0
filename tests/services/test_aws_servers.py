"""The servers for DynamoDB and SQS, each as its own client sees it, on as many ways as this machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.dynamodb import DYNAMODB
from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.sqs import SQS
from reference_adapters.dynamodb_sqs import AwsClient, AwsSettings

Finder = Callable[[], Launch | None]

_NAMES = {"_local": "dynamodb-local", "_fauxqs": "fauxqs", "_fake": "moto"}
_KINDS = {"_local": "real", "_fauxqs": "independent", "_fake": "fake"}


@contextmanager
def _running(spec: ServerSpec, find: Finder) -> Iterator[tuple[Launch, ServerProcess]]:
    launch = find()
    if launch is None:
        pytest.skip(f"not run: {find.__name__.strip('_')} {spec.name}: there is none on this machine; {spec.advice}")
    server = ServerProcess(spec.name, launch, spec.identify)
    try:
        yield launch, server
    finally:
        server.stop()
    assert not server.folder.exists()


@pytest.mark.asyncio
@pytest.mark.parametrize("find", DYNAMODB.finders, ids=lambda find: find.__name__)
async def test_dynamodb(find: Finder) -> None:
    with _running(DYNAMODB, find) as (launch, server):
        assert DYNAMODB.identify(server.url)[0] == _NAMES[find.__name__]
        assert (launch.kind, bool(launch.version)) == (_KINDS[find.__name__], True)
        async with AwsClient("dynamodb", AwsSettings.at(server.url)) as client:
            assert (await client("list_tables"))["TableNames"] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("find", SQS.finders, ids=lambda find: find.__name__)
async def test_sqs(find: Finder) -> None:
    with _running(SQS, find) as (launch, server):
        assert SQS.identify(server.url)[0] == _NAMES[find.__name__]
        assert (launch.kind, bool(launch.version)) == (_KINDS[find.__name__], True)
        async with AwsClient("sqs", AwsSettings.at(server.url)) as client:
            url = (await client("create_queue", QueueName="q"))["QueueUrl"]
            await client("send_message", QueueUrl=url, MessageBody="hello")
            reply = await client("receive_message", QueueUrl=url)
            assert [message["Body"] for message in reply["Messages"]] == ["hello"]


@pytest.mark.parametrize("spec", [DYNAMODB, SQS], ids=lambda spec: spec.name)
def test_a_fake_is_told_by_its_url_too(spec: ServerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spec.fake is not None
    named = replace(spec, name=f"own-{spec.name}", variable="FLOWCRAFT_OWN_URL")  # the run's own server stays
    with _running(spec, spec.fake) as (_, server):
        monkeypatch.setenv(named.variable, server.url)
        try:
            assert (service(named).name, service(named).kind) == ("moto", "fake")
        finally:
            stop_service(named)
