"""A server in a container: only where a container engine answers and testcontainers is installed.

The kit's own tests go this way against a stand-in of the engine's API (tests/services/engine.py), through
testcontainers and its client library; they pull no image.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.model import Command, Launch, Place, ServerSpec

_SOCKET = "unix:///var/run/docker.sock"
_TALK_SECONDS = 2.0
_RUNNER = Path(__file__).with_name("run_container.py")


def container_launch(spec: ServerSpec) -> Launch | None:
    """The way to start the spec's image, published on the loopback interface; None where nothing could run it."""
    image = spec.image
    if image is None or importlib.util.find_spec("testcontainers") is None or not engine_answers():
        return None

    def commands(place: Place) -> Sequence[Command]:
        environment = {
            name: text.format(secret=place.secret, port=place.port) for name, text in image.environment.items()
        }
        order = [image.name, str(image.port), str(place.port), json.dumps(environment), image.command]
        return [Command([sys.executable, str(_RUNNER), *order])]

    return Launch(f"container {image.name}", image.url, commands, kind=image.kind)


def engine_answers() -> bool:
    """Whether the engine of DOCKER_HOST, or of the usual socket, answers."""
    parts = urlsplit(os.environ.get("DOCKER_HOST") or _SOCKET)
    if parts.scheme not in ("unix", "tcp"):
        return False
    local = parts.scheme == "unix"
    try:
        with socket.socket(socket.AF_UNIX if local else socket.AF_INET) as connection:
            connection.settimeout(_TALK_SECONDS)
            connection.connect(parts.path if local else (parts.hostname or "", parts.port or 2375))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
