"""Requests to Cosmos DB that are sent once and end within a bound; only what was surely refused is sent again."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from reference_adapters.cosmos_azure_queue.accounts import CosmosAccount, is_azure

R = TypeVar("R")

CALL_SECONDS = 8.0
"""The bound of one call: connecting, sending, reading and repeating together."""

SOCKET_SECONDS = 5.0
FAILURES = (AzureError, OSError)
"""What a call to either service raises where that fails; TimeoutError is an OSError."""

OK, NOT_FOUND, CONFLICT, PRECONDITION_FAILED, BAD_REQUEST = 200, 404, 409, 412, 400
_TOO_LARGE = 413
_RETRY_WITH, _THROTTLED = 449, 429
_REFUSED = (_RETRY_WITH, _THROTTLED)
"""Cosmos DB has not carried these out. What may have been carried out is the caller's to judge."""

_LONGEST_PAUSE = 0.2
_ONE_PIECE_BYTES = 256 * 1024


class WeakConsistencyError(RuntimeError):
    """The account does not read what was written; the text says what to change."""


class _InPieces(AioHttpTransport):  # type: ignore[misc]
    """aiohttp warns of a body of more than 1 MiB in one piece: it would keep the event loop from everything else."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a large body piece by piece."""
        body = request.data.encode() if isinstance(request.data, str) else request.data
        if isinstance(body, bytes) and len(body) > _ONE_PIECE_BYTES:
            request.data = io.BytesIO(body)
        return await super().send(request, **options)


class Cosmos:
    """The containers of one database, over a client that connects at the first call, and again after ``close``."""

    def __init__(self, account: CosmosAccount, database: str) -> None:
        self.account = account
        self.database = database
        self._client: CosmosClient | None = None
        self._containers: dict[str, ContainerProxy] = {}
        self._opening = asyncio.Lock()

    async def client(self) -> CosmosClient:
        """The client of azure-cosmos: for what concerns no item.

        Raises:
            azure.core.exceptions.AzureError: the account could not be reached, or refused.
            WeakConsistencyError: it is Azure's, and not strongly consistent.
        """
        async with self._opening:
            if self._client is None:
                self._client = await _connected(self.account)
        return self._client

    async def container(self, name: str) -> ContainerProxy:
        """One container of the database; raises as :meth:`client` does, also where it is not there."""
        found = self._containers.get(name)
        if found is None:
            found = (await self.client()).get_database_client(self.database).get_container_client(name)
            await found.read()  # else the first read of an item would say 404 for the container, as it does for an item
            self._containers[name] = found
        return found

    async def close(self) -> None:
        """Release the connections; may be called twice."""
        client, self._client = self._client, None
        self._containers.clear()
        if client is not None:
            await client.close()

    async def __aenter__(self) -> Cosmos:
        """Itself; it connects at the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()


class Items:
    """The items of one container, each alone in its partition.

    Every method raises azure.core.exceptions.AzureError or TimeoutError where Cosmos DB fails, within CALL_SECONDS.
    Those that write give the status that Cosmos DB answered with, where it is one that a caller can expect.
    """

    def __init__(self, cosmos: Cosmos, container: str) -> None:
        self._cosmos = cosmos
        self._container = container

    async def read(self, key: str) -> dict[str, Any] | None:
        """A point read."""
        found: dict[str, Any] = {}

        async def once(container: ContainerProxy) -> None:
            found.update(await container.read_item(key, key))

        return found if await self._status(once, NOT_FOUND) == OK else None

    async def create(self, item: dict[str, Any]) -> int:
        """OK or CONFLICT."""
        return await self._status(lambda container: container.create_item(item, no_response=True), CONFLICT)

    async def put(self, item: dict[str, Any]) -> None:
        """Write the item, whether it is there or not."""
        await self._status(lambda container: container.upsert_item(item, no_response=True))

    async def patch(
        self,
        key: str,
        operations: list[dict[str, Any]],
        *,
        condition: str | None = None,
        etag: str | None = None,
        may_lack: bool = False,
    ) -> int:
        """OK, NOT_FOUND or PRECONDITION_FAILED; with ``may_lack`` also BAD_REQUEST: what is removed is not there."""
        guard = _only_if(etag)
        expected = (NOT_FOUND, PRECONDITION_FAILED, *([BAD_REQUEST] if may_lack else []))

        def once(container: ContainerProxy) -> Awaitable[Any]:
            return container.patch_item(key, key, operations, filter_predicate=condition, no_response=True, **guard)

        return await self._status(once, *expected)

    async def replace(self, item: dict[str, Any], etag: str) -> int:
        """OK, NOT_FOUND or PRECONDITION_FAILED."""
        guard = _only_if(etag)
        return await self._status(
            lambda container: container.replace_item(item["id"], item, no_response=True, **guard),
            NOT_FOUND,
            PRECONDITION_FAILED,
        )

    async def _status(self, once: Callable[[ContainerProxy], Awaitable[Any]], *expected: int) -> int:
        async with bounded("Cosmos DB"):
            container = await self._cosmos.container(self._container)
            while True:
                try:
                    await once(container)
                except CosmosHttpResponseError as error:
                    status = int(error.status_code or 0)
                    if status in expected and not _is_elsewhere(error):
                        return status
                    if status == _TOO_LARGE:
                        raise ValueError(
                            "the item does not fit into the 2 MB that Cosmos DB allows; keep less in the state of a "
                            "run, or large values elsewhere"
                        ) from error
                    if status not in _REFUSED:
                        raise
                else:
                    return OK
                await breath()


def _is_elsewhere(error: CosmosHttpResponseError) -> bool:
    """Whether it is no item but its container or database that is not there: that is a failure, and no answer."""
    owner_is_not_there = 1003
    return error.status_code == NOT_FOUND and error.sub_status == owner_is_not_there


async def breath() -> None:
    """A short random pause, so that those who were in each other's way do not meet again."""
    await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))


@asynccontextmanager
async def bounded(service: str, seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """End what is done inside after so many seconds; raises TimeoutError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimeoutError(f"{service} did not answer within {seconds:g} s") from None


def require_strong(level: object, url: str) -> None:
    """Refuse an account whose reads may be older than the writes that were told to be done.

    Raises:
        WeakConsistencyError: its level is another than Strong.
    """
    if level != "Strong":
        raise WeakConsistencyError(
            f"the default consistency of {url} is {level}, and workers must read what others have written: set it to "
            "Strong (az cosmosdb update --default-consistency-level Strong)"
        )


async def _connected(account: CosmosAccount) -> CosmosClient:
    """A client that sends every request once, to the account's own address.

    With endpoint discovery it would send what went wrong to other regions. Throttled requests alone it repeats.
    """
    client = CosmosClient(
        account.url,
        account.credential,
        transport=_InPieces(),
        enable_endpoint_discovery=False,
        enable_compact_utf8_item_writes=True,  # else half a megabyte of other letters than ours were two or three
        retry_total=0,
        retry_connect=0,
        retry_read=0,
        retry_status=0,
        connection_timeout=SOCKET_SECONDS,
        read_timeout=SOCKET_SECONDS,
    )
    try:
        await client.__aenter__()
        if is_azure(account.url):
            told = await client._get_database_account()
            require_strong((told.ConsistencyPolicy or {}).get("defaultConsistencyLevel"), account.url)
    except BaseException:
        await client.close()
        raise
    return client


def _only_if(etag: str | None) -> dict[str, Any]:
    return {} if etag is None else {"etag": etag, "match_condition": MatchConditions.IfNotModified}
