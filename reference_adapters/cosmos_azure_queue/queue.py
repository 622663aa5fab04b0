"""Jobs on Azure Queue Storage: one queue of jobs, and one where poison messages are kept to be looked at."""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from flowcraft_conformance import JobPayload
from reference_adapters.cosmos_azure_queue.accounts import QueueAccount
from reference_adapters.cosmos_azure_queue.calls import SOCKET_SECONDS, bounded

MAX_DELAY_SECONDS = 7 * 24 * 3600
"""The longest that Azure hides a message; a job that is to wait longer is deferred again."""

POISON_SECONDS = 14 * 24 * 3600
"""How long a poison message is kept."""

_AT_ONCE = 32
_NEVER = -1
_SHORTEST_PAUSE = 0.02
_MAX_REASON = 2000
_NAME = re.compile("(?!.*--)[a-z0-9][a-z0-9-]{1,54}[a-z0-9]")
_NOTES = "flowcraftQueue"
_BEING_DELETED = "QueueBeingDeleted"
_OF_ANOTHER = ("PopReceiptMismatch", "MessageNotFound")
_SERVICE = "Queue Storage"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``name`` of the queue of jobs: 3 to 56 lower-case letters, digits and single hyphens. Times in seconds.

    ``lease_seconds`` is the visibility timeout, in whole seconds: it is renewed while a job runs. ``poll_seconds``: the
    longest pause between two looks at an empty queue, for Azure does not wait for messages. ``retry_seconds``: how soon
    a job that raised comes again, each time twice as late: five attempts so outlast half a minute without the database.
    ``attempts``: deliveries in all.

    Raises:
        ValueError: Azure does not allow the name.
    """

    name: str = "flowcraft-jobs"
    lease_seconds: int = 30
    poll_seconds: float = 1
    retry_seconds: int = 2
    attempts: int = 5
    concurrency: int = 16

    def __post_init__(self) -> None:
        """Refuse a name that Azure would refuse at the first call."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"the name of a queue is 3 to 56 lower-case letters, digits and single hyphens, this is {self.name!r}"
            )

    def retry_after(self, attempt: int) -> int:
        """Seconds until a job whose attempt of this number raised comes again."""
        return int(min(self.retry_seconds * 2 ** (attempt - 1), MAX_DELAY_SECONDS))

    @property
    def poison_name(self) -> str:
        """The queue of poison messages, named as Azure Functions names it."""
        return f"{self.name}-poison"


@dataclass(slots=True)
class Delivery:
    """One message that was received. ``receipt`` changes with every renewal, and only the newest one counts."""

    body: str
    id: str
    receipt: str
    received: int
    turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def attempt(self) -> int:
        """Deliveries from 1, without those that ended in a deferral."""
        return max(self.received - _number(_notes(self.body).get("deferred")), 1)

    @property
    def reason(self) -> str | None:
        """Why the job is to be given up, where that was found out by an earlier delivery."""
        reason = _notes(self.body).get("reason")
        return None if reason is None else str(reason)


