"""What only Kafka has: offsets that wait for earlier ones, rebalances, and deliveries that nobody counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from flowcraft_conformance import JobDeferred, JobPayload
from reference_adapters.cassandra_kafka import KafkaSettings, QueueSettings
from reference_adapters.cassandra_kafka.consumer import KafkaConsumer
from reference_adapters.cassandra_kafka.deliveries import Deliveries, Handler
from reference_adapters.cassandra_kafka.progress import Progress
from reference_adapters.cassandra_kafka.queue import FAILURES, LATER_SECONDS, Sender, headers_of
from reference_adapters.memory import MemoryBackend, MemoryCoordinationStore
from tests.adapters.rig import BOUND_SECONDS, Notes, until
from tests.backends.cassandra import kafka_settings, topics

pytestmark = pytest.mark.asyncio


def job(name: str) -> JobPayload:
    return JobPayload("run", "blueprint", name)


@pytest_asyncio.fixture
async def queue() -> AsyncIterator[QueueSettings]:
    async with topics() as made:
        yield made


@pytest_asyncio.fixture
async def narrow() -> AsyncIterator[QueueSettings]:
    """One partition: every job is before or behind every other one."""
    async with topics(partitions=1) as made:
        yield made


class Group:
    """Workers of one group that share a store, and what they were given to do."""

    def __init__(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.notes = Notes()
        self.given_up: list[tuple[str, str]] = []
        self.failures: list[Exception] = []
        self.store = MemoryCoordinationStore(MemoryBackend())
        self.sender = Sender(kafka_settings(), settings)

    async def give_up(self, job: JobPayload, reason: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.given_up.append((job.node_id, reason))

    @asynccontextmanager
    async def worker(self, handler: Handler) -> AsyncIterator[KafkaConsumer]:
        sender = Sender(kafka_settings(), self.settings)
        deliveries = Deliveries(sender, self.store, handler, self.give_up, self.notes)
        consumer = KafkaConsumer(kafka_settings(), self.settings, deliveries, self.notes)
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.close()
            await sender.close()

    async def send(self, *names: str) -> None:
        for name in names:
            await self.sender.send(job(name).to_json())

    async def committed(self) -> int:
        """How much of the first partition the group has done."""
        consumer = AIOKafkaConsumer(group_id=self.settings.group, **kafka_settings().arguments())
        await consumer.start()
        try:
            return await consumer.committed(TopicPartition(self.settings.jobs, 0)) or 0
        finally:
            await consumer.stop()


@asynccontextmanager
async def group_of(settings: QueueSettings) -> AsyncIterator[Group]:
    group = Group(settings)
    try:
        yield group
    finally:
        await group.sender.close()


class Held:
    """A handler that notes each job, and keeps those that are named until it is told to let go."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.let_go = asyncio.Event()

    async def __call__(self, job: JobPayload) -> None:
        self.begun.append(job.node_id)
        if job.node_id in self.names:
            await self.let_go.wait()
        self.ended.append(job.node_id)


async def test_a_slow_job_holds_back_the_commit_and_no_other_job(narrow: QueueSettings) -> None:
    held = Held("slow")
    async with group_of(narrow) as group, group.worker(held):
        await group.send("before")
        await until(lambda: held.ended == ["before"], "the first job")
        await group.send("slow", "b", "c")
        await until(lambda: len(held.ended) == 3, "the jobs behind the slow one")
        assert await group.committed() <= 1
        held.let_go.set()

        async def all_done() -> bool:
            return await group.committed() == 4

        await until(all_done, "the commit of all")
    assert held.begun == ["before", "slow", "b", "c"]


async def test_a_job_may_take_longer_than_the_session(narrow: QueueSettings) -> None:
    held, other = Held("slow"), Held()
    async with group_of(narrow) as group, group.worker(held):
        await group.send("slow")
        await until(lambda: held.begun == ["slow"], "the job")
        await asyncio.sleep(narrow.session_seconds * 2)
        held.let_go.set()
        await until(lambda: held.ended == ["slow"], "its end")
        await until(group_has(group, 1), "the commit")
        async with group.worker(other):
            await asyncio.sleep(narrow.session_seconds)
    assert (held.begun, other.begun) == (["slow"], [])


async def test_a_worker_with_no_room_left_goes_on_when_there_is_some() -> None:
    async with topics(partitions=1, concurrency=2) as settings, group_of(settings) as group:
        held = Held("a", "b")
        async with group.worker(held):
            await group.send("a", "b", "c", "d", "e")
            await until(lambda: len(held.begun) == 2, "two jobs")
            await asyncio.sleep(1)
            assert held.begun == ["a", "b"]
            held.let_go.set()
            await until(lambda: len(held.ended) == 5, "the others")
    assert sorted(held.begun) == ["a", "b", "c", "d", "e"]


