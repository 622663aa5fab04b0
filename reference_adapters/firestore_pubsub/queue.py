"""Jobs on Pub/Sub: two topics with a subscription each, for jobs and for those whose deliveries are used up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import AlreadyExists, DeadlineExceeded, NotFound
from google.pubsub_v1 import DeadLetterPolicy, ExpirationPolicy, PubsubMessage, ReceivedMessage, Subscription

from reference_adapters.firestore_pubsub.calls import CALL_SECONDS, bounded
from reference_adapters.firestore_pubsub.clients import PubSubClient

MAX_LEASE_SECONDS = 600
"""The longest that Pub/Sub leaves a message with a worker without hearing of it."""

_SHORTEST_ACK_SECONDS = 10
_FEWEST_ATTEMPTS, _MOST_ATTEMPTS = 5, 100
_KEPT_SECONDS = 7 * 24 * 3600
_MAX_REASON = 2000
_ATTRIBUTE_BYTES = 1000
_USED = "attemptsUsed"
_REASON = "reason"
_ONCE: dict[str, Any] = {"retry": None, "timeout": CALL_SECONDS}


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``name`` of the topic of jobs and of its subscription. Times in whole seconds; ``attempts``: deliveries in all.

    ``lease_seconds`` is the ack deadline, extended while a job runs: at most 600. Pub/Sub itself leaves a message for
    10 at least with a worker that dies before it says anything. ``poll_seconds``: how long a pull waits for a message.
    ``retry_seconds``: how soon a job that raised comes again, each time twice as late: five attempts so outlast half a
    minute without the database. Pub/Sub counts 5 to 100 ``attempts`` by itself, the worker any number.
    """

    name: str = "flowcraft-jobs"
    lease_seconds: int = 30
    poll_seconds: int = 20
    retry_seconds: int = 2
    attempts: int = 5
    concurrency: int = 16

    def retry_after(self, attempt: int) -> int:
        """Seconds until a job whose attempt of this number raised comes again."""
        return int(min(self.retry_seconds * 2 ** (attempt - 1), MAX_LEASE_SECONDS))

    @property
    def dead_name(self) -> str:
        """The topic of jobs that are given up, and its subscription."""
        return f"{self.name}-dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that was received. ``attempt`` counts deliveries from 1, those of earlier copies included."""

    body: bytes
    receipt: str
    attempt: int
    reason: str | None

    @classmethod
    def of(cls, received: ReceivedMessage) -> Delivery:
        """From a message of Pull."""
        notes = received.message.attributes
        return cls(
            bytes(received.message.data),
            str(received.ack_id),
            max(1, int(received.delivery_attempt)) + _used(notes.get(_USED, "0")),
            _reason(notes),
        )


