"""The state of a run in one document a key: batched writes, for states beyond 1 MiB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound
from google.cloud.firestore_v1 import AsyncClient, AsyncCollectionReference, AsyncWriteBatch, DocumentSnapshot

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters._room import Room
from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient
from reference_adapters.firestore_pubsub.collections import KEYS
from reference_adapters.firestore_pubsub.names import key_of, name_of

MAX_PATCH_OPERATIONS = 500
"""Firestore itself has no limit but the size; so many it writes well within CALL_SECONDS."""

MAX_VALUE_BYTES = 1000 * 1024
"""A document has 1 MiB in all: the names of the run and of the key, and the value."""

MAX_PATCH_BYTES = 9 * 1024 * 1024
"""A request has at most 10 MiB, names and keys included."""

_ROOM = Room(MAX_PATCH_OPERATIONS, MAX_VALUE_BYTES, MAX_PATCH_BYTES)
_VALUE = "value"
_NOTHING = ["none"]
"""A field that no document has: whether the document is there is told all the same."""
_ONCE: dict[str, Any] = {"retry": None, "timeout": CALL_SECONDS}


class KeyDocumentsContext:
    """An ``IGuardedContext`` of any size: one document a key, all those of a patch written in one batch.

    ``to_dict`` is one query, which Firestore answers as of one moment: a snapshot, whatever its size. Values are JSON
    text, for the reasons that :class:`RunDocumentContext` gives.

    Every operation raises google.api_core.exceptions.GoogleAPICallError or TimeoutError when Firestore fails, within
    CALL_SECONDS. Values that are no JSON or too large, patches beyond MAX_PATCH_BYTES, keys beyond 1,500 bytes, and
    text with lone surrogates raise TypeError or ValueError before anything is sent.
    """

    def __init__(self, firestore: FirestoreClient, collection: str, run_id: str) -> None:
        self._firestore = firestore
        self._collection = collection
        self._document_id = name_of(run_id)

    async def get(self, key: str) -> Any:
        """The key's document."""
        text = (await self._read(key, [_VALUE])).get(_VALUE)
        return None if text is None else decode(text)

    async def set(self, key: str, value: Any) -> None:
        """set() of the key's document."""
        await self._write({key: _ROOM.text(key, value)})

    async def has(self, key: str) -> bool:
        """The key's document without its value."""
        return bool((await self._read(key, _NOTHING)).exists)

    async def delete(self, key: str) -> bool:
        """delete() of the key's document, on the condition that it is there."""
        name = name_of(key)

        async def once(client: AsyncClient) -> bool:
            try:
                await self._keys(client).document(name).delete(client.write_option(exists=True), **_ONCE)
            except (NotFound, FailedPrecondition):
                return False
            return True

        return await self._firestore(once)

    async def to_dict(self) -> dict[str, Any]:
        """One query over the run's documents."""

        async def once(client: AsyncClient) -> dict[str, str]:
            found = self._keys(client).select([_VALUE]).stream(**_ONCE)
            return {key_of(seen.id): seen.get(_VALUE) async for seen in found}

        texts = await self._firestore(once)
        return {key: decode(text) for key, text in texts.items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """A batch; a patch without operations sends nothing."""
        await self._write(_ROOM.texts(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same, refused as a whole where the document of ``guard`` is there."""
        changes = _ROOM.texts(operations)
        if not changes:
            return not await self.has(guard)
        first = changes.pop(guard, None)
        name = name_of(guard)

        async def once(client: AsyncClient) -> bool:
            batch = self._batch(client, changes)
            document = self._keys(client).document(name)
            if first is None:  # to delete what must not be there is to look and to do nothing
                batch.delete(document, client.write_option(exists=False))
            else:
                batch.create(document, {_VALUE: first})
            try:
                await batch.commit(**_ONCE)
            except (AlreadyExists, FailedPrecondition):
                return False
            return True

        return await self._firestore(once)

    async def _write(self, changes: dict[str, str | None]) -> None:
        if not changes:
            return

        async def once(client: AsyncClient) -> None:
            await self._batch(client, changes).commit(**_ONCE)

        await self._firestore(once)

    async def _read(self, key: str, fields: list[str]) -> DocumentSnapshot[Any]:
        name = name_of(key)

        async def once(client: AsyncClient) -> DocumentSnapshot[Any]:
            return await self._keys(client).document(name).get(fields, **_ONCE)

        return await self._firestore(once)

    def _batch(self, client: AsyncClient, changes: dict[str, str | None]) -> AsyncWriteBatch:
        batch, keys = client.batch(), self._keys(client)
        for key, text in changes.items():
            document = keys.document(name_of(key))
            if text is None:
                batch.delete(document)
            else:
                batch.set(document, {_VALUE: text})
        return batch

    def _keys(self, client: AsyncClient) -> AsyncCollectionReference:
        run = client.collection(self._collection).document(self._document_id)
        keys: AsyncCollectionReference = run.collection(KEYS)
        return keys
