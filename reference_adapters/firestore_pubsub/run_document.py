"""The state of a run in one document: update() with quoted field paths, as the documentation page has it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.cloud.firestore_v1 import DELETE_FIELD, AsyncClient, AsyncDocumentReference, DocumentSnapshot, WriteOption

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters._room import Room
from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient
from reference_adapters.firestore_pubsub.names import key_of, name_of, path_of

T = TypeVar("T")

MAX_PATCH_OPERATIONS = 500
"""Firestore holds the fields of a document to 40,000 index entries, and its Python client takes a patch apart in a time
that grows with the square of its fields."""

MAX_VALUE_BYTES = 900 * 1024
"""A document has 1 MiB in all: its name, the names of its fields, and the values."""

_ROOM = Room(MAX_PATCH_OPERATIONS, MAX_VALUE_BYTES, 1024 * 1024)
_ONCE: dict[str, Any] = {"retry": None, "timeout": CALL_SECONDS}
_CHANGED = (AlreadyExists, FailedPrecondition, NotFound)


class RunDocumentContext:
    """An ``IGuardedContext``: one field a key, so that every call writes one document and every read is a snapshot.

    The state has at most 1 MiB. Values are JSON text: Firestore's own know no list in a list and no integer beyond 64
    bits, merge a map into the one that is there, and do not tell 1 from 1.0. A run whose keys were all deleted leaves
    an empty document.

    What depends on what is there (``delete``, ``patch_if_absent``) reads the field and writes on the condition that the
    document has not changed since: no lock is held that a worker which dies could leave behind. Where it has changed
    that is done again, within CALL_SECONDS.

    Every operation raises google.api_core.exceptions.GoogleAPICallError or TimeoutError when Firestore fails, within
    CALL_SECONDS. Values that are no JSON or too large, keys beyond 1,500 bytes, and text with lone surrogates raise
    TypeError or ValueError.
    """

    def __init__(self, firestore: FirestoreClient, collection: str, run_id: str) -> None:
        self._firestore = firestore
        self._collection = collection
        self._document_id = name_of(run_id)

    async def get(self, key: str) -> Any:
        """The field alone."""
        text = _fields(await self._read(key)).get(name_of(key))
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """update() of one field, or a new document."""
        await self._write({key: _ROOM.text(key, value)})

    async def has(self, key: str) -> bool:
        """The field alone."""
        return name_of(key) in _fields(await self._read(key))

    async def delete(self, key: str) -> bool:
        """update() with DELETE_FIELD, on the condition that nothing has changed since the field was seen."""

        async def once(client: AsyncClient) -> bool:
            document = self._document(client)
            seen = await document.get([path_of(key)], **_ONCE)
            if name_of(key) not in _fields(seen):
                return False
            await document.update({path_of(key): DELETE_FIELD}, _unchanged(client, seen), **_ONCE)
            return True

        return await self._firestore(once, refusals=_CHANGED)

    async def to_dict(self) -> dict[str, Any]:
        """The whole document."""

        async def once(client: AsyncClient) -> DocumentSnapshot[AsyncDocumentReference]:
            return await self._document(client).get(**_ONCE)

        fields = _fields(await self._firestore(once))
        return {key_of(name): decode(text) for name, text in fields.items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """update() of all fields at once; a patch without operations sends nothing."""
        await self._write(_ROOM.texts(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same on the condition that nothing has changed since ``guard`` was seen to be absent."""
        changes = _ROOM.texts(operations)
        updates = _updates(changes)

        async def once(client: AsyncClient) -> bool:
            document = self._document(client)
            seen = await document.get([path_of(guard)], **_ONCE)
            if name_of(guard) in _fields(seen):
                return False
            if seen.exists and updates:
                await document.update(updates, _unchanged(client, seen), **_ONCE)
            elif new := _sets(changes):
                await document.create(new, **_ONCE)
            return True

        return await self._stored(self._firestore(once, refusals=_CHANGED))

    async def _write(self, changes: dict[str, str | None]) -> None:
        updates = _updates(changes)
        if not updates:
            return

        async def once(client: AsyncClient) -> None:
            document = self._document(client)
            try:
                await document.update(updates, **_ONCE)
            except NotFound:  # not there yet; where another writer is faster this is an update, too
                if _sets(changes):
                    await document.set(_data(changes), merge=list(updates), **_ONCE)  # type: ignore[arg-type]

        await self._stored(self._firestore(once))

    async def _read(self, key: str) -> DocumentSnapshot[AsyncDocumentReference]:
        path = path_of(key)

        async def once(client: AsyncClient) -> DocumentSnapshot[AsyncDocumentReference]:
            return await self._document(client).get([path], **_ONCE)

        return await self._firestore(once)

    async def _stored(self, writing: Awaitable[T]) -> T:
        try:
            return await writing
        except InvalidArgument as error:
            if "size" in str(error) or "longer than" in str(error):
                raise ValueError(
                    f"the state of the run does not fit into one document of 1 MiB ({error.message}); keep one "
                    "document a key instead"
                ) from error
            raise

    def _document(self, client: AsyncClient) -> AsyncDocumentReference:
        return client.collection(self._collection).document(self._document_id)


def _fields(seen: DocumentSnapshot[AsyncDocumentReference]) -> dict[str, Any]:
    return seen.to_dict() or {}


def _unchanged(client: AsyncClient, seen: DocumentSnapshot[AsyncDocumentReference]) -> WriteOption:
    """The condition that nobody has written since."""
    return client.write_option(last_update_time=seen.update_time)


def _updates(changes: Mapping[str, str | None]) -> dict[str, Any]:
    """By paths, as update() takes them."""
    return {path_of(key): DELETE_FIELD if text is None else text for key, text in changes.items()}


def _data(changes: Mapping[str, str | None]) -> dict[str, Any]:
    """By names, as set() takes them."""
    return {name_of(key): DELETE_FIELD if text is None else text for key, text in changes.items()}


def _sets(changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name_of(key): text for key, text in changes.items() if text is not None}
