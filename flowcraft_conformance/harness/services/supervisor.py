"""Runs a server for as long as somebody holds the other end of standard input: a script, started by process.py.

Standard input is a named pipe that every process using the server has open for writing. The kernel closes it with each
of them, however it ends; when the last one is gone the server is stopped and its folder removed. A ``k`` in the pipe
kills the server, an ``s`` starts it again on the same data.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 8.0


class Supervisor:
    """One server: its processes in their order."""

    def __init__(self, folder: Path) -> None:
        order = json.loads((folder / "order.json").read_text())
        self.folder = folder
        self.commands = order["commands"]
        self.record = order["record"]
        self.running: list[tuple[subprocess.Popen[bytes], int]] = []
        self.killed = False

    def start(self, *, first: bool) -> None:
        """Start every process; those that prepare the place at the first time only."""
        self.killed = False
        for command in self.commands:
            if command["once"] and not first:
                continue
            process = subprocess.Popen(
                command["arguments"],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **command["environment"]},
                cwd=self.folder,
                start_new_session=True,
                **_identity(command["user"]),
            )
            if not command["once"]:
                self.running.append((process, command["stop_signal"]))
            elif process.wait():
                sys.exit(process.returncode)

    def kill(self) -> None:
        """SIGKILL to every process of the server."""
        self.killed = True
        for process, _ in self.running:
            _signal(process, signal.SIGKILL)
            process.wait()
        self.running.clear()

    def stop(self) -> None:
        """End the processes, the last one first, and those that do not by force."""
        deadline = time.monotonic() + _GRACE_SECONDS
        for process, stop_signal in reversed(self.running):
            _signal(process, stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        self.kill()

    def watch(self) -> None:
        """Return once nobody uses the server, or it has ended by itself."""
        os.set_blocking(0, False)
        while True:
            if select.select([0], [], [], _LOOK_SECONDS)[0]:
                said = os.read(0, 1)
                if said == b"k":
                    self.kill()
                elif said == b"s":
                    self.start(first=False)
                elif self.is_left():
                    return
            if not self.killed and any(process.poll() is not None for process, _ in self.running):
                return

    def is_left(self) -> bool:
        """Whether really nobody uses it; from then on nobody can find it any more."""
        if not self.record:
            return True
        with contextlib.suppress(FileNotFoundError), open(self.record, "rb") as record:
            fcntl.flock(record, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                if os.read(0, 1) == b"":  # somebody may have come before the lock was ours
                    self._forget(record)
                    return True
            return False
        return True

    def leave(self) -> None:
        """Stop, and take away whatever is left of the server."""
        self.stop()
        if self.record:
            with contextlib.suppress(FileNotFoundError), open(self.record, "rb") as record:
                fcntl.flock(record, fcntl.LOCK_EX)
                self._forget(record)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self, record: BinaryIO) -> None:
        record.seek(0)
        if str(self.folder).encode() in record.read():  # else it is a later server's by now
            os.unlink(self.record)


def _identity(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": _group(user), "extra_groups": []}


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """To the whole group while its leader has not been waited for, so that the number cannot be another's."""
    if process.returncode is None or number == signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def main() -> None:
    """Start, watch, stop, tidy up."""
    supervisor = Supervisor(Path(sys.argv[1]))
    try:
        supervisor.start(first=True)
        supervisor.watch()
    finally:
        supervisor.leave()


if __name__ == "__main__":
    main()
