"""Final results on Cosmos DB: text in as many items as it takes, and the one that makes it visible last."""

from __future__ import annotations

import json
import uuid

from flowcraft_conformance import FinalResult
from reference_adapters.cosmos_azure_queue.calls import Cosmos, Items
from reference_adapters.cosmos_azure_queue.database import RESULTS
from reference_adapters.cosmos_azure_queue.names import item_id

_PART_CHARACTERS = 900_000
"""The text is ASCII, its quotes and backslashes take two bytes each, and an item has 2 MB."""


async def write_result(cosmos: Cosmos, run_id: str, result: FinalResult) -> None:
    """Write the result; a client sees all of it or nothing.

    Raises:
        azure.core.exceptions.AzureError, TimeoutError: Cosmos DB failed.
    """
    items = Items(cosmos, RESULTS)
    text = json.dumps(result.to_wire())
    parts = [text[start : start + _PART_CHARACTERS] for start in range(0, len(text), _PART_CHARACTERS)]
    name = uuid.uuid4().hex
    for number, part in enumerate(parts[1:], 1):
        await items.put({"id": f"p.{name}.{number}", "run": run_id, "text": part})
    await items.put({"id": item_id(run_id), "run": run_id, "text": parts[0], "more": name, "parts": len(parts)})


async def read_result(cosmos: Cosmos, run_id: str) -> FinalResult | None:
    """The result of a run, or None; raises as :func:`write_result` does."""
    items = Items(cosmos, RESULTS)
    first = await items.read(item_id(run_id))
    if first is None:
        return None
    texts = [str(first["text"])]
    for number in range(1, int(first["parts"])):
        part = await items.read(f"p.{first['more']}.{number}")
        if part is None:
            raise LookupError(f"a part of the result of {run_id!r} is not there: who removed it?")
        texts.append(str(part["text"]))
    return FinalResult.from_wire(json.loads("".join(texts)))
