"""The database of the adapter: its containers, and how they are made and removed."""

from __future__ import annotations

import asyncio
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from reference_adapters.cosmos_azure_queue.calls import Cosmos, bounded

RUNS = "runs"
"""One item a run."""

RESULTS = "results"
"""Final results."""

_MAKING_SECONDS = 120.0
_NOTHING: dict[str, Any] = {"indexingMode": "none", "automatic": False}


async def create_database(cosmos: Cosmos, *, shared_throughput: int | None = None) -> None:
    """Make the database and its containers that are not there yet. Nothing is indexed: all reads are by id.

    ``shared_throughput``: request units a second for the containers together; None where the account is serverless.

    Raises:
        azure.core.exceptions.AzureError: Cosmos DB refused, or could not be reached.
        TimeoutError: they were not ready in time.
    """
    async with bounded("Cosmos DB", _MAKING_SECONDS):
        client = await cosmos.client()
        database = await client.create_database_if_not_exists(cosmos.database, offer_throughput=shared_throughput)
        made = [
            database.create_container_if_not_exists(name, PartitionKey("/id"), indexing_policy=_NOTHING)
            for name in (RUNS, RESULTS)
        ]
        await asyncio.gather(*made)


async def delete_database(cosmos: Cosmos) -> None:
    """Remove the database and all that is in it; one that is not there is no error.

    Raises:
        azure.core.exceptions.AzureError: Cosmos DB refused, or could not be reached.
    """
    async with bounded("Cosmos DB", _MAKING_SECONDS):
        try:
            await (await cosmos.client()).delete_database(cosmos.database)
        except CosmosResourceNotFoundError:
            return
