"""The servers for Firestore and Pub/Sub, each as its own client sees it, where this machine has them."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flowcraft_conformance.harness.services import container, google
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.container import container_launch
from flowcraft_conformance.harness.services.firestore import EMULATOR as FIRESTORE_EMULATOR
from flowcraft_conformance.harness.services.firestore import FIRESTORE
from flowcraft_conformance.harness.services.google import Emulator
from flowcraft_conformance.harness.services.model import Place, ServerSpec, ServiceUnavailableError
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.pubsub import EMULATOR as PUBSUB_EMULATOR
from flowcraft_conformance.harness.services.pubsub import PUBSUB
from reference_adapters.firestore_pubsub import (
    FirestoreClient,
    GoogleSettings,
    PubSubClient,
    QueueSettings,
    RunDocumentContext,
    create_queues,
)
from reference_adapters.firestore_pubsub.queue import PubSubQueue

both = pytest.mark.parametrize("emulator", [FIRESTORE_EMULATOR, PUBSUB_EMULATOR], ids=lambda made: made.service)


@contextmanager
def _running(spec: ServerSpec) -> Iterator[ServerProcess]:
    launch = spec.finders[0]()
    if launch is None:
        pytest.skip(f"not run: there is no {spec.name} on this machine; {spec.advice}")
    assert launch.kind == "emulator"
    assert launch.version not in (None, "unknown")
    server = ServerProcess(spec.name, launch, spec.identify)
    try:
        yield server
    finally:
        server.stop()
    assert not server.folder.exists()


@pytest.mark.asyncio
async def test_firestore() -> None:
    with _running(FIRESTORE) as server:
        assert FIRESTORE.identify(server.url) == ("firestore-emulator", "unknown")
        async with FirestoreClient(GoogleSettings.at(server.url)) as client:
            context = RunDocumentContext(client, "runs", "r")
            await context.set("a", 1)
            assert await context.to_dict() == {"a": 1}
        with pytest.raises(OSError, match="no server of pubsub"):
            PUBSUB.identify(server.url)


@pytest.mark.asyncio
async def test_pubsub_and_that_its_kind_is_told_by_its_url_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with _running(PUBSUB) as server:
        assert PUBSUB.identify(server.url) == ("pubsub-emulator", "unknown")
        async with PubSubClient(GoogleSettings.at(server.url)) as client:
            await create_queues(client, QueueSettings("jobs"))
            queue = PubSubQueue(client, "jobs")
            await queue.send(b"hello")
            assert [delivery.body for delivery in await queue.receive(1, 5, 10)] == [b"hello"]
        with pytest.raises(OSError, match="no server of firestore"):
            FIRESTORE.identify(server.url)
        named = replace(PUBSUB, name="own-pubsub", variable="FLOWCRAFT_OWN_URL")  # the run's own server stays
        monkeypatch.setenv(named.variable, server.url)
        try:
            assert (service(named).name, service(named).kind) == ("pubsub-emulator", "emulator")
        finally:
            stop_service(named)


@both
def test_a_server_that_says_nothing_of_the_kind_is_not_taken_for_one(emulator: Emulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(OSError):  # noqa: PT011 - nobody listens there: the text is the system's
        emulator.identify(f"http://127.0.0.1:{port}")


@both
def test_a_jar_that_is_named_comes_first(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google, "find_java", lambda: "/java")
    jar = tmp_path / "emulator-1.2.3.jar"
    jar.touch()
    monkeypatch.setenv(emulator.variable, str(jar))
    launch = emulator.launch()
    assert launch is not None
    assert emulator.variable in launch.origin
    (command,) = launch.commands(Place(tmp_path, 1234, (), ""))
    assert str(jar) in command.arguments
    assert {"--host=127.0.0.1", "--port=1234"} <= set(command.arguments)


@both
def test_a_jar_is_found_in_the_sdk_of_the_gcloud_in_the_path(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google, "find_java", lambda: "/java")
    monkeypatch.delenv(emulator.variable, raising=False)
    gcloud = tmp_path / "sdk" / "bin" / "gcloud"
    jar = tmp_path / "sdk" / "platform" / emulator.pattern.replace("*", "-9.9.9")
    for path in (gcloud, jar):
        path.parent.mkdir(parents=True)
        path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(gcloud.parent))
    launch = emulator.launch()
    assert launch is not None
    (command,) = launch.commands(Place(tmp_path, 1234, (), ""))
    assert str(jar) in command.arguments


@both
def test_without_a_jar_there_is_none_and_the_text_says_how_to_get_one(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(emulator.variable, str(tmp_path / "nothing.jar"))
    assert emulator.launch() is None
    spec = {"firestore": FIRESTORE, "pubsub": PUBSUB}[emulator.service]
    alone = replace(spec, name="own-emulator", variable="FLOWCRAFT_OWN_URL", image=None)
    try:
        with pytest.raises(ServiceUnavailableError, match=f"gcloud components install {emulator.component}"):
            service(alone)
    finally:
        stop_service(alone)


@pytest.mark.parametrize("spec", [FIRESTORE, PUBSUB], ids=lambda spec: spec.name)
def test_a_container_of_googles_image_is_an_emulator_too(spec: ServerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "engine_answers", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    launch = container_launch(spec)
    assert launch is not None
    assert launch.kind == "emulator"
