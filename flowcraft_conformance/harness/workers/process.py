"""One worker process as the kit sees it: started, asked, paused, killed, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_SHOWN = 400

_BOOT = (
    "import json, sys; order = json.loads(sys.argv[1]); sys.path[:] = order['path']; "
    "from flowcraft_conformance.harness.workers.main import main; main(order)"
)


class WorkerError(Exception):
    """A worker process that could not be started, ended, or did not answer in time; the text says which."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a worker is started from; ``environment`` is laid over that of this process."""

    kind: Target
    address: str
    """``module:name``."""
    environment: Mapping[str, str]
    scope: str = ""
    """Of an adapter: the scope of its harness."""
    store: str = ""
    """Of a bare adapter class: ``module:name`` of the store it is given; empty: one of the kit's own."""


class WorkerProcess:
    """One process with the target in it."""

    def __init__(self, order: WorkerOrder, folder: Path, name: str) -> None:
        """Start it; :meth:`wait_until_ready` tells whether that went well."""
        self._log = folder / f"{name}.jsonl"
        self._read = 0
        self._words = folder / f"{name}.txt"
        data = {
            "kind": order.kind.value,
            "address": order.address,
            "scope": order.scope,
            "store": order.store,
            "path": [entry or str(Path.cwd()) for entry in sys.path],
            "folder": str(Path.cwd()),
            "log": str(self._log),
            "parent": os.getpid(),
        }
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps(data)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env={**os.environ, **order.environment},
                start_new_session=True,  # a Ctrl-C goes to the test run, which then ends its workers
            )
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._listen, name="flowcraft-conformance-worker", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until the target is imported.

        Raises:
            WorkerError: it cannot be imported there, or the process ended or was not ready in time.
        """
        self.answer(_START_SECONDS)

    def tell(self, command: dict[str, Any]) -> None:
        """Send one command; a process that is gone does not answer, which is seen there."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, within: float) -> dict[str, Any]:
        """The answer to the last command.

        Raises:
            WorkerError: it says that it could not, it ended, or it did not answer in time.
        """
        try:
            answer = self._answers.get(timeout=max(within, 0.001))
        except queue.Empty:
            raise WorkerError(f"a worker process did not answer within {within:.3g} s") from None
        if answer is None:
            raise WorkerError(f"a worker process ended with exit status {self._status()}{self._last_words()}")
        if "failed" in answer:
            raise WorkerError(f"in a worker process: {answer['failed']}")
        return answer

    def new_entries(self) -> list[dict[str, Any]]:
        """What it has logged since the last look; the torn last line of a killed process is left out."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as log:
            log.seek(self._read)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        return [json.loads(line) for line in whole.splitlines()]

    def signal(self, number: signal.Signals) -> None:
        """Send SIGKILL, SIGSTOP or SIGCONT; to a process that is gone, nothing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once and wait until it is gone; may be called twice."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._reader.join(_END_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _status(self) -> int | None:
        deadline = time.monotonic() + _END_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self._process.returncode

    def _last_words(self) -> str:
        said = self._words.read_text(errors="replace").strip()[-_SHOWN:]
        return f"; its last words:\n{said}" if said else ""
