"""The fault proxy: what it lets through, what it does not, and the addresses it can stand in front of."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flowcraft_conformance.harness.addresses import Address, AddressError
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.proxies import Proxies
from flowcraft_conformance.harness.proxy import Fault, FaultPlan, FaultProxy


class _Echo:
    """A server that says each line back, and keeps what arrived."""

    def __init__(self, loop: LoopThread) -> None:
        self.lines: list[bytes] = []
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0), within=30, what="starting")
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line)
                await writer.drain()
        finally:
            writer.close()

    async def stop(self) -> None:
        self._server.close()


@contextmanager
def _behind_proxy() -> Iterator[tuple[FaultProxy, _Echo, LoopThread]]:
    loop = LoopThread()
    server = _Echo(loop)
    proxy = FaultProxy("127.0.0.1", server.port)
    try:
        yield proxy, server, loop
    finally:
        proxy.close()
        loop.run(server.stop(), within=30, what="stopping")
        loop.close()


async def _ask(port: int, line: bytes, within: float = 5.0) -> bytes | None:
    """The answer to one line; None where none came in time.

    Raises:
        ConnectionError: the connection was broken off.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(line)
        answer = await asyncio.wait_for(reader.readline(), within)
    except TimeoutError:
        return None
    finally:
        writer.close()
    if not answer:
        raise ConnectionError("closed")
    return answer


def test_everything_passes_and_is_counted() -> None:
    with _behind_proxy() as (proxy, _, loop):
        for line in (b"hello\n", b"x" * 50_000 + b"\n"):
            before = proxy.traffic
            assert loop.run(_ask(proxy.port, line), within=30, what="asking") == line
            counted = proxy.traffic.since(before)
            assert (counted.sent, counted.received, counted.connections) == (len(line), len(line), 1)
            assert counted.bytes == 2 * len(line)


@pytest.mark.parametrize(("fault", "applied"), [(Fault.CUT_REQUESTS, []), (Fault.CUT_REPLIES, [b"x\n"])])
def test_a_cut_strikes_once_and_where_it_should(fault: Fault, applied: list[bytes]) -> None:
    with _behind_proxy() as (proxy, server, loop):
        proxy.plan(FaultPlan(fault, times=1))
        with pytest.raises(ConnectionError):
            loop.run(_ask(proxy.port, b"x\n"), within=30, what="asking")
        assert server.lines == applied
        assert loop.run(_ask(proxy.port, b"y\n"), within=30, what="asking") == b"y\n"


def test_a_cut_waits_for_its_turn() -> None:
    with _behind_proxy() as (proxy, _, loop):
        proxy.plan(FaultPlan(Fault.CUT_REPLIES, skip=1, times=1))
        assert loop.run(_ask(proxy.port, b"x\n"), within=30, what="asking") == b"x\n"
        with pytest.raises(ConnectionError):
            loop.run(_ask(proxy.port, b"y\n"), within=30, what="asking")


def test_cut_off_and_back() -> None:
    with _behind_proxy() as (proxy, server, loop):
        proxy.plan(FaultPlan(Fault.CUT_OFF))
        with pytest.raises(ConnectionError):
            loop.run(_ask(proxy.port, b"x\n"), within=30, what="asking")
        proxy.lift()
        assert loop.run(_ask(proxy.port, b"y\n"), within=30, what="asking") == b"y\n"
        assert server.lines == [b"y\n"]


def test_silence_answers_nothing_and_applies_nothing() -> None:
    with _behind_proxy() as (proxy, server, loop):
        proxy.plan(FaultPlan(Fault.SILENT))
        assert loop.run(_ask(proxy.port, b"x\n", within=0.2), within=30, what="asking") is None
        proxy.lift()
        assert loop.run(_ask(proxy.port, b"y\n"), within=30, what="asking") == b"y\n"
        assert server.lines == [b"y\n"]


def test_a_delay_is_a_delay_in_both_directions() -> None:
    with _behind_proxy() as (proxy, _, loop):
        proxy.plan(FaultPlan(Fault.DELAY, delay_seconds=0.1))
        start = time.monotonic()
        assert loop.run(_ask(proxy.port, b"x\n"), within=30, what="asking") == b"x\n"
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("text", "host", "port", "proxied"),
    [
        ("redis://db.example:7000/3?a=b", "db.example", 7000, "redis://127.0.0.1:9/3?a=b"),
        ("redis://u:p%40s@db.example", "db.example", 6379, "redis://u:p%40s@127.0.0.1:9"),
        ("postgresql+psycopg://me@[::1]/x", "::1", 5432, "postgresql+psycopg://me@127.0.0.1:9/x"),
        ("amqp://db.example/%2f", "db.example", 5672, "amqp://127.0.0.1:9/%2f"),
        ("db.example:9042", "db.example", 9042, "127.0.0.1:9"),
    ],
)
def test_an_address_is_read_and_replaced(text: str, host: str, port: int, proxied: str) -> None:
    address = Address.of(text)
    assert (address.host, address.port) == (host, port)
    assert address.at("127.0.0.1", 9) == proxied


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not set"),
        ("redis+unix:///run/redis.sock", "Unix socket"),
        ("unix:///run/redis.sock", "Unix socket"),
        ("/run/redis.sock", "Unix socket"),
        ("postgresql:///local", "Unix socket"),
        ("a:9092,b:9092", "several servers"),
        ("rediss://db.example:6379", "encrypted"),
        ("db.example", "neither"),
        ("x://db.example", "neither"),
        ("db.example:99999", "neither"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        Address.of(text)


def test_a_variable_holds_the_proxy_while_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCRAFT_TEST_URL", "redis://127.0.0.1:1/0")
    monkeypatch.delenv("FLOWCRAFT_TEST_OTHER", raising=False)
    proxies = Proxies()
    proxies.stand_before(["FLOWCRAFT_TEST_URL", "FLOWCRAFT_TEST_OTHER"])
    try:
        faults = proxies.of(["FLOWCRAFT_TEST_URL", "FLOWCRAFT_TEST_OTHER"])
        assert os.environ["FLOWCRAFT_TEST_URL"] == f"redis://127.0.0.1:{faults.proxies[0].port}/0"
        assert faults.direct == {"FLOWCRAFT_TEST_URL": "redis://127.0.0.1:1/0"}
        assert faults.why_none == "FLOWCRAFT_TEST_OTHER: it is not set"
    finally:
        proxies.close()
    assert os.environ["FLOWCRAFT_TEST_URL"] == "redis://127.0.0.1:1/0"
