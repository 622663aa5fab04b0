"""Server processes that never outlive those that use them, however these end."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from flowcraft_conformance.harness.services.model import Command, Launch, Place, ServiceUnavailableError

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_PAUSE = 0.01
_PORTS = 4
_SHOWN = 800
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PIPE = "users"


def free_ports(count: int) -> tuple[int, ...]:
    """TCP ports on the loopback interface that nobody listens on, each a different one."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


class ServerUse:
    """What keeps a server alive: while one of these is open, in whatever process, it runs."""

    def __init__(self, folder: Path) -> None:
        """Take part in using the server of this folder.

        Raises:
            OSError: it is gone.
        """
        self.folder = folder
        self._pipe: int | None = os.open(folder / _PIPE, os.O_WRONLY | os.O_NONBLOCK)

    def close(self) -> None:
        """Stop using it; may be called twice."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)

    def kill(self) -> None:
        """Have SIGKILL sent to the server; its data stays."""
        self._say(b"k")

    def start_again(self) -> None:
        """Have a killed server started again, on the same data and ports."""
        self._say(b"s")

    def _say(self, word: bytes) -> None:
        if self._pipe is None:
            raise RuntimeError("this server is no longer used here")
        os.write(self._pipe, word)


class ServerProcess:
    """One server under a supervisor, with a folder of its own."""

    def __init__(self, name: str, launch: Launch, ready: Callable[[str], object], record: Path | None = None) -> None:
        """Start the server and wait until ``ready(url)`` raises no OSError.

        ``record`` is the file that tells other processes of it; it is removed when the last of them has gone.

        Raises:
            ServiceUnavailableError: it ended at once, or was not ready in time; the text has its last output.
        """
        self.folder = Path(tempfile.mkdtemp(prefix=f"flowcraft-{name}-"))
        port, *more_ports = free_ports(_PORTS)
        place = Place(self.folder, port, tuple(more_ports), secrets.token_hex(8))
        self.url = launch.url.format(port=port, secret=place.secret)
        try:
            commands = launch.commands(place)
            _give_to(next((command.user for command in commands if command.user), None), self.folder)
            self._begin(commands, record)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        try:
            self._wait_until_ready(name, ready)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop using the server, and wait for its end where nobody else does; may be called twice."""
        self.use.close()
        if not self._shared:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)

    def _begin(self, commands: Sequence[Command], record: Path | None) -> None:
        self._shared = record is not None
        order = {"commands": [asdict(command) for command in commands], "record": str(record) if record else ""}
        (self.folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
        os.mkfifo(self.folder / _PIPE, 0o600)
        reading = os.open(self.folder / _PIPE, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self.use = ServerUse(self.folder)
            with (self.folder / "output.log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_SUPERVISOR), str(self.folder)],
                    stdin=reading,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a Ctrl-C goes to the test run, which then stops the server
                )
        finally:
            os.close(reading)

    def _wait_until_ready(self, name: str, ready: Callable[[str], object]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with (self.folder / "output.log").open("rb") as log:  # opened now: the folder goes with the server
            while time.monotonic() < deadline and self._process.poll() is None:
                with contextlib.suppress(OSError):
                    ready(self.url)
                    return
                time.sleep(_PAUSE)
            said = log.read().decode(errors="replace").strip()[-_SHOWN:]
        ended = self._process.poll() is not None
        problem = "ended while it started" if ended else f"was not ready within {_START_SECONDS:g} s"
        raise ServiceUnavailableError(f"{name} {problem}" + (f"; its last words:\n{said}" if said else ""))


def _give_to(user: str | None, folder: Path) -> None:
    """A server that runs as another user owns its folder and all that was laid out in it."""
    if user is None:
        return
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, user)