class AzureQueue:
    """One of the queues. Every method raises azure.core.exceptions.AzureError or TimeoutError where Azure fails."""

    def __init__(self, service: QueueServiceClient, name: str) -> None:
        self._queue: QueueClient = service.get_queue_client(name)

    async def send(self, body: str, *, keep_seconds: int = _NEVER) -> None:
        """Put a message on the queue."""
        async with bounded(_SERVICE):
            await self._queue.send_message(body, time_to_live=keep_seconds)

    async def receive(self, most: int, lease_seconds: int) -> list[Delivery]:
        """Up to ``most`` messages that are there now, hidden from others for the lease."""
        number = min(most, _AT_ONCE)
        async with bounded(_SERVICE):
            messages = self._queue.receive_messages(
                messages_per_page=number, max_messages=number, visibility_timeout=lease_seconds
            )
            return [
                Delivery(str(message.content), message.id, str(message.pop_receipt), int(message.dequeue_count or 1))
                async for message in messages
            ]

    async def hide(self, delivery: Delivery, seconds: int, body: str | None = None) -> None:
        """Let the message come again after so many seconds from now, with another body where one is given."""
        async with delivery.turns, bounded(_SERVICE):
            updated = await self._queue.update_message(
                delivery.id, delivery.receipt, content=body, visibility_timeout=min(seconds, MAX_DELAY_SECONDS)
            )
            delivery.receipt = str(updated.pop_receipt)

    async def delete(self, delivery: Delivery) -> None:
        """Remove the message; nothing is done where another worker has it by now: it will see to it."""
        async with delivery.turns, bounded(_SERVICE):
            try:
                await self._queue.delete_message(delivery.id, delivery.receipt)
            except HttpResponseError as error:
                if _code_of(error) not in _OF_ANOTHER:
                    raise

    async def find(self) -> None:
        """Look the queue up; raises ResourceNotFoundError where it is not there."""
        async with bounded(_SERVICE):
            await self._queue.get_queue_properties()

    async def create(self) -> None:
        """Make the queue, where it is not there. Azure wants half a minute before a deleted name is used again."""
        async with bounded(_SERVICE):
            try:
                await self._queue.create_queue()
            except ResourceExistsError as error:
                if _code_of(error) == _BEING_DELETED:
                    raise

    async def remove(self) -> None:
        """Remove the queue; one that is not there is no error."""
        async with bounded(_SERVICE):
            try:
                await self._queue.delete_queue()
            except ResourceNotFoundError:
                return


class Polls:
    """Looks at a queue again and again, the less often the longer it has been empty."""

    def __init__(self, queue: AzureQueue, settings: QueueSettings) -> None:
        self._queue = queue
        self._settings = settings
        self._pause = _SHORTEST_PAUSE

    async def __call__(self, most: int) -> list[Delivery]:
        """Up to ``most`` messages, or none after a pause."""
        found = await self._queue.receive(most, self._settings.lease_seconds)
        if found:
            self._pause = _SHORTEST_PAUSE
            return found
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))
        self._pause = min(2 * self._pause, self._settings.poll_seconds)
        return []


def connect(account: QueueAccount) -> QueueServiceClient:
    """A client that sends every request once; to be closed by the caller."""
    return QueueServiceClient(
        account.url,
        credential=account.credential,
        retry_total=0,
        connection_timeout=SOCKET_SECONDS,
        read_timeout=SOCKET_SECONDS,
    )


async def create_queues(service: QueueServiceClient, settings: QueueSettings) -> None:
    """Make both queues that are not there yet; raises as the methods of :class:`AzureQueue` do."""
    for name in (settings.name, settings.poison_name):
        await AzureQueue(service, name).create()


async def delete_queues(service: QueueServiceClient, settings: QueueSettings) -> None:
    """Remove both queues; those that are not there are no error."""
    for name in (settings.name, settings.poison_name):
        await AzureQueue(service, name).remove()


def body_of(job: JobPayload) -> str:
    """The job as the text of a message: ASCII, for Azure's messages are XML, which has no control characters."""
    return job.to_json().decode("ascii")


def noted(body: str, *, deferred: int | None = None, reason: str | None = None) -> str:
    """The body of a message with a note for a later delivery; a job's reader ignores fields that it does not know.

    ``deferred``: how many deliveries have used up no attempt. ``reason``: why the job is given up. What is no job is
    left as it is.
    """
    notes: dict[str, Any] = {} if deferred is None else {"deferred": deferred}
    if reason is not None:
        notes["reason"] = reason[:_MAX_REASON]
    try:
        told = json.loads(body)
    except ValueError:
        return body
    return json.dumps(told | {_NOTES: _notes(body) | notes}) if isinstance(told, dict) else body


def _code_of(error: HttpResponseError) -> str:
    """What Azure calls the error, as in ``MessageNotFound``; the client gives some of them as members of an enum."""
    code = getattr(error, "error_code", "")
    return str(getattr(code, "value", code))


def _notes(body: str) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    notes = told.get(_NOTES) if isinstance(told, dict) else None
    return notes if isinstance(notes, dict) else {}


def _number(note: Any) -> int:
    return note if type(note) is int and note > 0 else 0
