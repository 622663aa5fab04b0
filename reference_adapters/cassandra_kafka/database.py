"""Statements to Cassandra, awaited: the driver's threads call back into the loop. Each is sent once, within a bound."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, ResponseFuture, Session
from cassandra.policies import ConstantReconnectionPolicy, FallthroughRetryPolicy, RoundRobinPolicy
from cassandra.query import BatchStatement, BoundStatement, tuple_factory

CALL_SECONDS = 8.0
"""The bound of one call: connecting, waiting for one's turn, sending and reading together."""

_SOCKET_SECONDS = 5.0
_HEARTBEAT_SECONDS = 2.0
_RECONNECT_SECONDS = 0.1
_DEFAULT_PORT = 9042
# Cassandra 2.2 to 5 speak version 4. The driver's own search begins above it, and takes 2.1's answer to that for a
# server that is broken.
_PROTOCOLS = (4, 3)

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Any]]


class Database:
    """A cluster at ``cassandra://[user:password@]host[:port][,host...]``. It connects at the first call, and again
    after :meth:`close`. ``options`` are handed to the driver's ``Cluster``: ``ssl_context``, for example.

    Reads and writes are answered by a quorum of the replicas. Nothing is repeated but what was never sent.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self._options = options
        self._cluster: Cluster | None = None
        self._session: Session | None = None
        self._opening: asyncio.Task[None] | None = None
        self._prepared: dict[str, Any] = {}
        self._turns: weakref.WeakValueDictionary[object, asyncio.Lock] = weakref.WeakValueDictionary()

    async def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of one statement, all in one answer. It is prepared; each ``?`` stands for a parameter.

        Raises:
            cassandra.DriverException, cassandra.cluster.NoHostAvailable: Cassandra refused or could not be reached.
            TimeoutError: no answer within CALL_SECONDS; whether it was carried out is unknown.
        """
        async with bounded():
            return await self._execute(await self._bound(statement, parameters))

    async def run_batch(self, statements: Sequence[Statement]) -> list[Row]:
        """The rows of a batch, which is carried out as a whole or not at all; raises as :meth:`run` does."""
        async with bounded():
            batch = BatchStatement()
            for statement, parameters in statements:
                batch.add(await self._bound(statement, parameters))
            return await self._execute(batch)

    async def run_plain(self, statement: str) -> None:
        """A statement that cannot be prepared, such as a change of the schema; raises as :meth:`run` does."""
        async with bounded():
            await self._execute(statement)

    @asynccontextmanager
    async def turn(self, partition: object) -> AsyncIterator[None]:
        """One writer of a partition after the other, among those that share this object.

        Conditional writes of one partition that meet in Cassandra put each other off by up to 100 ms. What is right
        does not depend on this: other processes write, too.
        """
        lock = self._turns.get(partition)
        if lock is None:
            lock = self._turns[partition] = asyncio.Lock()
        async with bounded(), lock:
            yield

    async def close(self) -> None:
        """End the driver's threads and connections."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
        cluster, self._cluster, self._session = self._cluster, None, None
        self._prepared.clear()
        if cluster is not None:
            await asyncio.to_thread(cluster.shutdown)

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _execute(self, statement: Any) -> list[Row]:
        while True:
            session = await self._connected()
            try:
                return await _answer_of(session.execute_async(statement))
            except NoHostAvailable:  # it was sent to none: the driver is connecting again
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _bound(self, statement: str, parameters: Sequence[Any]) -> BoundStatement:
        session = await self._connected()
        prepared = self._prepared.get(statement)
        while prepared is None:
            try:
                prepared = self._prepared[statement] = await asyncio.to_thread(session.prepare, statement)
            except NoHostAvailable:
                await asyncio.sleep(_RECONNECT_SECONDS)
                session = await self._connected()
        return prepared.bind(parameters)

    async def _connected(self) -> Session:
        if self._session is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
            await asyncio.shield(self._opening)  # a thread cannot be cancelled: what it makes is the next caller's
        return self._session

    async def _open(self) -> None:
        try:
            self._cluster, self._session = await asyncio.to_thread(self._connect)
        finally:
            self._opening = None

    def _connect(self) -> tuple[Cluster, Session]:
        for version in _PROTOCOLS:
            cluster = self._cluster_of(version)
            try:
                return cluster, cluster.connect()
            except BaseException as error:
                cluster.shutdown()
                if version == _PROTOCOLS[-1] or "protocol" not in str(error).lower():
                    raise
        raise AssertionError("the last version either connects or raises")

    def _cluster_of(self, version: int) -> Cluster:
        parts = urlsplit(self.url)
        hosts = [_host_of(host) for host in parts.netloc.rpartition("@")[2].split(",")]
        user = PlainTextAuthProvider(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        profile = ExecutionProfile(
            load_balancing_policy=RoundRobinPolicy(),
            retry_policy=FallthroughRetryPolicy(),
            consistency_level=ConsistencyLevel.QUORUM,
            serial_consistency_level=ConsistencyLevel.SERIAL,
            request_timeout=CALL_SECONDS,
            row_factory=tuple_factory,
        )
        given = {
            "port": _DEFAULT_PORT,
            "auth_provider": user,
            "protocol_version": version,
            "execution_profiles": {EXEC_PROFILE_DEFAULT: profile},
            "reconnection_policy": ConstantReconnectionPolicy(_RECONNECT_SECONDS, None),
            "connect_timeout": _SOCKET_SECONDS,
            "control_connection_timeout": _SOCKET_SECONDS,
            "idle_heartbeat_interval": _HEARTBEAT_SECONDS,
            "idle_heartbeat_timeout": _HEARTBEAT_SECONDS,
            "schema_metadata_enabled": False,  # read anew with every change of any table, and used by nothing here
            "token_metadata_enabled": False,
        }
        return Cluster(hosts, **given | self._options)


@asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    """Ends what takes longer than CALL_SECONDS with a TimeoutError that says so."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise TimeoutError(f"Cassandra did not answer within {CALL_SECONDS:g} s") from None


async def _answer_of(sent: ResponseFuture) -> list[Row]:
    """The whole answer; the driver calls back from a thread of its own."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Row]] = loop.create_future()

    def give(rows: list[Row] | None) -> None:
        if not answer.done():
            answer.set_result(list(rows or ()))

    def fail(error: BaseException) -> None:
        if not answer.done():
            answer.set_exception(error)

    def call(into: Any, what: Any) -> None:
        if not loop.is_closed():  # else nobody waits any more
            loop.call_soon_threadsafe(into, what)

    sent.add_callbacks(lambda rows: call(give, rows), lambda error: call(fail, error))
    return await answer


def _host_of(text: str) -> str | tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdecimal() else text.strip("[]")
