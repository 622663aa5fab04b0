"""Worker processes: bounded, killed and paused as a test says, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import DeleteOp, SetOp
from flowcraft_conformance.harness.workers.pool import Signal, WorkerPool
from flowcraft_conformance.harness.workers.process import WorkerError, WorkerOrder, WorkerProcess
from flowcraft_conformance.harness.workers.wire import ForeignValue, Lane, PlannedCall, decode, encode

_HOSTILE = """
import asyncio, os, time
class Store:
    async def get(self, key):
        print("not an answer")
        if key == "blocks": time.sleep(1000)
        if key == "leaves": os._exit(7)
        if key == "hangs": await asyncio.sleep(1000)
        if key == "raises": raise LookupError("no such thing")
        return key
class Fails:
    def __init__(self): raise RuntimeError("no server")
"""


@contextmanager
def _pool(address: str) -> Iterator[WorkerPool]:
    pool = WorkerPool(WorkerOrder(Target.STORE, address, {}))
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of targets that only this folder has."""
    (tmp_path / "hostile_targets.py").write_text(_HOSTILE)
    monkeypatch.chdir(tmp_path)


def _get(*keys: str, client: int = 0) -> list[Lane]:
    return [Lane(client, [PlannedCall("get", (key,)) for key in keys])]


@pytest.mark.usefixtures("hostile")
def test_calls_are_logged_with_their_outcomes() -> None:
    with _pool("hostile_targets:Store") as pool:
        answered, raised, hung = pool.run([_get("a", "raises", "hangs")], call_seconds=2, within=30)
        assert (answered.name, answered.arguments, answered.output) == ("get", ("a",), "a")
        assert answered.end is not None
        assert answered.start <= answered.end
        assert (type(raised.error).__name__, str(raised.error)) == ("LookupError", "no such thing")
        assert hung.end is None
        assert len(pool.run([_get("b")], call_seconds=5, within=30)) == 1


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("key", "within", "said"), [("blocks", 1.5, "did not answer within"), ("leaves", 30, "exit status 7")]
)
def test_a_worker_that_is_lost_is_an_error_and_the_next_program_gets_another(
    key: str, within: float, said: str
) -> None:
    with _pool("hostile_targets:Store") as pool:
        with pytest.raises(WorkerError, match=said):
            pool.run([_get(key)], call_seconds=0.2, within=within)
        assert len(pool.run([_get("b")], call_seconds=5, within=30)) == 1


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("address", "said"), [("hostile_targets:Fails", "no server"), ("hostile_targets:Nobody", "has no 'Nobody'")]
)
def test_a_target_that_cannot_be_built_there_says_why(address: str, said: str) -> None:
    with _pool(address) as pool, pytest.raises(WorkerError, match=said):
        pool.run([_get("a")], call_seconds=1, within=20)


def test_killed_and_paused_workers_leave_a_history() -> None:
    calls = [PlannedCall("increment", ("k", 60)) for _ in range(2000)]
    signals = [
        Signal(0.01, 0, signal.SIGKILL),
        Signal(0.01, 1, signal.SIGSTOP),
        Signal(0.3, 1, signal.SIGCONT),
    ]
    with _pool("reference_adapters.memory:MemoryCoordinationStore") as pool:
        programs = [[Lane(client, calls)] for client in range(3)]
        records = pool.run(programs, call_seconds=5, within=60, signals=signals)
        counted = {client: sum(record.client == client for record in records) for client in range(3)}
        assert counted[1] == counted[2] == 2000
        assert counted[0] <= 2000
        assert all(record.end is not None for record in records if record.client != 0)
        paused = [record for record in records if record.client == 1]
        gaps = [later.start - earlier.start for earlier, later in pairwise(paused)]
        assert paused[-1].start < 0.29 + paused[0].start or max(gaps) > 0.1
        assert len(pool.run([[Lane(9, calls[:1])]] * 3, call_seconds=5, within=60)) == 3


def test_the_torn_last_line_of_a_killed_worker_is_left_out(tmp_path: Path) -> None:
    order = WorkerOrder(Target.STORE, "reference_adapters.memory:MemoryCoordinationStore", {})
    worker = WorkerProcess(order, tmp_path, "torn")
    try:
        worker.wait_until_ready()
        log = tmp_path / "torn.jsonl"
        log.write_bytes(b'{"a": 1}\n{"b": 2')
        assert worker.new_entries() == [{"a": 1}]
        log.write_bytes(b'{"a": 1}\n{"b": 2}\n')
        assert worker.new_entries() == [{"b": 2}]
    finally:
        worker.kill()
    assert not worker.alive


_PARENT = """
import sys, time
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.workers.pool import WorkerPool
from flowcraft_conformance.harness.workers.process import WorkerOrder
import signal
pool = WorkerPool(WorkerOrder(Target.STORE, "reference_adapters.memory:MemoryCoordinationStore", {}))
workers = pool._get(2)
workers[0].signal(signal.SIGSTOP)
print(*[worker._process.pid for worker in workers], pool._folder, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a paused orphan is ended by the kernel, which only Linux offers")
def test_workers_end_with_a_parent_that_is_killed_even_while_paused(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()[:2]]
        parent.kill()
    deadline = time.monotonic() + 20
    while any(_runs(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [worker for worker in workers if _runs(worker)] == []


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "\ud800", {"a": [1, {"b": None}]}, []])
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert decode(encode(value)) == value
    assert type(decode(encode(value))) is type(value)


def test_patches_come_back_as_they_were() -> None:
    operations = [SetOp("a", {"b": 1}), DeleteOp("c")]
    assert decode(encode(operations)) == operations


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, object(), b"x", signal.SIGTERM, [{1}]])
def test_other_values_are_shown_and_equal_nothing(value: Any) -> None:
    came = decode(encode(value))
    assert isinstance(came, ForeignValue)
    assert came != value
    assert repr(came) == repr(value)
