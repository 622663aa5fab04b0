"""The collections of the adapter: their names, and how they are removed. Firestore makes them with what is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from google.cloud.firestore_v1 import AsyncClient

from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient

KEYS = "keys"
"""The collection below a run's name that holds a document for each of its keys."""

PARTS = "parts"
"""The collection below a result that holds what one document has no room for."""

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

    def names(self) -> dict[str, str | None]:
        """Each of them with the collection below its documents, where there is one."""
        return {self.runs: None, self.run_keys: KEYS, self.results: PARTS}


async def delete_collections(firestore: FirestoreClient, collections: Collections) -> None:
    """Remove the collections and all that is in them; those that are not there are no error.

    Raises:
        google.api_core.exceptions.GoogleAPICallError, TimeoutError: Firestore failed.
    """
    for name, below in collections.names().items():
        await _delete(firestore, (name,), below)


async def _delete(firestore: FirestoreClient, path: tuple[str, ...], below: str | None = None) -> None:
    """Page by page: each call to Firestore is bounded, and the collection may be of any size.

    A run of many keys has no document itself, and is listed all the same.
    """

    async def listed(client: AsyncClient) -> list[str]:
        found = client.collection(*path).list_documents(page_size=_PAGE, **_ONCE)
        ids = []
        async for document in found:
            ids.append(document.id)
            if len(ids) == _PAGE:
                break
        return ids

    while ids := await firestore(listed):
        if below is not None:
            for name in ids:
                await _delete(firestore, (*path, name, below))
        await firestore(partial(_delete_documents, path, ids))


async def _delete_documents(path: tuple[str, ...], ids: list[str], client: AsyncClient) -> None:
    batch = client.batch()
    for name in ids:
        batch.delete(client.collection(*path).document(name))
    await batch.commit(**_ONCE)
