"""The way through a container engine, against a stand-in of its API: no image can be pulled in a test run."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowcraft_conformance.harness.services import container
from flowcraft_conformance.harness.services.container import container_launch, engine_answers
from flowcraft_conformance.harness.services.kafka import KAFKA
from flowcraft_conformance.harness.services.model import Place
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.redis import REDIS

needs_testcontainers = pytest.mark.skipif(
    importlib.util.find_spec("testcontainers") is None,
    reason="not run: testcontainers is not installed (pip install 'flowcraft-conformance[containers]')",
)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    path = tmp_path / "engine.sock"
    command = [sys.executable, "-m", "tests.services.engine", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
        deadline = time.monotonic() + 30
        while not engine_answers():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
        process.kill()


@needs_testcontainers
def test_an_image_is_run_on_the_loopback_interface_and_removed(engine: subprocess.Popen[str]) -> None:
    launch = container_launch(REDIS)
    assert launch is not None
    assert launch.origin == "container redis:8"
    server = ServerProcess("redis", launch, REDIS.identify)
    try:
        assert REDIS.identify(server.url)[0] in ("redis", "valkey")
    finally:
        server.stop()
    with pytest.raises(OSError):  # noqa: PT011 - that it is gone is all that matters
        REDIS.identify(server.url)
    engine.kill()
    assert engine.stdout is not None
    said = engine.stdout.read().splitlines()
    assert "POST /containers/create" in said
    assert any(line.startswith("DELETE /containers/") for line in said)


def test_without_an_engine_the_next_way_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nobody'}")
    assert not engine_answers()
    assert container_launch(REDIS) is None


def test_a_server_that_tells_its_own_address_is_told_the_published_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "engine_answers", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    launch = container_launch(KAFKA)
    assert launch is not None
    (command,) = launch.commands(Place(tmp_path, 12345, (), "secret"))
    environment = json.loads(command.arguments[-2])
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:12345"
