"""Google's clients for one server: made at the first call, for they belong to the event loop that runs then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import google.auth
import grpc
from google.api_core.exceptions import Aborted
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import AsyncClient
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from reference_adapters.firestore_pubsub.calls import CALL_SECONDS, bounded, repeated

T = TypeVar("T")

_LOCAL_PROJECT = "flowcraft"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.enable_retries", 0),
    # Else a server that comes back is found minutes later, and clients share connections behind the caller's back.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5000),  # in fact the longest that connecting may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """Where a service is, and in whose project. None: Google's own, and what its usual variables and files say."""

    url: str | None = None
    project: str | None = None
    database: str = "(default)"

    @classmethod
    def at(cls, url: str) -> GoogleSettings:
        """The settings for a server at a URL: one that is not Google's never sees the user's own credentials."""
        return cls(url=url) if _is_google(url) else cls(url=url, project=_LOCAL_PROJECT)


class _Connection:
    """One channel to one service; it is made at the first call, and anew after ``close``."""

    def __init__(self, service: str, transport: Any, settings: GoogleSettings) -> None:
        self.service = service
        self._transport = transport
        self.settings = settings
        self._channel: grpc.aio.Channel | None = None
        self._opening = asyncio.Lock()
        self._project = ""

    async def close(self) -> None:
        """Release the connection; may be called twice."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(None)

    async def __aenter__(self) -> Any:
        """Itself; it connects at the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def _opened(self) -> None:
        if self._channel is not None:
            return
        async with self._opening:
            if self._channel is None:
                url = self.settings.url
                if url is None or _is_google(url):
                    channel = await self._to_google(urlsplit(url or "").netloc)
                else:
                    self._project = self.settings.project or _LOCAL_PROJECT
                    channel = grpc.aio.insecure_channel(urlsplit(url).netloc, options=_OPTIONS)
                self._make_clients(channel)
                self._channel = channel

    async def _to_google(self, place: str) -> grpc.aio.Channel:
        credentials, project = await bounded(
            "Google's metadata server", CALL_SECONDS, lambda: asyncio.to_thread(google.auth.default, scopes=_SCOPES)
        )
        self._project = self.settings.project or project or ""
        if not self._project:
            raise ValueError("no project is known: give GoogleSettings(project=...), or set GOOGLE_CLOUD_PROJECT")
        host = place or f"{self.service}.googleapis.com"
        return self._transport.create_channel(host, credentials=credentials, options=_OPTIONS)

    def _make_clients(self, channel: grpc.aio.Channel) -> None:
        raise NotImplementedError


class FirestoreClient(_Connection):
    """A client of one Firestore database. It connects at the first call, and again after ``close``."""

    def __init__(self, settings: GoogleSettings) -> None:
        super().__init__("firestore", FirestoreGrpcAsyncIOTransport, settings)
        self._client: AsyncClient | None = None

    async def __call__(
        self,
        once: Callable[[AsyncClient], Awaitable[T]],
        *,
        refusals: tuple[type[Exception], ...] = (),
    ) -> T:
        """What ``once`` gives, which makes calls with the client that it is given.

        It is begun again where Firestore answers one of ``refusals``, or ABORTED: then it has carried nothing out, for
        others wrote the same document. What may have been carried out is the caller's to judge: a patch that is sent
        twice may undo what another has written meanwhile.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: Firestore refused, or could not be reached; in the second
                case the request may have been carried out.
            TimeoutError: no answer within CALL_SECONDS; likewise.
            ValueError: neither the settings nor the environment name a project.
            google.auth.exceptions.DefaultCredentialsError: there are no credentials for Google.
        """
        await self._opened()
        client = self._client
        assert client is not None

        async def work() -> T:
            return await repeated(lambda: once(client), (Aborted, *refusals))

        return await bounded(self.service, CALL_SECONDS, work)

    def _make_clients(self, channel: grpc.aio.Channel) -> None:
        client = AsyncClient(self._project, AnonymousCredentials(), self.settings.database)  # type: ignore[no-untyped-call]
        # Its only public way to a server that is not Google's is a variable of the process, the same for all clients,
        # and it leaves its channel open for ever.
        if self.settings.url is not None and not _is_google(self.settings.url):
            client._emulator_host = urlsplit(self.settings.url).netloc  # asks as its owner, who may list everything
        transport = FirestoreGrpcAsyncIOTransport(channel=channel)
        client._firestore_api_internal = FirestoreAsyncClient(transport=transport)
        self._client = client


class PubSubClient(_Connection):
    """Publisher and subscriber of one project, over one connection. It connects at the first call."""

    def __init__(self, settings: GoogleSettings) -> None:
        super().__init__("pubsub", PublisherGrpcAsyncIOTransport, settings)
        self._publisher: PublisherAsyncClient | None = None
        self._subscriber: SubscriberAsyncClient | None = None

    async def publisher(self) -> PublisherAsyncClient:
        """The client for topics."""
        await self._opened()
        assert self._publisher is not None
        return self._publisher

    async def subscriber(self) -> SubscriberAsyncClient:
        """The client for subscriptions."""
        await self._opened()
        assert self._subscriber is not None
        return self._subscriber

    async def topic(self, name: str) -> str:
        """The whole name of a topic."""
        await self._opened()
        return f"projects/{self._project}/topics/{name}"

    async def subscription(self, name: str) -> str:
        """The whole name of a subscription."""
        await self._opened()
        return f"projects/{self._project}/subscriptions/{name}"

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """What the call gives.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: Pub/Sub refused, or could not be reached; in the second case
                the request may have been carried out.
            TimeoutError: no answer within CALL_SECONDS; likewise.
        """
        return await bounded(self.service, CALL_SECONDS, call)

    def _make_clients(self, channel: grpc.aio.Channel) -> None:
        self._publisher = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
        self._subscriber = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))


def _is_google(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".googleapis.com")