async def test_a_job_that_runs_through_a_rebalance_is_committed_by_who_has_the_partition(queue: QueueSettings) -> None:
    names = [f"job {number}" for number in range(8)]
    held, other = Held(*names), Held()
    async with group_of(queue) as group, group.worker(held):
        await group.send(*names)
        await until(lambda: len(held.begun) == 8, "all jobs")
        async with group.worker(other):  # takes half of the partitions, and with them what is still running there
            await until(lambda: bool(other.ended), "a job at the other worker")
            assert held.ended == []
            held.let_go.set()
            await until(lambda: len(held.ended) == 8, "the end of the jobs")
            assert len(held.begun) == 8, "none began twice at the worker that has it"
            assert set(other.begun) < set(names)
        late = Held()
        async with group.worker(late):
            await asyncio.sleep(queue.session_seconds)
        assert late.begun == []


async def test_jobs_that_end_while_partitions_are_handed_over_come_once() -> None:
    async with topics(partitions=4, hand_over_seconds=20) as settings, group_of(settings) as group:
        names = [f"job {number}" for number in range(8)]
        held, other = Held(*names), Held()
        async with group.worker(held):
            await group.send(*names)
            await until(lambda: len(held.begun) == 8, "all jobs")
            joining = group.worker(other)
            entering = asyncio.create_task(joining.__aenter__())
            await asyncio.sleep(1)
            held.let_go.set()
            await asyncio.wait_for(entering, BOUND_SECONDS)
            await asyncio.sleep(1)
            await joining.__aexit__(None, None, None)
    assert (len(held.ended), other.begun) == (8, [])


async def test_what_a_dead_worker_had_begun_counts_as_an_attempt(narrow: QueueSettings) -> None:
    """A worker that dies commits nothing: its record comes again, and is found to have been begun."""
    seen: list[tuple[int, bool]] = []

    async def note(job: JobPayload) -> None:
        seen.append((job.attempt, job.is_last_attempt))

    async with group_of(narrow) as group:
        held = Held("victim")
        await group.send("victim")
        async with group.worker(held):
            await until(lambda: held.begun == ["victim"], "the job")  # cut off by close, as by a death
        async with group.worker(note):
            await until(lambda: bool(seen), "the job at the next worker")
    assert seen == [(2, False)]


async def test_attempts_used_up_by_deaths_end_with_the_dead_letters(narrow: QueueSettings) -> None:
    seen = Held()
    async with group_of(narrow) as group:
        await group.send("victim")
        record = await _first_record(narrow.jobs)
        for _ in range(narrow.attempts):
            deliveries = Deliveries(group.sender, group.store, _never, group.give_up, group.notes)
            dying = asyncio.create_task(deliveries.run(record))
            await asyncio.sleep(0.05)
            dying.cancel()
        async with group.worker(seen):
            await until(lambda: bool(group.given_up), "the job to be given up")
    assert seen.begun == []
    assert group.given_up == [("victim", "its deliveries were used up by workers that died")]


async def test_a_deferral_keeps_the_attempt_and_the_time(queue: QueueSettings) -> None:
    at: list[tuple[int, float]] = []
    delays = [0.0, 0.3, 1.2]
    loop = asyncio.get_running_loop()

    async def defer(job: JobPayload) -> None:
        at.append((job.attempt, loop.time()))
        if delays:
            raise JobDeferred(delays.pop(0))

    async with group_of(queue) as group, group.worker(defer):
        await group.send("a")
        await until(lambda: len(at) == 4, "the job after three deferrals")
    assert [attempt for attempt, _ in at] == [1, 1, 1, 1]
    assert at[2][1] - at[1][1] >= 0.29
    assert at[3][1] - at[2][1] >= 1.19


async def test_a_short_wait_is_not_behind_a_long_one(queue: QueueSettings) -> None:
    seen = Held()
    async with group_of(queue) as group, group.worker(seen):
        await group.sender.send_later(job("long").to_json(), LATER_SECONDS[-1] * 2, attempt=1)
        await group.sender.send_later(job("short").to_json(), 0.1, attempt=1)
        await until(lambda: seen.begun == ["short"], "the job with the short wait")


async def test_a_dead_letter_that_cannot_be_published_is_kept_until_it_can(queue: QueueSettings) -> None:
    async def fail(job: JobPayload) -> None:
        raise ValueError("broken\x00\ud800")

    async with group_of(queue) as group, group.worker(fail):
        group.failures = [ConnectionError("the database is away"), ConnectionError("still")]
        await group.send("a")
        await until(lambda: bool(group.given_up), "the job to be given up")
        assert len([line for line in group.notes.lines if "could not be given up" in line]) == 2
    assert group.given_up == [("a", "ValueError: broken\x00\ud800")]


async def test_an_outcome_that_kafka_did_not_take_is_sent_until_it_does(narrow: QueueSettings) -> None:
    class Flaky(Sender):
        failures = 2

        async def send_later(self, body: bytes, seconds: float, *, attempt: int) -> None:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("no route")
            await super().send_later(body, seconds, attempt=attempt)

    async with group_of(narrow) as group:
        await group.send("a")
        record = await _first_record(narrow.jobs)
        sender = Flaky(kafka_settings(), narrow)
        await Deliveries(sender, group.store, _raise, group.give_up, group.notes).run(record)
        await sender.close()
        again = await _first_record(narrow.later)
    assert headers_of(again)[0] == 2
    assert len([line for line in group.notes.lines if "it is told again" in line]) == 2


