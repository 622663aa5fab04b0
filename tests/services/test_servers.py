"""The servers that the kit starts, each as its own client library sees it, on as many ways as this machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aio_pika
import psycopg
import pytest
from redis import Redis

from flowcraft_conformance.harness.services.model import Launch, ServerSpec
from flowcraft_conformance.harness.services.postgres import POSTGRES
from flowcraft_conformance.harness.services.process import ServerProcess
from flowcraft_conformance.harness.services.rabbitmq import RABBITMQ
from flowcraft_conformance.harness.services.redis import REDIS

Finder = Callable[[], Launch | None]


def _ways(spec: ServerSpec) -> list[Finder]:
    return [*spec.finders, *([spec.fake] if spec.fake else [])]


@contextmanager
def _running(spec: ServerSpec, find: Finder) -> Iterator[ServerProcess]:
    launch = find()
    if launch is None:
        pytest.skip(f"not run: {find.__name__.strip('_')} {spec.name}: there is none on this machine; {spec.advice}")
    server = ServerProcess(spec.name, launch, spec.identify)
    try:
        yield server
    finally:
        server.stop()
    assert not server.folder.exists()


@pytest.mark.parametrize("find", _ways(REDIS), ids=lambda find: find.__name__)
def test_redis(find: Finder) -> None:
    with _running(REDIS, find) as server, Redis.from_url(server.url) as client:
        assert client.set("k", "v", nx=True, px=10_000)
        name, version = REDIS.identify(server.url)
        if find is REDIS.fake:
            assert name == "fakeredis"
        else:
            assert client.info()[f"{name}_version"] == version


@pytest.mark.parametrize("find", _ways(POSTGRES), ids=lambda find: find.__name__)
def test_postgres(find: Finder) -> None:
    with _running(POSTGRES, find) as server, psycopg.connect(server.url) as connection:
        (row,) = connection.execute("SELECT current_setting('server_version'), current_user").fetchall()
        assert (POSTGRES.identify(server.url)[1], "postgres") == (row[0].split(" ")[0], row[1])
        with pytest.raises(OSError, match="password"):
            POSTGRES.identify(server.url.replace("postgres:", "postgres:wrong"))


def test_postgres_in_a_folder_its_account_cannot_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowcraft_conformance.harness.services import postgres

    monkeypatch.setattr(postgres, "_everybody_reaches", lambda _: False)
    with _running(POSTGRES, POSTGRES.finders[0]) as server:
        assert POSTGRES.identify(server.url)[0] == "postgresql"


@pytest.mark.asyncio
@pytest.mark.parametrize("find", _ways(RABBITMQ), ids=lambda find: find.__name__)
async def test_rabbitmq(find: Finder) -> None:
    with _running(RABBITMQ, find) as server:
        connection = await aio_pika.connect(server.url)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
            await channel.default_exchange.publish(aio_pika.Message(b"hello"), "q")
            message = await queue.get(timeout=20)
            assert message.body == b"hello"
            await message.ack()
        assert RABBITMQ.identify(server.url)[0] == "rabbitmq"


@pytest.mark.parametrize("spec", [REDIS, POSTGRES, RABBITMQ], ids=lambda spec: spec.name)
def test_what_is_no_such_server_is_not_taken_for_one(spec: ServerSpec) -> None:
    others: dict[str, ServerSpec] = {"redis": POSTGRES, "postgres": REDIS, "rabbitmq": REDIS}
    other = replace(others[spec.name])
    with _running(other, other.finders[0]) as server:
        scheme = {"redis": "redis", "postgres": "postgresql", "rabbitmq": "amqp"}[spec.name]
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on what the other server says
            spec.identify(f"{scheme}://{server.url.rpartition('@')[2].rpartition('/')[2]}")
