"""The worker processes of one target: started when first needed, used again, replaced where they were killed."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.workers.process import WorkerError, WorkerOrder, WorkerProcess
from flowcraft_conformance.harness.workers.wire import Lane, decode

_LEAD_SECONDS = 0.02
"""From sending the programs to their common start."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to one of the workers of a program, so many seconds after its start."""

    at: float
    worker: int
    number: signal.Signals


class RemoteError(Exception):
    """What the target raised in another process; its class bears the name of the error's own."""


class WorkerPool:
    """Up to so many processes with one target in each."""

    def __init__(self, order: WorkerOrder) -> None:
        self._order = order
        self._workers: list[WorkerProcess] = []
        self._folder: Path | None = None
        self._started = 0

    def run(
        self, programs: Sequence[Sequence[Lane]], *, call_seconds: float, within: float, signals: Iterable[Signal] = ()
    ) -> list[CallRecord]:
        """Run one program in each of as many processes, from a common start, and return the calls of all.

        A worker that is killed by one of the ``signals`` leaves calls that never returned; any other end of a
        worker, and one that takes longer than ``within`` seconds, is an error. A call is given ``call_seconds``.

        Raises:
            WorkerError: a worker could not be started, ended by itself, or did not finish in time.
        """
        workers = self._get(len(programs))
        for worker, lanes in zip(workers, programs, strict=True):
            worker.tell({"do": "prepare", "lanes": [lane.to_json() for lane in lanes], "within": call_seconds})
        failure = self._wait(workers, set(), time.monotonic() + within)
        if failure is None:
            start = time.monotonic() + _LEAD_SECONDS
            for worker in workers:
                worker.tell({"do": "run", "start": start})
            killed = self._send(workers, signals, start)
            failure = self._wait(workers, killed, start + within)
        records = [record for worker in workers for record in _records(worker.new_entries())]
        if failure is not None:
            self.close()
            raise failure
        return sorted(records, key=lambda record: record.start)

    def reaches_outside(self) -> list[str]:
        """What a worker has reached outside of its own process so far, in words; empty where nothing was.

        Raises:
            WorkerError: it does not answer.
        """
        (worker,) = self._get(1)
        worker.tell({"do": "outside"})
        reached: list[str] = worker.answer(_LEAD_SECONDS + 10)["outside"]
        return reached

    def close(self) -> None:
        """End every process and remove what they logged; the next program starts new ones."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _get(self, count: int) -> list[WorkerProcess]:
        """So many live workers; those that are missing are started side by side."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flowcraft-workers-"))
        fresh: list[WorkerProcess] = []
        for number in range(count):
            if number < len(self._workers) and self._workers[number].alive:
                continue
            self._started += 1
            worker = WorkerProcess(self._order, self._folder, f"worker-{self._started}")
            fresh.append(worker)
            if number < len(self._workers):
                self._workers[number].kill()
                self._workers[number] = worker
            else:
                self._workers.append(worker)
        try:
            for worker in fresh:
                worker.wait_until_ready()
        except WorkerError:
            self.close()
            raise
        return self._workers[:count]

    @staticmethod
    def _send(workers: Sequence[WorkerProcess], signals: Iterable[Signal], start: float) -> set[int]:
        """Send the signals at their moments; a worker that was paused goes on in the end. Returns the killed ones."""
        killed: set[int] = set()
        paused: set[int] = set()
        try:
            for one in sorted(signals, key=lambda each: each.at):
                time.sleep(max(0.0, start + one.at - time.monotonic()))
                workers[one.worker].signal(one.number)
                if one.number is signal.SIGKILL:
                    killed.add(one.worker)
                elif one.number is signal.SIGSTOP:
                    paused.add(one.worker)
                else:
                    paused.discard(one.worker)
        finally:
            for number in paused:
                workers[number].signal(signal.SIGCONT)
        return killed

    @staticmethod
    def _wait(workers: Sequence[WorkerProcess], killed: set[int], deadline: float) -> WorkerError | None:
        failure = None
        for number, worker in enumerate(workers):
            try:
                worker.answer(deadline - time.monotonic())
            except WorkerError as error:
                if number not in killed:
                    failure = failure or error
            if number in killed:
                worker.kill()  # it may have finished before: it must be gone all the same
        return failure


def _records(entries: Iterable[dict[str, Any]]) -> list[CallRecord]:
    """The calls of one worker's log; one without an end never returned."""
    found: dict[tuple[int, int], CallRecord] = {}
    for entry in entries:
        identity = (entry["client"], entry["call"])
        if "start" in entry:
            arguments = tuple(decode(argument) for argument in entry["arguments"])
            found[identity] = CallRecord(entry["client"], entry["name"], arguments, entry["start"])
            continue
        record = found[identity]
        if "error" in entry:
            type_name, message = entry["error"]
            if type_name != "CallTimeoutError":  # such a call never returned
                record.end, record.error = entry["end"], type(type_name, (RemoteError,), {})(message)
        else:
            record.end, record.output = entry["end"], decode(entry["output"])
    return list(found.values())
