"""The servers for Cassandra and Kafka, each as its own client sees it, and what is no such server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from flowcraft_conformance.harness.services.cassandra import CASSANDRA, FOLDER_VARIABLE, cassandra_server
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.kafka import KAFKA
from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.process import ServerProcess
from reference_adapters.cassandra_kafka import Database, KafkaSettings, QueueSettings, create_topics
from reference_adapters.cassandra_kafka.queue import Sender

Finder = Callable[[], Launch | None]


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
@pytest.mark.parametrize("find", CASSANDRA.finders, ids=lambda find: find.__name__)
async def test_cassandra(find: Finder) -> None:
    with _running(CASSANDRA, find) as (launch, server):
        assert launch.kind == "real"
        async with Database(server.url) as database:
            ((version,),) = await database.run("SELECT release_version FROM system.local")
        assert CASSANDRA.identify(server.url) == ("cassandra", version)


@pytest.mark.asyncio
@pytest.mark.parametrize("find", KAFKA.finders, ids=lambda find: find.__name__)
async def test_kafka(find: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    with _running(KAFKA, find) as (launch, server):
        assert (KAFKA.identify(server.url)[0], launch.kind) == ("tansu", "independent")
        kafka, settings = KafkaSettings.at(server.url), QueueSettings()
        await create_topics(kafka, settings)
        sender = Sender(kafka, settings)
        await sender.send(b"hello")
        await sender.close()
        named = replace(KAFKA, name="own-kafka", variable="FLOWCRAFT_OWN_URL")  # the run's own server stays
        monkeypatch.setenv(named.variable, server.url)
        try:
            assert (service(named).name, service(named).kind) == ("tansu", "independent")
        finally:
            stop_service(named)


@pytest.mark.parametrize("spec", [CASSANDRA, KAFKA], ids=lambda spec: spec.name)
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x05\x00\x00\x00\x01\x00"])
def test_what_answers_otherwise_is_not_ready(spec: ServerSpec, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        serving = threading.Thread(target=once)
        serving.start()
        try:
            with pytest.raises(OSError, match=r"this is no|closed the connection"):
                spec.identify(f"{spec.name}://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            serving.join(10)


def test_a_folder_of_cassandra_is_found_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cassandra")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))  # nothing was fetched
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert cassandra_server() is None
    (folder / "lib").mkdir()
    found = cassandra_server()
    if found is None:
        pytest.skip("not run: there is no Java on this machine")
    assert FOLDER_VARIABLE in found.origin
