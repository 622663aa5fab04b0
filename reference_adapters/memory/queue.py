"""A job queue in memory that does what a real one does: leases, redelivery, delays, attempts, dead letters."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from flowcraft_conformance import Clock, InvalidJobError, JobDeferred, JobPayload

Handler = Callable[[JobPayload], Awaitable[None]]
_IDLE_SECONDS = 0.05


@dataclass(slots=True)
class _Message:
    """A message, its deliveries so far, and the moment from which it may be delivered (again)."""

    number: int
    body: bytes
    visible_at: float
    attempts: int = 0
    receipt: int = 0


@dataclass(slots=True)
class MemoryQueue:
    """Messages of one queue. ``attempts``: deliveries before a message is dead; times in seconds."""

    clock: Clock
    lease_seconds: float
    attempts: int
    messages: dict[int, _Message] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def send(self, body: bytes, delay_seconds: float = 0) -> None:
        """Put a message on the queue."""
        number = next(self._numbers)
        self.messages[number] = _Message(number, body, self.clock.monotonic() + delay_seconds)
        self.arrived.set()

    def receive(self) -> _Message | None:
        """The oldest visible message, now hidden for the lease; its receipt tells this delivery from others."""
        now = self.clock.monotonic()
        for message in self.messages.values():
            if message.visible_at <= now:
                message.visible_at = now + self.lease_seconds
                message.attempts += 1
                message.receipt += 1
                return message
        return None

    def extend(self, message: _Message, receipt: int) -> None:
        """Renew the lease of a delivery that is still the last one."""
        if message.receipt == receipt and message.number in self.messages:
            message.visible_at = self.clock.monotonic() + self.lease_seconds

    def acknowledge(self, message: _Message, receipt: int) -> None:
        """Remove a message; a delivery whose lease was lost removes nothing."""
        if message.receipt == receipt:
            self.messages.pop(message.number, None)

    def put_back(self, message: _Message, receipt: int, delay_seconds: float, *, counts: bool) -> None:
        """Make a message visible again after a while; ``counts``: the delivery used up an attempt."""
        if message.receipt == receipt and message.number in self.messages:
            message.attempts -= not counts
            message.visible_at = self.clock.monotonic() + delay_seconds
            self.arrived.set()


class MemoryConsumer:
    """One worker's consumer: takes up to ``concurrency`` messages at a time."""

    def __init__(
        self, queue: MemoryQueue, clock: Clock, concurrency: int, abandon: Callable[[JobPayload, str], Awaitable[None]],
        note: Callable[[str, bytes], None],
    ) -> None:  # fmt: skip
        self._queue = queue
        self._clock = clock
        self._room = asyncio.Semaphore(concurrency)
        self._abandon = abandon
        self._note = note
        self._listening: asyncio.Task[None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    def start(self, handler: Handler) -> None:
        """Begin to take messages."""
        self._listening = asyncio.create_task(self._listen(handler))

    async def stop(self) -> None:
        """Take no more messages; what is in flight goes on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait({listening})

    async def abort(self) -> None:
        """End what is in flight, as a crash would: its messages come back when their leases end."""
        for task in list(self._jobs):
            task.cancel()
        if self._jobs:
            await asyncio.wait(set(self._jobs))

    async def _listen(self, handler: Handler) -> None:
        while True:
            await self._room.acquire()
            message = self._next()
            if message is None:
                self._room.release()
                await self._wait_for_more()
                continue
            task = asyncio.create_task(self._deliver(message, message.receipt, handler))
            self._jobs.add(task)
            task.add_done_callback(self._delivered)

    def _next(self) -> _Message | None:
        """The message to be taken now, which is hidden from all others, or None."""
        return self._queue.receive()

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._room.release()

    async def _wait_for_more(self) -> None:
        self._queue.arrived.clear()
        arrived = asyncio.ensure_future(self._queue.arrived.wait())
        idle = asyncio.ensure_future(self._idle())
        try:
            await asyncio.wait({arrived, idle}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            idle.cancel()

    async def _idle(self) -> bool:
        await self._clock.sleep(_IDLE_SECONDS)
        return True

    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        """Hand one message to the handler, and do what its outcome asks for (JOB-ACK-01, JOB-NACK-01)."""
        try:
            job = JobPayload.from_wire(message.body)
        except InvalidJobError as error:
            self._note(f"a message that is no job was dropped: {error}", message.body)
            self._queue.acknowledge(message, receipt)
            return
        last = message.attempts >= self._queue.attempts
        job = JobPayload(job.run_id, job.blueprint_id, job.node_id, message.attempts, last)
        if message.attempts > self._queue.attempts:
            await self._give_up(message, receipt, job, "its deliveries were used up by workers that died")
            return
        renewing = asyncio.create_task(self._renew(message, receipt))
        try:
            await handler(job)
        except JobDeferred as deferred:
            self._queue.put_back(message, receipt, max(deferred.delay_seconds, 0.001), counts=False)
        except Exception as error:
            if last:
                await self._give_up(message, receipt, job, f"{type(error).__name__}: {error}")
            else:
                self._queue.put_back(message, receipt, 0, counts=True)
        else:
            self._queue.acknowledge(message, receipt)
        finally:
            renewing.cancel()

    async def _give_up(self, message: _Message, receipt: int, job: JobPayload, reason: str) -> None:
        """The dead letter of this queue: its run fails, and says why (DLQ-01)."""
        try:
            await self._abandon(job, reason)
        except Exception as error:
            self._note(f"a dead letter could not be abandoned and is kept: {error!r}", message.body)
            self._queue.put_back(message, receipt, self._queue.lease_seconds, counts=False)
        else:
            self._queue.acknowledge(message, receipt)

    async def _renew(self, message: _Message, receipt: int) -> None:
        """Keep the message hidden while its handler runs (JOB-LONG-01)."""
        while True:
            await self._clock.sleep(self._queue.lease_seconds / 3)
            self._queue.extend(message, receipt)
