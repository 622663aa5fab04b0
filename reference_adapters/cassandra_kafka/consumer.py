"""A worker's side of Kafka: one member of the group, which runs jobs side by side and commits what is surely done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from flowcraft_conformance import ILogger
from reference_adapters.cassandra_kafka.deliveries import Deliveries
from reference_adapters.cassandra_kafka.progress import Progress
from reference_adapters.cassandra_kafka.queue import (
    FAILURES,
    SEND_SECONDS,
    STOP_SECONDS,
    KafkaSettings,
    QueueSettings,
)

Take = Callable[[ConsumerRecord], Awaitable[None]]

_Identity = tuple[TopicPartition, int, int]
"""A record's partition, offset and time: the offsets of a topic that was made anew begin again."""

_POLL_MS = 100
_PAUSE_SECONDS = 0.2
_WAITING_AT_ONCE = 1000
_DEAD_AT_ONCE = 4


@dataclass(slots=True)
class _Kind:
    """What is done with the records of one topic, how many at once, and how many there are now."""

    take: Take
    at_once: int
    running: int = 0


class _Delivery:
    """A record that was begun here, and the task that does its work."""

    def __init__(self, kind: _Kind, task: asyncio.Task[None]) -> None:
        self.kind = kind
        self.task = task


class KafkaConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """One worker. Offsets are committed after the work, and only when all earlier ones of the partition are done.

    It polls for as long as it lives: a topic with no room left is paused, so that no job is too long for the group.
    When partitions go to another worker, jobs get ``hand_over_seconds`` to end; one that takes longer runs on, and
    comes to the other worker as well.
    """

    def __init__(self, kafka: KafkaSettings, settings: QueueSettings, deliveries: Deliveries, logger: ILogger) -> None:
        self._kafka = kafka
        self._settings = settings
        self._deliveries = deliveries
        self._logger = logger
        self._kinds = {
            settings.jobs: _Kind(deliveries.run, settings.concurrency),
            settings.later: _Kind(deliveries.send_when_due, _WAITING_AT_ONCE),
            settings.dead: _Kind(deliveries.give_up, _DEAD_AT_ONCE),
        }
        self._consumer: AIOKafkaConsumer | None = None
        self._progress: dict[TopicPartition, Progress] = {}
        self._done: dict[TopicPartition, dict[int, int]] = {}  # and not committed: offsets and times
        self._running: dict[_Identity, _Delivery] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._to_commit = asyncio.Event()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Join the group; returns when partitions are assigned and jobs are taken.

        Raises:
            aiokafka.errors.KafkaError, OSError: the broker refused or could not be reached.
            TimeoutError: that took longer than SEND_SECONDS and the time for a rebalance.
        """
        session = int(self._settings.session_seconds * 1000)
        consumer = AIOKafkaConsumer(
            group_id=self._settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session,
            heartbeat_interval_ms=max(session // 5, 100),
            rebalance_timeout_ms=session + int(self._settings.hand_over_seconds * 1000),
            fetch_max_wait_ms=_POLL_MS,
            # Each topic by itself, and little moves; the sticky one evens out the sum: a worker might get no jobs.
            partition_assignment_strategy=(RangePartitionAssignor,),
            **self._kafka.arguments(),
        )
        self._kafka.lead(consumer._client)
        self._consumer = consumer
        consumer.subscribe(list(self._kinds), listener=self)
        try:
            async with asyncio.timeout(
                SEND_SECONDS + self._settings.session_seconds + self._settings.hand_over_seconds
            ):
                await consumer.start()
        except BaseException:
            await self._leave()
            raise
        self._loops = [asyncio.create_task(self._poll()), asyncio.create_task(self._keep_committing())]

    async def stop(self) -> None:
        """Take no new job; those in flight go on, and those that wait are left to others."""
        self._stopped.set()
        if self._loops:
            await _ended(self._loops[:1])
        await _ended([each.task for each in self._running.values() if each.kind is self._kinds[self._settings.later]])

    async def close(self) -> None:
        """End: what was done is committed, what is not done goes to another worker."""
        await self.stop()
        tasks = {each.task for each in self._running.values()}
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        await _ended(tasks)
        await _ended(self._loops[1:])
        self._loops = []
        await self._commit()
        await self._leave()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Before partitions are given out anew: let jobs end, leave those that wait, and commit."""
        later = self._kinds[self._settings.later]
        mine = set(revoked)
        running = [each for (partition, *_), each in self._running.items() if partition in mine]
        for each in running:
            if each.kind is later:
                each.task.cancel()
        jobs = {each.task for each in running if each.kind is not later}
        if jobs:
            await asyncio.wait(jobs, timeout=self._settings.hand_over_seconds)
        await self._commit()
        for partition in mine:
            self._progress.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin anew at what was committed; what others have done meanwhile is not known here."""
        mine = set(assigned)
        self._progress = {}
        self._done = {partition: done for partition, done in self._done.items() if partition in mine}

    async def _poll(self) -> None:
        assert self._consumer is not None
        while not self._stopped.is_set():
            room = self._make_room(self._consumer)
            try:
                found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=room)
            except FAILURES as error:
                self._logger.warning("the queue could not be read; it is tried again", error=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if self._stopped.is_set():
                return
            for partition, records in found.items():
                for record in records:
                    self._begin(partition, record)

    def _make_room(self, consumer: AIOKafkaConsumer) -> int:
        """Pause what has no room, and give how many records there may be."""
        assigned, paused = consumer.assignment(), consumer.paused()
        for partition in assigned:
            kind = self._kinds[partition.topic]
            full = kind.running >= kind.at_once
            if full and partition not in paused:
                consumer.pause(partition)
            elif not full and partition in paused:
                consumer.resume(partition)
        free = [kind.at_once - kind.running for kind in self._kinds.values() if kind.running < kind.at_once]
        return min(free, default=1)

    def _begin(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        progress = self._progress.setdefault(partition, Progress())
        progress.take(record.offset)
        identity = (partition, record.offset, record.timestamp)
        if self._done.get(partition, {}).get(record.offset) == record.timestamp:
            self._end(partition, record)  # it was done here before a rebalance
        elif identity not in self._running:
            kind = self._kinds[partition.topic]
            kind.running += 1
            task = asyncio.create_task(self._deliver(partition, record, kind))
            self._running[identity] = _Delivery(kind, task)

    async def _deliver(self, partition: TopicPartition, record: ConsumerRecord, kind: _Kind) -> None:
        try:
            await kind.take(record)
            self._end(partition, record)
        finally:
            kind.running -= 1
            del self._running[partition, record.offset, record.timestamp]
        if partition.topic == self._settings.jobs:
            await self._deliveries.forget(record)

    def _end(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        self._done.setdefault(partition, {})[record.offset] = record.timestamp
        progress = self._progress.get(partition)
        if progress is not None:  # else partitions are being given out anew, or this one is another worker's
            progress.end(record.offset)
            self._to_commit.set()

    async def _keep_committing(self) -> None:
        while True:
            await self._to_commit.wait()
            self._to_commit.clear()
            if not await self._commit():
                await asyncio.sleep(_PAUSE_SECONDS)
                self._to_commit.set()

    async def _commit(self) -> bool:
        """Whether the broker knows how far this worker is. Where it does not, jobs come once more: a duplicate."""
        consumer = self._consumer
        assigned = consumer.assignment() if consumer is not None else ()
        due = {
            partition: (progress, offset)
            for partition, progress in self._progress.items()
            if partition in assigned and (offset := progress.due) is not None
        }
        if consumer is None or not due:
            return True
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await consumer.commit({partition: offset for partition, (_, offset) in due.items()})
        except FAILURES as error:
            self._logger.debug("what is done could not be committed now", error=repr(error))
            return False
        for partition, (progress, offset) in due.items():
            progress.committed(offset)
            done = self._done.get(partition, {})
            self._done[partition] = {each: at for each, at in done.items() if each >= offset}
        return True

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            stopping = asyncio.create_task(consumer.stop())
            await _ended([stopping], within=STOP_SECONDS)
            if not stopping.cancelled() and (error := stopping.exception()) is not None:
                self._logger.debug("the group could not be left in order", error=repr(error))


async def _ended(tasks: Iterable[asyncio.Task[None]], *, within: float = 0) -> None:
    """Cancel the tasks that do not end by themselves in time, and wait for them."""
    pending = set(tasks)
    if pending and within:
        _, pending = await asyncio.wait(pending, timeout=within)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=STOP_SECONDS)
