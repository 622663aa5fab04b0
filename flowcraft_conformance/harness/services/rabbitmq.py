"""A RabbitMQ for harnesses: FLOWCRAFT_RABBITMQ_URL, else a container, or an installed server in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

_TALK_SECONDS = 2.0
_PROTOCOL = b"AMQP\x00\x00\x09\x01"
# The wrapper in PATH changes to another user and folder; this is the script behind it.
_SCRIPTS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server")
_URL = "amqp://guest:guest@127.0.0.1:{port}/"


def rabbitmq_service() -> Service:
    """The RabbitMQ of this test run; the first call starts one where FLOWCRAFT_RABBITMQ_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(RABBITMQ)


def stop_rabbitmq() -> None:
    """Let go of the server if this process holds it."""
    stop_service(RABBITMQ)


def _installed() -> Launch | None:
    script = next((path for path in _SCRIPTS if os.access(path, os.X_OK)), None) or shutil.which("rabbitmq-server")
    epmd = shutil.which("epmd")
    if script is None or epmd is None:
        return None

    def commands(place: Place) -> Sequence[Command]:
        environment = _environment(place)
        # Erlang would leave its port mapper behind; one that runs already is used, and this one is ours to end.
        mapper = Command([epmd, "-port", environment["ERL_EPMD_PORT"], "-address", "127.0.0.1"], environment)
        return [mapper, Command([script], environment)]

    return Launch("installed rabbitmq-server", _URL, commands)


def _environment(place: Place) -> dict[str, str]:
    """Everything the server would keep in the system's folders is kept in its own; the loopback interface only."""
    folder, (distribution, mapper, *_) = place.folder, place.more_ports
    plugins, nothing, settings = folder / "enabled_plugins", folder / "environment.conf", folder / "rabbitmq.conf"
    plugins.write_text("[].\n", encoding="utf-8")
    nothing.write_text("", encoding="utf-8")
    settings.write_text("log.console = true\nlog.console.level = warning\nlog.file = false\n", encoding="utf-8")
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"flowcraft{place.port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(place.port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_CONF_ENV_FILE": str(nothing),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
    }


def _identify(url: str) -> tuple[str, str]:
    """The product and version that a broker tells everybody who connects, before any password."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), _TALK_SECONDS) as connection:
        connection.sendall(_PROTOCOL)
        greeting = b""
        while b"versionS" not in greeting or len(greeting) < 300:
            part = connection.recv(4096)
            if not part:
                break
            greeting += part
    return _property(greeting, b"product").lower(), _property(greeting, b"version")


def _property(greeting: bytes, name: bytes) -> str:
    _, found, rest = greeting.partition(bytes([len(name)]) + name + b"S")
    if not found:
        raise ConnectionError("this is no AMQP 0-9-1 broker that is ready")
    return rest[4 : 4 + int.from_bytes(rest[:4], "big")].decode(errors="replace")


RABBITMQ = ServerSpec(
    name="rabbitmq",
    variable="FLOWCRAFT_RABBITMQ_URL",
    identify=_identify,
    finders=(_installed,),
    image=Image("rabbitmq:4", 5672, _URL),
    advice="install rabbitmq-server, or run Docker and pip install 'flowcraft-conformance[containers]'",
)
