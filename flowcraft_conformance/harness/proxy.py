"""A TCP proxy between a target and its server that cuts, delays, resets, goes silent and counts bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar, cast

T = TypeVar("T")

_CONTROL_SECONDS = 5.0
_HELD_BYTES = 1 << 20


class Fault(StrEnum):
    """What is done to the connections."""

    NONE = "none"
    CUT_REQUESTS = "cut requests"
    """A request does not reach the server, and its connection is closed: not applied."""
    CUT_REPLIES = "cut replies"
    """A request reaches the server; its connection is closed in place of the reply: applied, unknown to the caller."""
    DELAY = "delay"
    """Requests and replies are late."""
    CUT_OFF = "cut off"
    """Every connection is reset, and so is every new one."""
    SILENT = "silent"
    """Connections are accepted, and nothing that is sent is ever answered."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault, and when it strikes: after ``skip`` pieces of traffic, then ``times`` times (None: until it is lifted).

    A piece is what one read of a socket gives: as a rule one request or one reply. ``strikes`` throws the
    dice for each.
    """

    fault: Fault = Fault.NONE
    skip: int = 0
    times: int | None = None
    delay_seconds: float = 0.0
    strikes: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through so far: bytes to the server, bytes from it, and connections that were made."""

    sent: int = 0
    received: int = 0
    connections: int = 0

    def since(self, earlier: Traffic) -> Traffic:
        """The difference to an earlier count."""
        return Traffic(
            self.sent - earlier.sent, self.received - earlier.received, self.connections - earlier.connections
        )

    @property
    def bytes(self) -> int:
        """Bytes in both directions."""
        return self.sent + self.received


class FaultProxy:
    """Listens on a loopback port in front of one server, on a thread of its own. Usable from any thread."""

    def __init__(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            OSError: no port could be had.
        """
        self._upstream = (host, port)
        self._plan = FaultPlan()
        self._traffic = Traffic()
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="flowcraft-conformance-proxy", daemon=True)
        self._thread.start()
        self._server = self._on_loop(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def plan(self, plan: FaultPlan) -> None:
        """Do this to the connections from now on. Those that were silenced or cut off before do not come back."""
        self._on_loop(self._change(plan))

    def lift(self) -> None:
        """Let everything through again."""
        self.plan(FaultPlan())

    @property
    def traffic(self) -> Traffic:
        """What went through so far."""
        return self._on_loop(self._count())

    def close(self) -> None:
        """Close every connection, stop listening and end the thread; may be called twice."""
        if self._loop.is_closed():
            return
        self._on_loop(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONTROL_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CONTROL_SECONDS)

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Link(self).client_side, "127.0.0.1", 0, backlog=512)

    async def _change(self, plan: FaultPlan) -> None:
        before, self._plan = self._plan.fault, plan
        if plan.fault is Fault.CUT_OFF or before is Fault.SILENT:
            for link in list(self._links):
                link.reset()

    async def _count(self) -> Traffic:
        return self._traffic

    async def _shut(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.reset()
        await asyncio.sleep(0)

    # What a link asks and tells; on the proxy's loop.

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> None:
        """A connection to the server."""
        await self._loop.create_connection(make, *self._upstream)

    def opened(self, link: _Link) -> None:
        """A client has connected."""
        self._links.add(link)
        self._traffic = replace(self._traffic, connections=self._traffic.connections + 1)

    def closed(self, link: _Link) -> None:
        """A client is gone."""
        self._links.discard(link)

    def count(self, *, sent: int = 0, received: int = 0) -> None:
        """So many bytes have come in."""
        self._traffic = replace(
            self._traffic, sent=self._traffic.sent + sent, received=self._traffic.received + received
        )

    @property
    def fault(self) -> Fault:
        """What is in force now."""
        return self._plan.fault

    @property
    def delay_seconds(self) -> float:
        """How late a piece is to be."""
        return self._plan.delay_seconds if self._plan.fault is Fault.DELAY else 0.0

    def strikes(self, fault: Fault) -> bool:
        """Whether this piece of traffic is struck by this fault."""
        plan = self._plan
        if plan.fault is not fault or plan.times == 0:
            return False
        if plan.skip > 0:
            self._plan = replace(plan, skip=plan.skip - 1)
            return False
        if not plan.strikes():
            return False
        if plan.times is not None:
            self._plan = replace(plan, times=plan.times - 1)
        return True


class _Link:
    """One connection of the target and its counterpart to the server."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.client_side = _Side(self, self._request)
        self.server_side = _Side(self, self._reply)
        self._waiting: list[tuple[bytes, float]] = []
        self._connecting: asyncio.Task[None] | None = None

    def started(self, side: _Side) -> None:
        """One of the two sides is connected."""
        if side is self.client_side:
            self.proxy.opened(self)
            if self.proxy.fault is Fault.CUT_OFF:
                self.reset()
            else:
                self._connecting = asyncio.ensure_future(self._connect())
            return
        if self.client_side.ended:
            self.server_side.reset()
        for data, delay in self._waiting:
            self.server_side.write(data, delay)
        self._waiting.clear()

    def ended(self, side: _Side) -> None:
        """One side is gone, and so the other has no purpose."""
        if side is self.client_side:
            self.proxy.closed(self)
        (self.server_side if side is self.client_side else self.client_side).close()

    def reset(self) -> None:
        """Break both sides off, so that the target sees a reset."""
        self.client_side.reset()
        self.server_side.close()

    async def _connect(self) -> None:
        try:
            await self.proxy.connect(lambda: self.server_side)
        except OSError:
            self.client_side.reset()

    def _request(self, data: bytes) -> None:
        self.proxy.count(sent=len(data))
        if self.proxy.fault is Fault.SILENT:
            return
        if self.proxy.strikes(Fault.CUT_REQUESTS):
            self.reset()
        elif self.server_side.transport is None:
            self._waiting.append((data, self.proxy.delay_seconds))
        else:
            self.server_side.write(data, self.proxy.delay_seconds)

    def _reply(self, data: bytes) -> None:
        self.proxy.count(received=len(data))
        if self.proxy.fault is Fault.SILENT:
            return
        if self.proxy.strikes(Fault.CUT_REPLIES):
            self.reset()
        else:
            self.client_side.write(data, self.proxy.delay_seconds)


class _Side(asyncio.Protocol):
    """One socket of a link."""

    def __init__(self, link: _Link, received: Callable[[bytes], None]) -> None:
        self._link = link
        self._received = received
        self._not_before = 0.0
        self.transport: asyncio.Transport | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(_HELD_BYTES)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._link.started(self)

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.ended = True
        self._link.ended(self)

    def pause_writing(self) -> None:
        self._other().pause_reading()

    def resume_writing(self) -> None:
        self._other().resume_reading()

    def pause_reading(self) -> None:
        """Take no more from this socket for now: the other one cannot keep up."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, data: bytes, delay: float = 0.0) -> None:
        """Send, in order, at once or late."""
        loop = asyncio.get_running_loop()
        due = max(loop.time() + delay, self._not_before)
        if due <= loop.time():
            self._send(data)
        else:
            self._not_before = due + 1e-6  # timers of one moment have no order
            loop.call_at(due, self._send, data)

    def close(self) -> None:
        """Close once all is sent."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Break off with a reset in place of an orderly end."""
        if self.transport is None or self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _send(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def _other(self) -> _Side:
        return self._link.server_side if self is self._link.client_side else self._link.client_side