class PubSubQueue:
    """One of the topics with its subscription, over a client.

    Every method raises google.api_core.exceptions.GoogleAPICallError or TimeoutError where Pub/Sub fails.
    """

    def __init__(self, pubsub: PubSubClient, name: str) -> None:
        self._pubsub = pubsub
        self._name = name

    async def send(self, body: bytes, *, used: int = 0, reason: str | None = None) -> None:
        """Put a message on the topic. ``used``: deliveries that earlier copies of it have used up."""
        notes = {"kind": "job"}  # Pub/Sub takes no message without any byte
        if used:
            notes[_USED] = str(used)
        if reason is not None:
            text = json.dumps(reason[:_MAX_REASON])  # ASCII: an attribute has 1,024 bytes
            for start in range(0, len(text), _ATTRIBUTE_BYTES):
                notes[f"{_REASON}{start // _ATTRIBUTE_BYTES}"] = text[start : start + _ATTRIBUTE_BYTES]
        publisher, topic = await self._pubsub.publisher(), await self._pubsub.topic(self._name)
        message = PubsubMessage(data=body, attributes=notes)
        await self._pubsub(lambda: publisher.publish(topic=topic, messages=[message], **_ONCE))

    async def receive(self, most: int, wait_seconds: float, lease_seconds: int) -> list[Delivery]:
        """Up to ``most`` messages, kept from others for the lease; none after so many seconds of waiting."""
        subscriber, name = await self._pubsub.subscriber(), await self._pubsub.subscription(self._name)

        async def pull() -> list[Delivery]:
            try:
                reply = await subscriber.pull(subscription=name, max_messages=most, retry=None, timeout=wait_seconds)
            except DeadlineExceeded:
                return []
            return [Delivery.of(received) for received in reply.received_messages]

        deliveries = await bounded("pubsub", CALL_SECONDS + wait_seconds, pull)
        if deliveries and lease_seconds < _SHORTEST_ACK_SECONDS:
            await self.hide([delivery.receipt for delivery in deliveries], lease_seconds)
        return deliveries

    async def hide(self, receipts: list[str], seconds: int) -> None:
        """Let the messages come again after so many seconds from now: an extension, or with 0 a nack."""
        subscriber, name = await self._pubsub.subscriber(), await self._pubsub.subscription(self._name)
        await self._pubsub(
            lambda: subscriber.modify_ack_deadline(
                subscription=name, ack_ids=receipts, ack_deadline_seconds=min(seconds, MAX_LEASE_SECONDS), **_ONCE
            )
        )

    async def delete(self, receipt: str) -> None:
        """Acknowledge the message."""
        subscriber, name = await self._pubsub.subscriber(), await self._pubsub.subscription(self._name)
        await self._pubsub(lambda: subscriber.acknowledge(subscription=name, ack_ids=[receipt], **_ONCE))

    async def find(self) -> None:
        """Look the subscription up; raises NotFound where it is not there."""
        subscriber, name = await self._pubsub.subscriber(), await self._pubsub.subscription(self._name)
        await self._pubsub(lambda: subscriber.get_subscription(subscription=name, **_ONCE))


async def create_queues(pubsub: PubSubClient, settings: QueueSettings) -> None:
    """Make both topics and subscriptions; Pub/Sub moves a job to the second one when its deliveries are used up.

    What is there already is left as it is.

    Raises:
        google.api_core.exceptions.GoogleAPICallError, TimeoutError: Pub/Sub refused, or failed.
    """
    publisher, subscriber = await pubsub.publisher(), await pubsub.subscriber()
    dead = await pubsub.topic(settings.dead_name)
    attempts = min(max(settings.attempts, _FEWEST_ATTEMPTS), _MOST_ATTEMPTS)
    policy = DeadLetterPolicy(dead_letter_topic=dead, max_delivery_attempts=attempts)
    for name, letters in ((settings.dead_name, None), (settings.name, policy)):
        topic = await pubsub.topic(name)
        subscription = Subscription(
            name=await pubsub.subscription(name),
            topic=topic,
            ack_deadline_seconds=max(settings.lease_seconds, _SHORTEST_ACK_SECONDS),
            message_retention_duration={"seconds": _KEPT_SECONDS},
            expiration_policy=ExpirationPolicy(),  # without it Pub/Sub removes what was not read for a month
            dead_letter_policy=letters,
        )
        for making in (
            lambda topic=topic: publisher.create_topic(name=topic, **_ONCE),
            lambda subscription=subscription: subscriber.create_subscription(subscription, **_ONCE),
        ):
            try:
                await pubsub(making)
            except AlreadyExists:
                continue


async def delete_queues(pubsub: PubSubClient, settings: QueueSettings) -> None:
    """Remove both topics and subscriptions; those that are not there are no error."""
    publisher, subscriber = await pubsub.publisher(), await pubsub.subscriber()
    for name in (settings.name, settings.dead_name):
        topic, subscription = await pubsub.topic(name), await pubsub.subscription(name)
        for removing in (
            lambda subscription=subscription: subscriber.delete_subscription(subscription=subscription, **_ONCE),
            lambda topic=topic: publisher.delete_topic(topic=topic, **_ONCE),
        ):
            try:
                await pubsub(removing)
            except NotFound:
                continue


def _used(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _reason(notes: Mapping[str, str]) -> str | None:
    text = ""
    while part := notes.get(f"{_REASON}{len(text) // _ATTRIBUTE_BYTES}"):
        text += part
        if len(part) < _ATTRIBUTE_BYTES:
            break
    try:
        return str(json.loads(text)) if text else None
    except ValueError:
        return text
