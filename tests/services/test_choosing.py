"""Where a server comes from, who shares it, and that it goes with the last one who uses it, however that one ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flowcraft_conformance.harness.services.choosing import service, stop_service, use_of
from flowcraft_conformance.harness.services.model import Command, Launch, Place, ServerSpec, ServiceUnavailableError
from tests.empty_folder import prepare, run

_BOUND_SECONDS = 60.0
_SERVER = """
import os, socketserver, sys
class Greeter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"%d " % os.getpid() + open(sys.argv[2], "rb").read())
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Greeter).serve_forever()
"""


def _greeting(url: str) -> tuple[str, str]:
    host, port = url.removeprefix("toy://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        said = connection.recv(100).decode()
    if not said:
        raise ConnectionError("not yet")
    pid, version = said.split(" ")
    return f"toy {pid}", version


def _toy() -> Launch:
    def commands(place: Place) -> Sequence[Command]:
        write = f"open({str(place.folder / 'version')!r}, 'a').write('1.')"
        return [
            Command([sys.executable, "-c", write], once=True),
            Command([sys.executable, "-c", _SERVER, str(place.port), str(place.folder / "version")]),
        ]

    return Launch("a toy", "toy://127.0.0.1:{port}", commands)


def _broken() -> Launch:
    return Launch("broken", "toy://127.0.0.1:{port}", lambda _: [Command([sys.executable, "-c", "exit('no luck')"])])


def _spec(*finders: Callable[[], Launch | None], fake: Callable[[], Launch | None] | None = None) -> ServerSpec:
    name = f"toy{uuid.uuid4().hex[:8]}"
    return ServerSpec(name, f"{name.upper()}_URL", _greeting, finders, "build one of wood", fake=fake)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run without xdist."""
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID", raising=False)


@pytest.fixture
def spec(alone: None) -> Iterator[ServerSpec]:
    made = _spec(lambda: None, _broken, _toy)
    yield made
    stop_service(made)


def _pid(url: str) -> int:
    return int(_greeting(url)[0].removeprefix("toy "))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _BOUND_SECONDS
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {_BOUND_SECONDS:g} s"
        time.sleep(0.02)


def test_the_first_way_that_works_is_taken_and_handed_on(spec: ServerSpec) -> None:
    first = service(spec)
    assert (first.version, first.kind, first.origin) == ("1.", "real", "a toy")
    assert service(spec) == first
    assert os.environ[spec.variable] == first.url


def test_a_url_of_the_environment_wins(spec: ServerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _spec(_toy)
    monkeypatch.setenv(spec.variable, service(other).url)
    try:
        assert service(spec).origin == f"environment variable {spec.variable}"
        assert service(spec).version == "1."
    finally:
        stop_service(other)


def test_stopping_leaves_no_process_and_no_folder(spec: ServerSpec) -> None:
    pid = _pid(service(spec).url)
    (folder,) = Path(tempfile.gettempdir()).glob(f"flowcraft-{spec.name}-*")
    stop_service(spec)
    assert _gone(pid)
    assert not folder.exists()
    assert spec.variable not in os.environ


def test_a_server_that_was_killed_is_started_again_on_its_data(spec: ServerSpec) -> None:
    url = service(spec).url
    before = _pid(url)
    use_of(spec).kill()
    _until(lambda: _gone(before), "the end of the server")
    use_of(spec).start_again()

    def back() -> bool:
        try:
            return _pid(url) != before
        except OSError:
            return False

    _until(back, "the server")
    assert _greeting(url)[1] == "1.", "what prepares the folder runs once"


def test_where_nothing_can_be_had_the_text_says_what_was_tried_and_what_helps(alone: None) -> None:
    spec = _spec(lambda: None, _broken)
    with pytest.raises(ServiceUnavailableError) as caught:
        service(spec)
    for part in ("broken", "no luck", spec.variable, "build one of wood"):
        assert part in str(caught.value)
    assert not list(Path(tempfile.gettempdir()).glob(f"flowcraft-{spec.name}-*"))


def test_a_fake_is_used_only_where_it_is_asked_for(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake() -> Launch:
        return Launch("a fake", "toy://127.0.0.1:{port}", _toy().commands, kind="fake")

    spec = _spec(fake=fake)
    with pytest.raises(ServiceUnavailableError):
        service(spec)
    stop_service(spec)
    monkeypatch.setenv(spec.variable, "fake")
    try:
        assert service(spec).kind == "fake"
    finally:
        stop_service(spec)


_HOLDER = """
import sys
from tests.services.test_choosing import _toy, _greeting
from flowcraft_conformance.harness.services.choosing import service
from flowcraft_conformance.harness.services.model import ServerSpec
spec = ServerSpec(sys.argv[1], sys.argv[1].upper() + "_URL", _greeting, (_toy,), "")
print(service(spec).url, flush=True)
sys.stdin.read()
"""


def _holder(name: str, run: str | None) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_XDIST_TESTRUNUID"}
    if run is not None:
        environment["PYTEST_XDIST_TESTRUNUID"] = run
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


def _url_of(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def test_a_server_goes_with_a_process_that_is_killed() -> None:
    holder = _holder("killed", None)
    with holder:
        pid = _pid(_url_of(holder))
        holder.send_signal(signal.SIGKILL)
    _until(lambda: _gone(pid), "the end of the server")
    _until(lambda: not list(Path(tempfile.gettempdir()).glob("flowcraft-killed-*")), "the end of its folder")


def test_the_workers_of_one_run_share_a_server_until_the_last_one_ends() -> None:
    run = uuid.uuid4().hex
    holders = [_holder("shared", run) for _ in range(3)]
    try:
        urls = [_url_of(holder) for holder in holders]
        assert len(set(urls)) == 1, "started once"
        pid = _pid(urls[0])
        for holder in holders[:2]:
            holder.kill()
            holder.wait()
        later = _holder("shared", run)
        holders.append(later)
        assert _url_of(later) == urls[0]
        assert _pid(urls[0]) == pid
    finally:
        for holder in holders:
            with holder:
                holder.kill()
    _until(lambda: _gone(pid), "the end of the server")
    _until(lambda: not list(Path(tempfile.gettempdir()).glob(f"flowcraft-*{run}*")), "the end of the run's file")


_LOST = """
from flowcraft_conformance import AdapterHarness, ServiceUnavailableError

class Harness(AdapterHarness):
    async def setup(self):
        raise ServiceUnavailableError("no frobnicator: install one")

def store():
    raise ServiceUnavailableError("no frobnicator: install one")
"""


def test_a_target_whose_server_cannot_be_had_is_listed_as_not_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(pytester, monkeypatch, lost=_LOST)
    there = "--flowcraft-context=reference_adapters.memory:context"
    shown = run(folder, "--flowcraft-adapter=lost:Harness", "--flowcraft-store=lost:store", there, "-k", "CTX-GET-01")
    assert shown.ret == pytest.ExitCode.OK
    for target in ("adapter: lost:Harness", "store: lost:store"):
        shown.stdout.fnmatch_lines(
            [
                target,
                "  not run: no frobnicator: install one",
                "verdict: inconclusive (* MUST clauses without a verdict*",
            ]
        )
    shown.stdout.fnmatch_lines(["*1 passed*"])


def test_a_run_with_nothing_that_could_be_run_is_no_success(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run(prepare(pytester, monkeypatch, lost=_LOST), "--flowcraft-store=lost:store")
    assert shown.ret == pytest.ExitCode.NO_TESTS_COLLECTED
