"""A Firestore for harnesses: FLOWCRAFT_FIRESTORE_URL, else Google's emulator, which is marked as one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.google import Emulator
from flowcraft_conformance.harness.services.model import ServerSpec, Service

_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_ASKING_SECONDS = 30.0


def firestore_service() -> Service:
    """The Firestore of this test run; the first call starts one where FLOWCRAFT_FIRESTORE_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(FIRESTORE)


def stop_firestore() -> None:
    """Let go of the server if this process holds it."""
    stop_service(FIRESTORE)


def _arguments(jar: Path) -> tuple[str, ...]:
    return "-cp", str(jar), _MAIN, "start"


def _version(java: str, jar: Path) -> str:
    """As it says itself."""
    command = [java, *_arguments(jar)[:-1], "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_ASKING_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.strip().rpartition(" ")[2] or "unknown"


EMULATOR = Emulator(
    service="firestore",
    component="cloud-firestore-emulator",
    variable="FLOWCRAFT_FIRESTORE_JAR",
    pattern="cloud-firestore-emulator/cloud-firestore-emulator*.jar",
    arguments=_arguments,
    path="/v1/projects/flowcraft/databases/(default)/documents/none/none",
    statuses=(200, 404),
    version=_version,
)
FIRESTORE = ServerSpec(
    name="firestore",
    variable="FLOWCRAFT_FIRESTORE_URL",
    identify=EMULATOR.identify,
    finders=(EMULATOR.launch,),
    kinds={EMULATOR.name: "emulator"},
    image=EMULATOR.image,
    advice=EMULATOR.advice,
)
