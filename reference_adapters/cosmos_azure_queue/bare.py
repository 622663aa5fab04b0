"""The bare client, for benchmarks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters._json import encode_unchecked
from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount
from reference_adapters.cosmos_azure_queue.database import RUNS
from reference_adapters.cosmos_azure_queue.names import item_id, property_of
from reference_adapters.cosmos_azure_queue.run_item import OPERATIONS_A_PATCH

BarePatch = Callable[[Sequence[PatchOperation]], Awaitable[None]]


@asynccontextmanager
async def bare_patch_of(account: CosmosAccount, database: str, run_id: str) -> AsyncIterator[BarePatch]:
    """The least that a patch can do on Cosmos DB, with azure-cosmos as it comes: encode, and native operations.

    Those of more than ten keys are several requests, and not atomic.
    """
    key = item_id(run_id)

    async def patch(operations: Sequence[PatchOperation]) -> None:
        changes = [_operation(one) for one in operations]
        for start in range(0, len(changes), OPERATIONS_A_PATCH):
            some = changes[start : start + OPERATIONS_A_PATCH]
            try:
                await container.patch_item(key, key, some, no_response=True)
            except CosmosResourceNotFoundError:
                await container.create_item({"id": key, "run": run_id}, no_response=True)
                await container.patch_item(key, key, some, no_response=True)

    # The stand-ins tell another address than their own.
    async with CosmosClient(account.url, account.credential, enable_endpoint_discovery=False) as client:
        container = client.get_database_client(database).get_container_client(RUNS)
        yield patch


def _operation(one: PatchOperation) -> dict[str, Any]:
    path = f"/{property_of(one.key)}"
    if isinstance(one, SetOp):
        return {"op": "set", "path": path, "value": encode_unchecked(one.value).decode()}
    return {"op": "remove", "path": path}
