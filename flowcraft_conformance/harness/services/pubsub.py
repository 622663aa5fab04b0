"""A Pub/Sub for harnesses: FLOWCRAFT_PUBSUB_URL, else Google's emulator, which is marked as one."""

from __future__ import annotations

import re
from pathlib import Path

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.google import Emulator
from flowcraft_conformance.harness.services.model import ServerSpec, Service


def pubsub_service() -> Service:
    """The Pub/Sub of this test run; the first call starts one where FLOWCRAFT_PUBSUB_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(PUBSUB)


def stop_pubsub() -> None:
    """Let go of the server if this process holds it."""
    stop_service(PUBSUB)


def _arguments(jar: Path) -> tuple[str, ...]:
    return "-jar", str(jar)


def _version(_: str, jar: Path) -> str:
    """The one in the name of its jar: it cannot be asked."""
    found = re.search(r"\d+(\.\d+)+", jar.name)
    return found[0] if found else "unknown"


EMULATOR = Emulator(
    service="pubsub",
    component="pubsub-emulator",
    variable="FLOWCRAFT_PUBSUB_JAR",
    pattern="pubsub-emulator/lib/cloud-pubsub-emulator*.jar",
    arguments=_arguments,
    path="/v1/projects/flowcraft/topics",
    statuses=(200,),
    version=_version,
)
PUBSUB = ServerSpec(
    name="pubsub",
    variable="FLOWCRAFT_PUBSUB_URL",
    identify=EMULATOR.identify,
    finders=(EMULATOR.launch,),
    kinds={EMULATOR.name: "emulator"},
    image=EMULATOR.image,
    advice=EMULATOR.advice,
)
