"""Jobs on SQS: two queues, one for jobs and one for those whose deliveries are used up."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from flowcraft_conformance import JobPayload
from reference_adapters.dynamodb_sqs.calls import AwsClient, code_of

MAX_DELAY_SECONDS = 900
"""The longest that SQS delays a message; a job that is to wait longer is deferred again."""

_KEPT_SECONDS = 14 * 24 * 3600
_MAX_REASON = 2000
_USED = "attemptsUsed"
_REASON = "reason"
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``name`` of the queue of jobs. Times in whole seconds; ``attempts``: deliveries in all.

    ``lease_seconds`` is the visibility timeout: it is renewed while a job runs, for twelve hours at most.
    ``poll_seconds``: how long SQS waits for a message before it answers, at most 20. ``retry_seconds``: how soon a job
    that raised comes again, each time twice as late: five attempts so outlast half a minute without the database.
    ``fifo``: use FIFO queues, each job a group of its own, for no job waits for another.
    """

    name: str = "flowcraft-jobs"
    lease_seconds: int = 30
    poll_seconds: int = 20
    retry_seconds: int = 2
    attempts: int = 5
    concurrency: int = 16
    fifo: bool = False

    def retry_after(self, attempt: int) -> int:
        """Seconds until a job whose attempt of this number raised comes again."""
        return int(min(self.retry_seconds * 2 ** (attempt - 1), MAX_DELAY_SECONDS))

    @property
    def jobs_name(self) -> str:
        """The queue of jobs."""
        return self.name + (".fifo" if self.fifo else "")

    @property
    def dead_name(self) -> str:
        """The queue of jobs that are given up."""
        return f"{self.name}-dead" + (".fifo" if self.fifo else "")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that was received. ``attempt`` counts deliveries from 1, those of earlier copies included."""

    body: str
    receipt: str
    attempt: int
    reason: str | None

    @classmethod
    def of(cls, message: dict[str, Any]) -> Delivery:
        """From a message of ReceiveMessage."""
        notes = message.get("MessageAttributes", {})
        received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        reason = notes.get(_REASON, {}).get("StringValue")
        return cls(
            str(message.get("Body", "")),
            str(message["ReceiptHandle"]),
            received + _used(notes.get(_USED, {}).get("StringValue", "0")),
            None if reason is None else _read(reason),
        )


class SqsQueue:
    """One of the queues, over a client. Every method raises as the client's calls do."""

    def __init__(self, sqs: AwsClient, name: str) -> None:
        self._sqs = sqs
        self._name = name
        self._url: str | None = None

    async def send(self, body: str, *, delay_seconds: int = 0, used: int = 0, reason: str | None = None) -> None:
        """Put a message on the queue. ``used``: deliveries that earlier copies of it have used up."""
        notes: dict[str, Any] = {}
        if used:
            notes[_USED] = {"DataType": "Number", "StringValue": str(used)}
        if reason is not None:
            notes[_REASON] = {"DataType": "String", "StringValue": json.dumps(reason[:_MAX_REASON])}
        request: dict[str, Any] = {"MessageBody": body, "MessageAttributes": notes}
        if self._name.endswith(".fifo"):
            request |= {"MessageGroupId": uuid.uuid4().hex, "MessageDeduplicationId": uuid.uuid4().hex}
        elif delay_seconds:
            request["DelaySeconds"] = min(delay_seconds, MAX_DELAY_SECONDS)
        await self._call("send_message", **request)

    async def receive(self, most: int, wait_seconds: int, lease_seconds: int) -> list[Delivery]:
        """Up to ``most`` messages, hidden from others for the lease; none after so many seconds of waiting."""
        reply = await self._call(
            "receive_message",
            MaxNumberOfMessages=min(most, 10),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=lease_seconds,
            AttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        return [Delivery.of(message) for message in reply.get("Messages") or []]

    async def hide(self, receipt: str, seconds: int) -> None:
        """Let the message come again after so many seconds from now."""
        await self._call("change_message_visibility", ReceiptHandle=receipt, VisibilityTimeout=seconds)

    async def delete(self, receipt: str) -> None:
        """Remove the message."""
        await self._call("delete_message", ReceiptHandle=receipt)

    async def find(self) -> None:
        """Look the queue up; raises ClientError where it is not there."""
        self._url = str((await self._sqs("get_queue_url", QueueName=self._name))["QueueUrl"])

    async def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        if self._url is None:
            await self.find()
        return await self._sqs(operation, QueueUrl=self._url, **request)


async def create_queues(sqs: AwsClient, settings: QueueSettings) -> None:
    """Make both queues, and have SQS move a job to the second one when its deliveries are used up.

    Raises:
        botocore.exceptions.ClientError: SQS refused.
    """
    kind = {"FifoQueue": "true"} if settings.fifo else {}
    kept = {"MessageRetentionPeriod": str(_KEPT_SECONDS), "VisibilityTimeout": str(settings.lease_seconds)}
    dead = await sqs("create_queue", QueueName=settings.dead_name, Attributes=kind | kept)
    told = await sqs("get_queue_attributes", QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": told["Attributes"]["QueueArn"], "maxReceiveCount": settings.attempts}
    attributes = kind | kept | {"RedrivePolicy": json.dumps(redrive)}
    await sqs("create_queue", QueueName=settings.jobs_name, Attributes=attributes)


async def delete_queues(sqs: AwsClient, settings: QueueSettings) -> None:
    """Remove both queues; those that are not there are no error. SQS wants a minute before a name is used again."""
    for name in (settings.jobs_name, settings.dead_name):
        try:
            url = (await sqs("get_queue_url", QueueName=name))["QueueUrl"]
            await sqs("delete_queue", QueueUrl=url)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
        await asyncio.sleep(0)


def body_of(job: JobPayload) -> str:
    """The job as the text of a message."""
    return job.to_json().decode("ascii")


def _used(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _read(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text
