"""Final results on Firestore: text in as many documents as it takes, and the one that makes it visible last."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import Any

from google.cloud.firestore_v1 import AsyncClient

from flowcraft_conformance import FinalResult
from reference_adapters.firestore_pubsub.calls import CALL_SECONDS
from reference_adapters.firestore_pubsub.clients import FirestoreClient
from reference_adapters.firestore_pubsub.collections import PARTS
from reference_adapters.firestore_pubsub.names import name_of

_PART_CHARACTERS = 1_000_000
"""The text is ASCII, and a document has 1 MiB."""
_ONCE: dict[str, Any] = {"retry": None, "timeout": CALL_SECONDS}


async def write_result(firestore: FirestoreClient, collection: str, run_id: str, result: FinalResult) -> None:
    """Write the result; a client sees all of it or nothing.

    Raises:
        google.api_core.exceptions.GoogleAPICallError, TimeoutError: Firestore failed.
    """
    text = json.dumps(result.to_wire())
    parts = [text[start : start + _PART_CHARACTERS] for start in range(0, len(text), _PART_CHARACTERS)]
    name = uuid.uuid4().hex
    for number, part in enumerate(parts[1:], 1):
        await firestore(partial(_put, collection, run_id, {"text": part}, f"{name}.{number}"))
    first = {"text": parts[0], "more": name, "parts": len(parts)}
    await firestore(partial(_put, collection, run_id, first, ""))


async def read_result(firestore: FirestoreClient, collection: str, run_id: str) -> FinalResult | None:
    """The result of a run, or None; raises as :func:`write_result` does."""
    first = await firestore(partial(_get, collection, run_id, ""))
    if first is None:
        return None
    texts = [first["text"]]
    for number in range(1, first["parts"]):
        part = await firestore(partial(_get, collection, run_id, f"{first['more']}.{number}"))
        texts.append(part["text"])
    return FinalResult.from_wire(json.loads("".join(texts)))


async def _put(collection: str, run_id: str, fields: dict[str, Any], part: str, client: AsyncClient) -> None:
    await _document(client, collection, run_id, part).set(fields, **_ONCE)


async def _get(collection: str, run_id: str, part: str, client: AsyncClient) -> Any:
    return (await _document(client, collection, run_id, part).get(**_ONCE)).to_dict()


def _document(client: AsyncClient, collection: str, run_id: str, part: str) -> Any:
    document = client.collection(collection).document(name_of(run_id))
    return document.collection(PARTS).document(part) if part else document
