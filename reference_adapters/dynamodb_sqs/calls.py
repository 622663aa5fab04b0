"""Requests to AWS that are sent once and end within a bound; only what was surely refused is sent again."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import ClientError

CALL_SECONDS = 8.0
"""The bound of one call: waiting for a connection, connecting, sending, reading and repeating together."""

SOCKET_SECONDS = 5.0
_CONNECTIONS = 32
_REGION = "us-east-1"
_LONGEST_PAUSE = 0.4
_ONE_PIECE_BYTES = 256 * 1024

# The service has not carried these out. What may have been carried out is the caller's to judge: an increment that is
# sent twice counts twice (COORD-LIN-01).
_REFUSED = frozenset({
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottlingException",
    "TransactionConflictException",
})  # fmt: skip
_REFUSED_IN_TRANSACTION = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Where a service is and who asks. None: what the usual AWS variables, files and roles say."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None

    @classmethod
    def at(cls, url: str) -> AwsSettings:
        """The settings for a server at a URL: one that is not Amazon's never sees the user's own credentials."""
        host = urlsplit(url).hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return cls(endpoint_url=url)
        return cls(url, _REGION, "local", "local")


class AwsClient:
    """A client of one service, ``dynamodb`` or ``sqs``. It connects at the first call, and again after ``close``.

    ``wait_seconds``: how long the service itself may wait before it answers, on top of the bound.
    """

    def __init__(self, service: str, settings: AwsSettings, *, wait_seconds: float = 0) -> None:
        self._service = service
        self._settings = settings
        self._wait_seconds = wait_seconds
        self._stack: AsyncExitStack | None = None
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The reply to one operation, named as botocore's methods are.

        Raises:
            botocore.exceptions.ClientError: the service refused.
            botocore.exceptions.BotoCoreError: it could not be reached; the request may have been carried out.
            TimeoutError: no answer within CALL_SECONDS; likewise.
        """
        async with bounded(self._service, CALL_SECONDS + self._wait_seconds):
            pause = 0.01
            while True:
                try:
                    return await self._once(operation, parameters)
                except ClientError as error:
                    if not _surely_refused(error):
                        raise
                await asyncio.sleep(random.uniform(0, pause))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def close(self) -> None:
        """Release the connections; may be called twice."""
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def __aenter__(self) -> AwsClient:
        """Itself; it connects at the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def _once(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        client = self._client or await self._open()
        reply: dict[str, Any] = await getattr(client, operation)(**parameters)
        return reply

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                stack = AsyncExitStack()
                made = _session().create_client(
                    self._service,
                    endpoint_url=self._settings.endpoint_url,
                    region_name=self._settings.region,
                    aws_access_key_id=self._settings.access_key,
                    aws_secret_access_key=self._settings.secret_key,
                    config=AioConfig(
                        retries={"mode": "standard", "total_max_attempts": 1},
                        connect_timeout=SOCKET_SECONDS,
                        read_timeout=SOCKET_SECONDS + self._wait_seconds,
                        max_pool_connections=_CONNECTIONS,
                        parameter_validation=False,  # the service does that; here it costs more than the signature
                    ),
                )
                self._client = await stack.enter_async_context(made)
                self._client.meta.events.register("before-send", _send_in_pieces)
                self._stack = stack
        return self._client


def code_of(error: ClientError) -> str:
    """The code of a refusal, such as ``ConditionalCheckFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reasons_of(error: ClientError) -> list[str]:
    """Why a transaction was cancelled: one code for each of its operations, ``None`` as text where it was not to blame.

    Empty where the error is another.
    """
    if code_of(error) != "TransactionCanceledException":
        return []
    return [str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])]


@asynccontextmanager
async def bounded(service: str, seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """End what is done inside after so many seconds; raises TimeoutError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimeoutError(f"{service} did not answer within {seconds:g} s") from None


def _surely_refused(error: ClientError) -> bool:
    reasons = set(reasons_of(error)) - {"None"}
    return code_of(error) in _REFUSED or (bool(reasons) and reasons <= _REFUSED_IN_TRANSACTION)


def _send_in_pieces(request: Any, **_: Any) -> None:
    """aiohttp warns of a body of more than 1 MiB in one piece: it would keep the event loop from everything else."""
    if isinstance(request.body, bytes) and len(request.body) > _ONE_PIECE_BYTES:
        request.body = io.BytesIO(request.body)


@cache
def _session() -> AioSession:
    """One session a process: it holds the descriptions of the services, which are slow to read, and no connection."""
    return get_session()
