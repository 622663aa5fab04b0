"""The database behind the target ``context``: made at the first use, removed when the run ends."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import uuid

from azure.core.exceptions import AzureError
from azure.cosmos import CosmosClient

from flowcraft_conformance import cosmos_service
from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount
from reference_adapters.cosmos_azure_queue.calls import Cosmos
from reference_adapters.cosmos_azure_queue.database import create_database

_VARIABLE = "FLOWCRAFT_COSMOS_DATABASE"
"""Names the database to the worker processes of the same run."""

_REMOVAL_SECONDS = 5

_made: set[str] = set()


async def own_database(account: CosmosAccount) -> str:
    """The name of this run's database, which is there when this returns; raises as :func:`create_database` does."""
    name = os.environ.get(_VARIABLE) or _new_name()
    if name not in _made:
        async with Cosmos(account, name) as cosmos:
            await create_database(cosmos)
        _made.add(name)
    return name


def _new_name() -> str:
    name = os.environ[_VARIABLE] = f"flowcraft-kit-{uuid.uuid4().hex[:12]}"
    atexit.register(_remove, name, cosmos_service().url)
    return name


def _remove(name: str, url: str) -> None:
    """Without an event loop: at exit there is no thread left that could look up a name for one."""
    logging.disable()  # the client's look at the account's health cannot begin any more, and says so at length
    with contextlib.suppress(AzureError):  # a server that is gone took it with it
        client = CosmosClient(
            url,
            str(CosmosAccount.at(url).credential),
            enable_endpoint_discovery=False,
            retry_total=0,
            connection_timeout=_REMOVAL_SECONDS,
            read_timeout=_REMOVAL_SECONDS,
        )
        with client:
            client.delete_database(name)
