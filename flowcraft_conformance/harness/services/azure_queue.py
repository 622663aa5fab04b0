"""An Azure Queue Storage for harnesses: FLOWCRAFT_AZURE_QUEUE_URL, else Azurite, in a container or fetched."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.azure import asked
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.fetch import AZURITE, fetch_command
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

_URL = "http://127.0.0.1:{port}/devstoreaccount1"
_AZURITE = "azurite"


def azure_queue_service() -> Service:
    """The Queue Storage of this test run; the first call starts one where FLOWCRAFT_AZURE_QUEUE_URL names none.

    The URL is the account's, as in ``https://ACCOUNT.queue.core.windows.net``; Azurite's has the account in its path.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(AZURE_QUEUE)


def stop_azure_queue() -> None:
    """Let go of the server if this process holds it."""
    stop_service(AZURE_QUEUE)


def _azurite() -> Launch | None:
    node, files = shutil.which("node"), AZURITE.content
    if node is None or files is None:
        return None
    program = str(files / "dist" / "src" / "queue" / "main.js")

    def commands(place: Place) -> Sequence[Command]:
        where = ("--queueHost", "127.0.0.1", "--queuePort", str(place.port))
        quiet = ("--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck")
        return [Command([node, program, *where, *quiet])]

    return Launch(_AZURITE, _URL, commands, kind="emulator", version=AZURITE.version)


def _identify(url: str) -> tuple[str, str]:
    """Both refuse to list queues to nobody; Azurite names itself and its version."""
    status, headers, _ = asked(url, (urlsplit(url).path.rstrip("/") or "") + "/?comp=list")
    server = headers.get("server", "")
    if "azurite" in server.lower():
        return _AZURITE, server.rpartition("/")[2] or "unknown"
    if status in (401, 403, 404) and "x-ms-request-id" in headers:
        return "azure-queue", "unknown"
    raise ConnectionError(f"this is no Queue Storage that is ready: it answered {status}")


AZURE_QUEUE = ServerSpec(
    name="azure-queue",
    variable="FLOWCRAFT_AZURE_QUEUE_URL",
    identify=_identify,
    finders=(_azurite,),
    kinds={_AZURITE: "emulator"},
    image=Image(
        "mcr.microsoft.com/azure-storage/azurite:3.35.0",
        10001,
        _URL,
        command="azurite-queue --queueHost 0.0.0.0 --inMemoryPersistence --disableTelemetry --skipApiVersionCheck",
        kind="emulator",
    ),
    advice=f"fetch Azurite with {fetch_command('azure-queue')} (it needs Node.js 20 or later)",
)
