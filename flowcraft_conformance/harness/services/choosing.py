"""The one place where a server is chosen: what the environment names, a container, what is here; a fake on demand."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from flowcraft_conformance.harness.backends import ask_for, register_backend
from flowcraft_conformance.harness.services.container import container_launch
from flowcraft_conformance.harness.services.model import Launch, ServerSpec, Service, ServiceUnavailableError
from flowcraft_conformance.harness.services.process import ServerProcess, ServerUse

FAKE = "fake"
_RUN_VARIABLE = "PYTEST_XDIST_TESTRUNUID"
_DESCRIPTION = "_DESCRIPTION"

_known: dict[str, Service] = {}
_uses: dict[str, ServerProcess | ServerUse] = {}
_failed: dict[str, ServiceUnavailableError] = {}


def service(spec: ServerSpec) -> Service:
    """The server of this test run; the first call starts one where the environment names none.

    Processes started later find it through the environment, xdist's workers through a file of their run.

    Raises:
        ServiceUnavailableError: there is none; the text says what was looked for and how to get one.
    """
    url = os.environ.get(spec.variable, "")
    if url in ("", FAKE):
        _start(spec, fake=url == FAKE)
        url = os.environ[spec.variable]
    known = _known.get(spec.name)
    if known is None:
        known = _known[spec.name] = _described(spec, url) or _identified(spec, url)
        register_backend(known.name, known.version, known.kind, spec.cannot_show.get(known.name, {}))
    ask_for(known.name)
    return replace(known, url=url)  # a fault proxy may stand before it by now


def use_of(spec: ServerSpec) -> ServerUse:
    """The hold of this process on a server that was started for the run: it can be killed and started again by it.

    Raises:
        ServiceUnavailableError: there is none, or it was not started by the kit.
    """
    service(spec)
    held = _uses.get(spec.name)
    if held is None:
        raise ServiceUnavailableError(f"the {spec.name} of {spec.variable} was not started by this process")
    return held.use if isinstance(held, ServerProcess) else held


def stop_service(spec: ServerSpec) -> None:
    """Let go of the server if this process started it or found it by the run's file."""
    held = _uses.pop(spec.name, None)
    _known.pop(spec.name, None)
    _failed.pop(spec.name, None)
    if held is None:
        return
    os.environ.pop(spec.variable, None)
    os.environ.pop(spec.variable + _DESCRIPTION, None)
    held.stop() if isinstance(held, ServerProcess) else held.close()
    if not _uses:
        atexit.unregister(_stop_all)


def _stop_all() -> None:
    for held in _uses.values():
        held.stop() if isinstance(held, ServerProcess) else held.close()
    _uses.clear()


def _start(spec: ServerSpec, *, fake: bool) -> None:
    """Start one, or find the one that another worker of this run has started, and name it in the environment."""
    if spec.name in _failed:  # asked for again by every test: the answer will not change
        raise _failed[spec.name]
    if not _uses:
        atexit.register(_stop_all)
    try:
        run = os.environ.get(_RUN_VARIABLE)
        if run is None:
            server, described = _first_that_starts(spec, fake, None)
            _uses[spec.name] = server
        else:
            _uses[spec.name], described = _shared(spec, fake, run)
    except ServiceUnavailableError as error:
        _failed[spec.name] = error
        raise
    os.environ[spec.variable] = described.url
    os.environ[spec.variable + _DESCRIPTION] = _to_json(described)


def _shared(spec: ServerSpec, fake: bool, run: str) -> tuple[ServerProcess | ServerUse, Service]:
    path = Path(tempfile.gettempdir()) / f"flowcraft-{os.getuid()}-{run}-{spec.name}{'-fake' if fake else ''}.json"
    with _locked(path) as record:
        text = record.read()
        if text:
            told = json.loads(text)
            with contextlib.suppress(OSError):
                return ServerUse(Path(told["folder"])), Service(**told["service"])
        try:
            server, described = _first_that_starts(spec, fake, path)
        except ServiceUnavailableError:
            path.unlink()
            raise
        record.seek(0)
        record.truncate()
        record.write(json.dumps({"folder": str(server.folder), "service": json.loads(_to_json(described))}))
        return server, described


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    """The file, made where it is not there, for this process alone; also where another one removes it meanwhile."""
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:
                    yield file
                    return


def _first_that_starts(spec: ServerSpec, fake: bool, record: Path | None) -> tuple[ServerProcess, Service]:
    problems = []
    for launch in _launches(spec, fake):
        try:
            server = ServerProcess(spec.name, launch, spec.identify, record)
        except ServiceUnavailableError as error:
            problems.append(f"{launch.origin}: {error}")
            continue
        name, version = spec.identify(server.url)
        return server, Service(name, server.url, launch.version or version, launch.kind, launch.origin)
    looked = "\n".join(["no " + spec.name + (" fake" if fake else ""), *problems])
    raise ServiceUnavailableError(f"{looked}: set {spec.variable} to the URL of one, or {spec.advice}")


def _launches(spec: ServerSpec, fake: bool) -> Iterator[Launch]:
    finders = ((spec.fake,) if spec.fake else ()) if fake else spec.finders
    if not fake and spec.image is not None:
        finders = (lambda: container_launch(spec), *finders)
    for find in finders:
        launch = find()
        if launch is not None:
            yield launch


def _described(spec: ServerSpec, url: str) -> Service | None:
    """What the process that started it says about it, unless the variable names another one by now."""
    text = os.environ.get(spec.variable + _DESCRIPTION)
    told = Service(**json.loads(text)) if text else None
    return told if told is not None and told.url == url else None


def _identified(spec: ServerSpec, url: str) -> Service:
    try:
        name, version = spec.identify(url)
    except OSError:
        name, version = spec.name, "unknown"
    return Service(name, url, version, spec.kinds.get(name, spec.kind), f"environment variable {spec.variable}")


def _to_json(described: Service) -> str:
    fields = ("name", "url", "version", "kind", "origin")
    return json.dumps({name: getattr(described, name) for name in fields})
