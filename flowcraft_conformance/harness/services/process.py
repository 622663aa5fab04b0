"""Server processes that never outlive the process that started them, however it ends."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from flowcraft_conformance.harness.services.model import ServiceUnavailableError

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_PAUSE = 0.01

# The supervisor lives as long as the pipe that is its standard input: the kernel closes it with this process.
_SUPERVISOR = """
import subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(3)
    except subprocess.TimeoutExpired:
        server.kill()
threading.Thread(target=watch, daemon=True).start()
sys.exit(server.wait())
"""


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One server under a supervisor, with a folder of its own. Stopped at exit at the latest."""

    def __init__(self, name: str, command: Callable[[int, Path], Sequence[str]], ready: Callable[[int], bool]) -> None:
        """Start the server and wait until ``ready(port)``.

        Raises:
            ServiceUnavailableError: it ended at once, or was not ready in time; the text has its last output.
        """
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"flowcraft-{name}-"))
        self._log = (self.folder / "output.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, *command(self.port, self.folder)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C goes to the test run, which then stops the server
        )
        atexit.register(self.stop)
        self._wait_until_ready(name, ready)

    def stop(self) -> None:
        """Stop the server and remove its folder; may be called twice."""
        atexit.unregister(self.stop)
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self, name: str, ready: Callable[[int], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if ready(self.port):
                    return
            time.sleep(_PAUSE)
        said = (self.folder / "output.log").read_text(errors="replace")[-500:]
        self.stop()
        raise ServiceUnavailableError(f"{name} did not start within {_START_SECONDS:g} s; its last words:\n{said}")