async def test_a_broker_in_a_tunnel_is_reached_there_and_nowhere_else(queue: QueueSettings) -> None:
    direct = kafka_settings()
    host, _, port = direct.servers.rpartition(":")
    carried = 0

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal carried
        while part := await reader.read(65536):
            carried += len(part)
            writer.write(part)
            await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, back), carry(there, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as tunnel:
        address = tunnel.sockets[0].getsockname()
        sender = Sender(KafkaSettings(f"{address[0]}:{address[1]}", tunnel=True), queue)
        body = job("x" * 100_000).to_json()
        await sender.send(body)
        await sender.close()
    assert carried > len(body)


async def test_a_worker_says_within_a_bound_that_there_is_no_broker() -> None:
    settings, notes = QueueSettings(), Notes()
    nowhere = KafkaSettings.at("kafka://127.0.0.1:1")
    sender = Sender(nowhere, settings)
    deliveries = Deliveries(sender, MemoryCoordinationStore(MemoryBackend()), _never, _give_up, notes)
    with pytest.raises(FAILURES, match=r"bootstrap|Unable|connect"):
        await KafkaConsumer(nowhere, settings, deliveries, notes).start()
    with pytest.raises(FAILURES, match=r"bootstrap|Unable|connect"):
        await sender.send(b"{}")
    await sender.close()


def _record(**headers: Any) -> Any:
    return SimpleNamespace(headers=[(f"flowcraft-{name}", value) for name, value in headers.items()])


async def test_headers_that_somebody_else_has_written_are_taken_for_none() -> None:
    assert headers_of(_record()) == (1, "", 0.0)
    for wrong in (b"\xff", b"true", b'"x"', b"[1]", b"-3", None):
        assert headers_of(_record(attempt=wrong, due=b"x", reason=b"\xff")) == (1, "", 0.0)
    assert headers_of(_record(attempt=b"4", reason=json.dumps("ü").encode(), due=b"1.5")) == (4, "ü", 1.5)


async def test_only_what_has_nothing_open_before_it_is_committed() -> None:
    progress = Progress()

    def due() -> int | None:
        return progress.due

    assert due() is None
    for offset in (3, 4, 7, 8):  # a transaction's marks leave gaps
        progress.take(offset)
    assert due() == 3
    progress.committed(3)
    progress.end(7)
    progress.end(4)
    assert due() is None
    progress.end(3)
    assert due() == 8
    progress.committed(8)
    progress.end(100)  # of another worker's time
    assert due() is None
    progress.end(8)
    assert due() == 9


async def test_what_was_done_or_runs_is_not_begun_again_after_a_rebalance() -> None:
    settings = QueueSettings(hand_over_seconds=0.05)
    held, notes = Held("slow"), Notes()
    nowhere = KafkaSettings.at("kafka://127.0.0.1:1")
    store = MemoryCoordinationStore(MemoryBackend())
    deliveries = Deliveries(Sender(nowhere, settings), store, held, _give_up, notes)
    worker = KafkaConsumer(nowhere, settings, deliveries, notes)
    partition = TopicPartition(settings.jobs, 0)

    def come(*records: tuple[str, int, int]) -> None:
        for name, offset, timestamp in records:
            worker._begin(partition, _arrived(partition, name, offset, timestamp))

    come(("slow", 0, 10), ("quick", 1, 11))
    await until(lambda: held.ended == ["quick"], "the quick job")
    await worker.on_partitions_revoked([partition])
    await worker.on_partitions_assigned([partition])
    come(("slow", 0, 10), ("quick", 1, 11))
    await worker.on_partitions_revoked([partition])
    held.let_go.set()
    await until(lambda: len(held.ended) == 2, "the end of the slow job, while partitions are given out")
    await worker.on_partitions_assigned([partition])
    come(("slow", 0, 10), ("quick", 1, 11), ("next", 2, 12))
    await until(lambda: "next" in held.ended, "the next job")
    assert held.begun == ["slow", "quick", "next"]
    come(("another topic's", 1, 99))
    await until(lambda: len(held.ended) == 4, "a job with an offset that was there before")
    await worker.close()


def _arrived(partition: TopicPartition, name: str, offset: int, timestamp: int) -> Any:
    place = {"topic": partition.topic, "partition": partition.partition, "offset": offset, "timestamp": timestamp}
    return SimpleNamespace(value=job(name).to_json(), headers=[], **place)


def group_has(group: Group, offset: int) -> Callable[[], Any]:
    async def look() -> bool:
        return await group.committed() == offset

    return look


async def _first_record(topic: str) -> Any:
    consumer = AIOKafkaConsumer(**kafka_settings().arguments(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or {0}])
        return await asyncio.wait_for(consumer.getone(), BOUND_SECONDS)
    finally:
        await consumer.stop()


async def _never(job: JobPayload) -> None:
    await asyncio.Event().wait()


async def _raise(job: JobPayload) -> None:
    raise ValueError("broken")


async def _give_up(job: JobPayload, reason: str) -> None:
    raise AssertionError("nothing is to be given up")
