"""Jobs on RabbitMQ: a quorum queue, a dead-letter queue, and queues in which jobs wait until they are due.

Messages are persistent and confirmed by the broker, and acknowledged once what follows from them is on a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from flowcraft_conformance import ILogger, InvalidJobError, JobDeferred, JobPayload

QUEUE_NAME = "flowcraft-queue"
SEND_SECONDS = 8.0
"""The bound of one call: connecting, declaring, sending and the broker's confirmation together."""

ATTEMPT_HEADER = "x-flowcraft-attempt"
REASON_HEADER = "x-flowcraft-reason"

Handler = Callable[[JobPayload], Awaitable[None]]
Abandon = Callable[[JobPayload, str], Awaitable[None]]

_STOP_SECONDS = 5.0
_RECONNECT_SECONDS = (0.1, 5.0)
_UNUSED_SECONDS = 600
_DEAD_PREFETCH = 4
_DELAYS_MS = tuple(step * 10**power for power in range(1, 7) for step in (1, 2, 5))
_DURABLE = {"x-queue-type": "quorum", "x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once"}
CONNECTION_ERRORS = (*CONNECTION_EXCEPTIONS, asyncio.InvalidStateError, TimeoutError)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``prefix`` stands before the name of every queue. Times in seconds; ``attempts``: deliveries in all.

    A failed job waits ``retry_seconds`` before its second attempt, and twice as long each time. A worker that falls
    silent is given up by the broker after about two heartbeats.
    """

    prefix: str = ""
    attempts: int = 8
    retry_seconds: float = 1.0
    longest_retry_seconds: float = 60.0
    heartbeat_seconds: int = 15
    prefetch: int = 16

    @property
    def jobs(self) -> str:
        """The name of the queue that workers take jobs from."""
        return self.prefix + QUEUE_NAME

    @property
    def dead(self) -> str:
        """The name of the queue of jobs that will not be delivered again."""
        return f"{self.jobs}-dead"

    def all_queues(self) -> list[str]:
        """The name of every queue there may be."""
        return [self.jobs, self.dead, *(waiting(name, ms) for name in (self.jobs, self.dead) for ms in _DELAYS_MS)]

    def retry_after(self, attempt: int) -> float:
        """How long a job whose attempt failed waits for the next one."""
        return float(min(self.retry_seconds * 2 ** (attempt - 1), self.longest_retry_seconds))


def waiting(queue: str, milliseconds: int) -> str:
    """The name of the queue in which messages for another one wait so long."""
    return f"{queue}-in-{milliseconds}ms"


class Broker:
    """One connection with a channel for sending, made when it is first needed and anew after it was lost."""

    def __init__(self, url: str, settings: QueueSettings) -> None:
        self._url = URL(url).update_query(heartbeat=str(settings.heartbeat_seconds))
        self.settings = settings
        self._connection: AbstractConnection | None = None
        self._sending: AbstractChannel | None = None
        self._connecting = asyncio.Lock()

    async def connection(self) -> AbstractConnection:
        """The connection, with both queues declared.

        Raises:
            OSError, aio_pika.exceptions.AMQPError: the broker refused or could not be reached.
        """
        async with self._connecting:
            connection = self._connection
            if connection is None or connection.is_closed or self._sending is None or self._sending.is_closed:
                await self._drop()
                self._connection = connection = await aio_pika.connect(self._url)
                self._sending = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await self._declare(self._sending)
            return connection

    async def send(self, queue: str, body: bytes, headers: dict[str, Any], after_seconds: float = 0) -> None:
        """Put a message on a queue, at once or after so many seconds; it is durable once this returns.

        Raises:
            OSError, aio_pika.exceptions.AMQPError: the broker refused or could not be reached.
            TimeoutError: no confirmation within SEND_SECONDS; whether the message is there is unknown.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.connection()
                assert self._sending is not None
                route = queue if after_seconds <= 0 else await self._declare_waiting(queue, after_seconds)
                message = aio_pika.Message(
                    body,
                    headers=headers,
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    content_type="application/json",
                )
                await self._sending.default_exchange.publish(message, route, mandatory=True)
        except TimeoutError:
            await self._drop()
            raise TimeoutError(f"RabbitMQ did not confirm within {SEND_SECONDS:g} s") from None

    async def delete_queues(self) -> None:
        """Remove every queue; raises as :meth:`send` does."""
        connection = await self.connection()
        async with connection.channel() as channel:
            for name in self.settings.all_queues():
                await channel.queue_delete(name)

    async def close(self) -> None:
        """Release the connection; it is made again when needed."""
        async with self._connecting:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._sending = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                await asyncio.wait_for(connection.close(), _STOP_SECONDS)

    async def _declare(self, channel: AbstractChannel) -> None:
        # A message that comes back once more than this, from workers that died over it, goes to the dead letters.
        limits = {"x-delivery-limit": self.settings.attempts - 1}
        letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.settings.dead}
        await channel.declare_queue(self.settings.dead, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.declare_queue(self.settings.jobs, durable=True, arguments={**_DURABLE, **limits, **letters})

    async def _declare_waiting(self, queue: str, seconds: float) -> str:
        """A queue nobody takes from: what is in it moves on when its time has come. It goes when it is not used."""
        assert self._sending is not None
        delay = next((ms for ms in _DELAYS_MS if ms >= seconds * 1000), _DELAYS_MS[-1])
        arguments = {
            **_DURABLE,
            "x-message-ttl": delay,
            "x-expires": delay + _UNUSED_SECONDS * 1000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
        }
        await self._sending.declare_queue(waiting(queue, delay), durable=True, arguments=arguments)
        return waiting(queue, delay)


class Consumer:
    """One worker of the queues: it takes jobs and dead letters, and connects again for as long as it is not stopped."""

    def __init__(self, broker: Broker, handler: Handler, abandon: Abandon, logger: ILogger) -> None:
        self._broker = broker
        self._settings = broker.settings
        self._handler = handler
        self._abandon = abandon
        self._logger = logger
        self._channels: list[tuple[AbstractChannel, Any, str]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Begin to take jobs; returns once they are taken. Raises as :meth:`Broker.send` does."""
        async with asyncio.timeout(SEND_SECONDS):
            connection = await self._consume()
        self._keeping = asyncio.create_task(self._keep(connection))

    async def stop(self) -> None:
        """Take no new job; those in flight go on."""
        self._stopping = True
        await _ended(self._keeping)
        for _, queue, tag in self._channels:
            with contextlib.suppress(*CONNECTION_ERRORS):
                await asyncio.wait_for(queue.cancel(tag), _STOP_SECONDS)

    async def close(self) -> None:
        """End: what is still in flight is cut off, and goes to another worker."""
        await self.stop()
        if self._working:
            await asyncio.wait(self._working, timeout=_STOP_SECONDS)  # the outcome of what is done reaches the queue
        for task in list(self._working):
            await _ended(task)
        for channel, *_ in self._channels:
            with contextlib.suppress(*CONNECTION_ERRORS):
                await asyncio.wait_for(channel.close(), _STOP_SECONDS)
        self._channels.clear()

    async def _consume(self) -> AbstractConnection:
        connection = await self._broker.connection()
        self._channels.clear()
        for name, prefetch, take in (
            (self._settings.jobs, self._settings.prefetch, self._job),
            (self._settings.dead, _DEAD_PREFETCH, self._dead_letter),
        ):
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=prefetch)
            queue = await channel.get_queue(name, ensure=False)
            tag = await queue.consume(self._in_a_task(take))
            self._channels.append((channel, queue, tag))
        return connection

    async def _keep(self, connection: AbstractConnection) -> None:
        """Consume again whenever the connection or a channel was lost."""
        pause, longest = _RECONNECT_SECONDS
        while True:
            watched: list[AbstractConnection | AbstractChannel] = [connection, *(each[0] for each in self._channels)]
            closed = [asyncio.ensure_future(_closed(each)) for each in watched]
            try:
                await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for future in closed:
                    future.cancel()
            self._logger.warning("the connection to RabbitMQ was lost; connecting again")
            wait = pause
            while True:
                await asyncio.sleep(wait)
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._broker.close()
                        connection = await self._consume()
                    break
                except CONNECTION_ERRORS as error:
                    self._logger.warning("RabbitMQ cannot be reached; trying again", error=repr(error))
                    wait = min(wait * 2, longest)

    def _in_a_task(
        self, take: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def guarded(message: AbstractIncomingMessage) -> None:
            try:
                await take(message)
            except CONNECTION_ERRORS as error:  # it was not acknowledged, and comes again
                self._logger.warning("the outcome of a message could not be told to RabbitMQ", error=repr(error))
                with contextlib.suppress(*CONNECTION_ERRORS):
                    await message.nack(requeue=True)

        async def received(message: AbstractIncomingMessage) -> None:
            task = asyncio.create_task(guarded(message))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        return received

    async def _job(self, message: AbstractIncomingMessage) -> None:
        """One delivery; what the handler raises says what becomes of the job (JOB-NACK-01)."""
        job = self._read(message)
        if job is None:
            await message.ack()
            return
        if job.attempt > self._settings.attempts:
            await self._put(message, self._settings.dead, job, {})
            return
        try:
            await self._handler(job)
        except JobDeferred as deferred:
            await self._put(message, self._settings.jobs, job, {ATTEMPT_HEADER: job.attempt}, deferred.delay_seconds)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if job.is_last_attempt:
                await self._put(message, self._settings.dead, job, {REASON_HEADER: reason})
                return
            after = self._settings.retry_after(job.attempt)
            await self._put(message, self._settings.jobs, job, {ATTEMPT_HEADER: job.attempt + 1}, after)
        else:
            await message.ack()

    async def _dead_letter(self, message: AbstractIncomingMessage) -> None:
        """The run fails and says why (DLQ-01). Where that fails too the letter is kept for later."""
        job = self._read(message)
        if job is None:
            await message.ack()
            return
        reason = str(message.headers.get(REASON_HEADER) or "its deliveries were used up by workers that died")
        try:
            await self._abandon(job, reason)
        except Exception as error:
            self._logger.warning("a job could not be given up and is kept", job=job.node_id, error=repr(error))
            later = self._settings.longest_retry_seconds
            await self._put(message, self._settings.dead, job, {REASON_HEADER: reason}, later)
        else:
            await message.ack()

    def _read(self, message: AbstractIncomingMessage) -> JobPayload | None:
        try:
            job = JobPayload.from_wire(message.body)
        except (InvalidJobError, UnicodeDecodeError) as error:
            text = message.body[:200]
            self._logger.warning("a message that is no job was dropped", error=str(error), data=repr(text))
            return None
        attempt = _whole(message.headers.get(ATTEMPT_HEADER), 1) + _whole(message.headers.get("x-delivery-count"), 0)
        last = attempt >= self._settings.attempts
        return JobPayload(job.run_id, job.blueprint_id, job.node_id, attempt, last)

    async def _put(
        self, message: AbstractIncomingMessage, queue: str, job: JobPayload, headers: dict[str, Any], after: float = 0
    ) -> None:
        """A copy to the queue, and only then the original is acknowledged: rather twice than never."""
        await self._broker.send(queue, job.to_json(), headers, after)
        await message.ack()


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


async def _closed(what: AbstractConnection | AbstractChannel) -> None:
    await what.closed()


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_SECONDS)
