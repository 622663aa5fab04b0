"""Jobs on Kafka: a topic of jobs, one of jobs that are to wait, and one of dead letters."""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

TOPIC_NAME = "flowcraft-jobs"
SEND_SECONDS = 8.0
"""The bound of one call: connecting, sending and the broker's acknowledgement together."""

STOP_SECONDS = 5.0
FAILURES = (KafkaError, OSError)
LATER_SECONDS = (0.1, 0.5, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
"""Each partition of the waiting jobs has a longest wait, so that those before a job are due before it."""

_ATTEMPT, _REASON, _DUE = "flowcraft-attempt", "flowcraft-reason", "flowcraft-due"
_REQUEST_MS = 5000


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where the brokers are: ``host:port``, comma between several. ``options`` are handed to every client of aiokafka:
    ``security_protocol`` and ``ssl_context``, for example. ``tunnel``: there is one broker, which is reached at
    ``servers`` and nowhere else, whatever address it tells its clients."""

    servers: str
    options: Mapping[str, Any] = field(default_factory=dict)
    tunnel: bool = False

    @classmethod
    def at(cls, url: str, *, tunnel: bool = False) -> KafkaSettings:
        """The settings for ``kafka://host:port[,host:port...]``."""
        return cls(urlsplit(url).netloc, tunnel=tunnel)

    def arguments(self) -> dict[str, Any]:
        """What every client of aiokafka is given."""
        return {"bootstrap_servers": self.servers, "request_timeout_ms": _REQUEST_MS, **self.options}

    def lead(self, client: Any) -> None:
        """Have a client of aiokafka go the way that ``tunnel`` asks for: it has no option for that."""
        if not self.tunnel:
            return
        (parts,), find = [urlsplit(f"//{each}") for each in self.servers.split(",")], client.cluster.broker_metadata

        def find_there(broker: Any) -> Any:
            found = find(broker)
            return found and found._replace(host=parts.hostname, port=parts.port)

        client.cluster.broker_metadata = find_there


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``prefix`` stands before the name of every topic and of the group. Times in seconds; ``attempts``: deliveries.

    A failed job waits ``retry_seconds`` before its second attempt, and twice as long each time. A worker that falls
    silent is given up by the broker after ``session_seconds``; brokers want at least 6 unless they are told otherwise.
    No more workers than ``partitions`` have work. A worker runs ``concurrency`` jobs at once; when another one comes or
    goes it may take ``hand_over_seconds`` to finish them.
    """

    prefix: str = ""
    attempts: int = 8
    retry_seconds: float = 1.0
    longest_retry_seconds: float = 60.0
    session_seconds: float = 10.0
    hand_over_seconds: float = 3.0
    partitions: int = 24
    replicas: int = 1
    concurrency: int = 16

    @property
    def jobs(self) -> str:
        """The topic that workers take jobs from."""
        return self.prefix + TOPIC_NAME

    @property
    def later(self) -> str:
        """The topic of jobs that are to wait."""
        return f"{self.jobs}-later"

    @property
    def dead(self) -> str:
        """The topic of jobs that will not be delivered again."""
        return f"{self.jobs}-dead"

    @property
    def group(self) -> str:
        """The consumer group of all workers."""
        return f"{self.jobs}-workers"

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        return {self.jobs: self.partitions, self.later: len(LATER_SECONDS), self.dead: min(4, self.partitions)}

    def retry_after(self, attempt: int) -> float:
        """How long a job whose attempt failed waits for the next one."""
        return float(min(self.retry_seconds * 2 ** (attempt - 1), self.longest_retry_seconds))


async def create_topics(kafka: KafkaSettings, settings: QueueSettings) -> None:
    """Make the topics; what is there is left as it is.

    Raises:
        aiokafka.errors.KafkaError: the broker refused or could not be reached.
    """
    new = [NewTopic(name, count, settings.replicas) for name, count in settings.topics().items()]
    admin = await _admin(kafka)
    try:
        reply = await admin.create_topics(new)
        _require([code for _, code, *_ in reply.topic_errors], TopicAlreadyExistsError)
    finally:
        await admin.close()


async def delete_topics(kafka: KafkaSettings, settings: QueueSettings) -> None:
    """Remove the topics; raises as :func:`create_topics` does. The broker forgets the group by itself."""
    admin = await _admin(kafka)
    try:
        reply = await admin.delete_topics(list(settings.topics()))
        _require([code for _, code in reply.topic_error_codes], UnknownTopicOrPartitionError)
    finally:
        await admin.close()


async def _admin(kafka: KafkaSettings) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(**kafka.arguments())
    kafka.lead(admin._client)
    try:
        await admin.start()
    except BaseException:
        await admin.close()
        raise
    return admin


def _require(codes: list[int], allowed: type[KafkaError]) -> None:
    for error in map(for_code, codes):
        if error.errno and error is not allowed:
            raise error


def headers_of(record: ConsumerRecord) -> tuple[int, str, float]:
    """The attempt of a record, the reason why it is a dead letter, and the time when it is due; what it lacks or what
    somebody else has written there is 1, no reason, and at once."""
    found = {name: value for name, value in record.headers if value is not None}
    return (
        max(_number(found.get(_ATTEMPT), 1), 1),
        str(_loaded(found.get(_REASON)) or ""),
        float(_number(found.get(_DUE), 0)),
    )


class Sender:
    """Sends jobs over one producer, made when it is first needed."""

    def __init__(self, kafka: KafkaSettings, settings: QueueSettings) -> None:
        self._kafka = kafka
        self.settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, body: bytes, *, attempt: int = 1) -> None:
        """Put a job on the topic of jobs; every replica in sync has it once this returns.

        Raises:
            aiokafka.errors.KafkaError, OSError: the broker refused or could not be reached.
            TimeoutError: no acknowledgement within SEND_SECONDS; whether the job is there is unknown.
        """
        await self._send(self.settings.jobs, body, {_ATTEMPT: attempt})

    async def send_later(self, body: bytes, seconds: float, *, attempt: int) -> None:
        """Put a job where it waits before it is put on the topic of jobs; raises as :meth:`send` does."""
        if seconds <= 0:
            await self.send(body, attempt=attempt)
            return
        partition = min(bisect_left(LATER_SECONDS, seconds), len(LATER_SECONDS) - 1)
        headers = {_ATTEMPT: attempt, _DUE: time.time() + seconds}
        await self._send(self.settings.later, body, headers, partition)

    async def bury(self, body: bytes, reason: str) -> None:
        """Put a job on the topic of dead letters; raises as :meth:`send` does."""
        await self._send(self.settings.dead, body, {_REASON: reason})

    async def close(self) -> None:
        """Release the connections; they are made again when needed."""
        async with self._starting:
            producer, self._producer = self._producer, None
            if producer is not None:
                await _stopped(producer)

    async def _send(self, topic: str, body: bytes, headers: Mapping[str, Any], partition: int | None = None) -> None:
        written = [(name, json.dumps(value).encode()) for name, value in headers.items()]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                producer = await self._started()
                await producer.send_and_wait(topic, body, partition=partition, headers=written)
        except TimeoutError:
            raise TimeoutError(f"Kafka did not acknowledge within {SEND_SECONDS:g} s") from None

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(acks="all", **self._kafka.arguments())
                self._kafka.lead(producer.client)
                try:
                    await producer.start()
                except BaseException:
                    await _stopped(producer)
                    raise
                self._producer = producer
            return self._producer


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Stop it; one that cannot send what it has does not keep the caller."""
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if not done:
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    elif not stopping.cancelled():
        stopping.exception()


def _number(value: bytes | None, default: float) -> Any:
    number = _loaded(value)
    return number if isinstance(number, int | float) and not isinstance(number, bool) else default


def _loaded(value: bytes | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        return None
