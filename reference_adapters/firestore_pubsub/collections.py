"""The collections of the adapter: their names, and how they are removed. Firestore makes them with what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.cloud.firestore_v1 import AsyncClient, AsyncCollectionReference

from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient

_PAGE = 200
_ONCE: dict[str, Any] = {"retry": None, "timeout": CALL_SECONDS}


@dataclass(frozen=True, slots=True)
class Collections:
    """The names of the collections, all behind one prefix."""

    prefix: str = "flowcraft-"

    @property
    def runs(self) -> str:
        """One document a run."""
        return f"{self.prefix}runs"

    @property
    def run_keys(self) -> str:
        """Below each run's name one document a key."""
        return f"{self.prefix}run-keys"

    @property
    def results(self) -> str:
        """Final results."""
        return f"{self.prefix}results"

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.runs, self.run_keys, self.results


async def delete_collections(firestore: FirestoreClient, collections: Collections) -> None:
    """Remove the collections and all that is in them; those that are not there are no error.

    Raises:
        google.api_core.exceptions.GoogleAPICallError, TimeoutError: Firestore failed.
    """
    for name in collections.names():
        while await firestore(lambda client, name=name: _delete_some(client, client.collection(name))):  # type: ignore[misc]
            pass


async def _delete_some(client: AsyncClient, collection: AsyncCollectionReference) -> bool:
    """Delete a part of what is there, and tell whether there was anything. A run of many keys has no document itself,
    and is listed all the same."""
    batch = client.batch()
    count = 0
    async for document in collection.list_documents(page_size=_PAGE, **_ONCE):
        async for below in document.collections(**_ONCE):
            while await _delete_some(client, below):
                pass
        batch.delete(document)
        count += 1
        if count == _PAGE:
            break
    if count:
        await batch.commit(**_ONCE)
    return bool(count)
