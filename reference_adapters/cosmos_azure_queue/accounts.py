"""Where the two services are, and who asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    Credential = str | AsyncTokenCredential

# What Microsoft publishes for its emulators: every one of them has this account, and no other server does.
_EMULATED_ACCOUNT = "devstoreaccount1"
_EMULATED_COSMOS = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
_EMULATED_QUEUE = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

COSMOS_KEY = "FLOWCRAFT_COSMOS_KEY"
QUEUE_KEY = "FLOWCRAFT_AZURE_QUEUE_KEY"

_DOMAINS = (".azure.com", ".azure.cn", ".azure.us", ".windows.net", ".chinacloudapi.cn", ".usgovcloudapi.net")


def is_azure(url: str) -> bool:
    """Whether a URL is one of Azure itself."""
    return (urlsplit(url).hostname or "").endswith(_DOMAINS)


@dataclass(frozen=True, slots=True)
class CosmosAccount:
    """An account of Cosmos DB: its URL, and its key or a credential of azure-identity."""

    url: str
    credential: Credential = field(repr=False)

    @classmethod
    def at(cls, url: str) -> CosmosAccount:
        """The account at a URL: Azure's own is asked with the key of FLOWCRAFT_COSMOS_KEY, no other ever sees it.

        Raises:
            KeyError: the key is needed and not set.
        """
        return cls(url, _key(COSMOS_KEY, url) if is_azure(url) else _EMULATED_COSMOS)


@dataclass(frozen=True, slots=True)
class QueueAccount:
    """A storage account: the URL of its queues, and its key or a credential of azure-identity."""

    url: str
    credential: Credential | dict[str, str] = field(repr=False)

    @classmethod
    def at(cls, url: str) -> QueueAccount:
        """The same for queues, with the key of FLOWCRAFT_AZURE_QUEUE_KEY; raises as :meth:`CosmosAccount.at` does."""
        if is_azure(url):
            return cls(url, _key(QUEUE_KEY, url))
        return cls(url, {"account_name": _EMULATED_ACCOUNT, "account_key": _EMULATED_QUEUE})


def _key(variable: str, url: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise KeyError(
            f"{url} is asked with a key, and there is none: set {variable} to a key of the account"
        ) from None
