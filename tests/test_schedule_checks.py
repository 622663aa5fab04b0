"""Schedules as checks of a clause: what they catch, whom they never accuse, and where they do not apply."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from flowcraft_conformance.contract.clauses import clause
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable, Verdict
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.results import TargetFindings
from flowcraft_conformance.report.terminal import summary_lines
from flowcraft_conformance.suites.coordination_schedules import CoordinationSchedules
from reference_adapters.memory import MemoryBackend, MemoryCoordinationStore
from tests.benchmarks.schedule_alarms import RIGHT, alarms, schedule_checks, search
from tests.empty_folder import BOUND_SECONDS
from tests.mutants import schedules as mutants
from tests.support import UNHURRIED, judge, opened

_BROKEN: list[tuple[Target, Any]] = [
    *[(Target.STORE, mutant) for mutant in mutants.STORES],
    *[(Target.CONTEXT, mutant) for mutant in mutants.CONTEXTS],
]


def _violation(kind: Target, factory: Callable[..., Any], breaks: str, seed: int) -> ClauseViolation:
    suite, name = next((suite, name) for suite, name, clause_id in schedule_checks(kind) if clause_id == breaks)
    with opened(kind, factory, seed, UNHURRIED) as settings, pytest.raises(ClauseViolation) as caught:
        search(kind, factory, settings, suite, name)
    return caught.value


@pytest.mark.parametrize(("kind", "mutant"), _BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_target_is_caught_and_told_as_steps(kind: Target, mutant: Any) -> None:
    for seed in range(5):
        said = _violation(kind, mutant, mutant.breaks, seed)
        lines = said.observed.splitlines()
        assert lines[0].startswith("schedule ")
        assert len(lines) <= 26
        assert "mutants/schedules.py:" in said.observed
        marked = [line for line in lines if line.startswith("=> ")]
        assert bool(marked) == ("leave asyncio's order" in lines[0])
        if mutant in mutants.HIDDEN:
            assert "where 1 step(s) leave asyncio's order" in lines[0]


def test_one_seed_gives_one_schedule() -> None:
    said = [_violation(Target.STORE, mutants.TakesTurnsToSet, "COORD-SET-03", seed=11).observed for _ in range(2)]
    assert said[0] == said[1]


@pytest.mark.parametrize(("kind", "factory"), RIGHT, ids=lambda value: getattr(value, "__name__", value))
def test_a_right_target_is_never_accused(kind: Target, factory: Any) -> None:
    assert alarms(kind, factory, seeds=range(2)) == []


# Targets that do not run on the deterministic loop


@contextmanager
def _echo_server() -> Iterator[int]:
    """Answers every line with itself."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        def echo(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def test_what_answers_over_a_connection_is_not_tried() -> None:
    used: list[asyncio.AbstractEventLoop] = []

    class OverSocket(MemoryCoordinationStore):
        streams: ClassVar[Any] = None

        async def get(self, key: str) -> str | None:
            used.append(asyncio.get_running_loop())
            reader, writer = self.streams
            writer.write(b"x\n")
            await reader.readline()
            return await super().get(key)

    with _echo_server() as port:
        backend = MemoryBackend()

        @asynccontextmanager
        async def store() -> AsyncIterator[OverSocket]:
            client = OverSocket(backend)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            client.streams = (reader, writer)  # type: ignore[misc]
            try:
                yield client
            finally:
                writer.close()
                await writer.wait_closed()

        with opened(Target.STORE, store) as settings:
            for suite, name, _ in schedule_checks(Target.STORE):
                with pytest.raises(NotApplicable, match="it answers from outside of this process"):
                    search(Target.STORE, store, settings, suite, name)
            assert len(set(used)) == 1, "a connection of the real loop was used on another one"
            assert judge(Target.STORE, store, settings, "COORD-INC-03") == (Verdict.PASS, "")


class OnThreads(MemoryCoordinationStore):
    """Does its work on a thread, as clients without async do."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    async def get(self, key: str) -> str | None:
        return await asyncio.to_thread(lambda: asyncio.run(super(OnThreads, self).get(key)))

    async def increment(self, key: str, ttl_seconds: int) -> int:
        try:
            await asyncio.to_thread(time.sleep, 0)
        except RuntimeError:
            return 0
        return await super().increment(key, ttl_seconds)


def test_what_works_on_threads_is_not_accused_though_it_swallows_the_refusal() -> None:
    with opened(Target.STORE, OnThreads) as settings:
        for suite, name, _ in schedule_checks(Target.STORE):
            with pytest.raises(NotApplicable, match=r"run_in_executor needs real time"):
                search(Target.STORE, OnThreads, settings, suite, name)


class WaitsForRealTime(MemoryCoordinationStore):
    """Looks at the clock of the machine until its moment has come."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    async def increment(self, key: str, ttl_seconds: int) -> int:
        moment = time.monotonic() + 5
        while time.monotonic() < moment:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return await super().increment(key, ttl_seconds)


def test_what_waits_for_real_time_is_not_accused() -> None:
    with (
        opened(Target.STORE, WaitsForRealTime) as settings,
        pytest.raises(NotApplicable, match="it waits for real time on the deterministic loop"),
    ):
        search(Target.STORE, WaitsForRealTime, settings, CoordinationSchedules, "test_no_schedule_loses_an_increment")


class OneLockForAll(MemoryCoordinationStore):
    """Keeps one lock for the whole process: it belongs to the loop on which it was first waited for."""

    lock: ClassVar[asyncio.Lock] = asyncio.Lock()

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    async def increment(self, key: str, ttl_seconds: int) -> int:
        async with self.lock:
            await asyncio.sleep(0)
            return await super().increment(key, ttl_seconds)


@pytest.mark.parametrize("real_first", [True, False])
def test_a_lock_of_the_whole_process_breaks_neither_kind_of_check(real_first: bool) -> None:
    OneLockForAll.lock = asyncio.Lock()
    test = "test_no_schedule_loses_an_increment"
    with opened(Target.STORE, OneLockForAll) as settings:
        if real_first:
            assert judge(Target.STORE, OneLockForAll, settings, "COORD-INC-03") == (Verdict.PASS, "")
            OneLockForAll.lock = asyncio.Lock()
            _wait_for_the_lock_on_the_real_loop(settings)
            with pytest.raises(NotApplicable, match="different event loop"):
                search(Target.STORE, OneLockForAll, settings, CoordinationSchedules, test)
        else:
            search(Target.STORE, OneLockForAll, settings, CoordinationSchedules, test)
            assert judge(Target.STORE, OneLockForAll, settings, "COORD-INC-03") == (Verdict.PASS, "")


def _wait_for_the_lock_on_the_real_loop(settings: BenchSettings) -> None:
    async def contend() -> None:
        await asyncio.gather(*[OneLockForAll().increment("k", 60) for _ in range(2)])

    settings.loop.run(contend(), within=10, what="the real loop")


class BlocksTheLoop(MemoryCoordinationStore):
    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    async def increment(self, key: str, ttl_seconds: int) -> int:
        time.sleep(1)  # noqa: ASYNC251
        return await super().increment(key, ttl_seconds)


def test_a_step_that_blocks_is_waited_for_within_a_bound() -> None:
    with opened(Target.STORE, BlocksTheLoop) as settings:
        settings.profile = replace(settings.profile, check_seconds=0.2)
        settings.capabilities = replace(settings.capabilities, call_timeout_seconds=0.1)
        with pytest.raises(Inconclusive, match="a step of the target blocks"):
            search(Target.STORE, BlocksTheLoop, settings, CoordinationSchedules, "test_no_schedule_loses_an_increment")


class WakesOnlyWhoWaits(MemoryCoordinationStore):
    """A caller that finds the store busy waits to be woken; one that is slow between look and wait sleeps for ever."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self._busy = False
        self._free = asyncio.Event()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        while self._busy:
            await asyncio.sleep(0)
            await self._free.wait()
        self._busy = True
        for _ in range(3):
            await asyncio.sleep(0)
        self._busy = False
        self._free.set()
        self._free.clear()
        return await super().increment(key, ttl_seconds)


def test_a_lost_wake_up_is_told_with_the_line_that_waits_for_ever() -> None:
    said = _violation(Target.STORE, WakesOnlyWhoWaits, "COORD-INC-03", seed=1)
    line = WakesOnlyWhoWaits.increment.__code__.co_firstlineno + 3
    assert "calls wait for each other for ever" in said.summary
    assert f"waits at tests/test_schedule_checks.py:{line}" in said.summary
    assert "where 1 step(s) leave asyncio's order" in said.observed


# What the report makes of it


def _finding(test: str, verdict: Verdict, *, applies: bool = True) -> Finding:
    summary = "" if applies else "it answers from outside of this process"
    return Finding(TargetName(Target.STORE, "a:b"), "COORD-INC-03", test, verdict, summary, applies=applies)


def _result(*findings: Finding) -> Any:
    target = TargetName(Target.STORE, "a:b")
    found = TargetFindings(target, [clause("COORD-INC-03")], {"COORD-INC-03": ["real", "schedule"]})
    for finding in findings:
        found.add(Finding.from_json(finding.to_json()))
    return found.result({}, strict=False)


def test_a_check_that_does_not_apply_leaves_the_verdict_to_the_others_and_is_named() -> None:
    aside = _finding("schedule", Verdict.UNTESTED, applies=False)
    result = _result(_finding("real", Verdict.PASS), aside)
    assert result.clauses[0].verdict is Verdict.PASS
    assert result.clauses[0].to_json()["evidence"] == "schedule: it answers from outside of this process"
    said = [line.text for line in summary_lines(result)]
    assert (
        "  schedules not searched, real-time checks only (it answers from outside of this process): COORD-INC-03"
        in said
    )
    assert _result(_finding("real", Verdict.FAIL), aside).clauses[0].verdict is Verdict.FAIL


def test_where_no_check_applies_the_clause_is_untested() -> None:
    aside = [_finding(test, Verdict.UNTESTED, applies=False) for test in ("real", "schedule")]
    assert _result(*aside).clauses[0].verdict is Verdict.UNTESTED


def test_a_check_that_did_not_run_is_no_check_that_does_not_apply() -> None:
    assert _result(_finding("real", Verdict.PASS)).clauses[0].verdict is Verdict.UNTESTED
    aside = _finding("schedule", Verdict.UNTESTED, applies=False)
    assert _result(aside).clauses[0].verdict is Verdict.UNTESTED


def test_the_terminal_shows_a_race_as_steps_and_the_command_repeats_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    command = [
        "--flowcraft-store=tests.mutants.schedules:WorkersTenMillisecondsApart",
        "-k",
        "test_no_schedule_loses_an_increment",
        "--flowcraft-profile=standard",  # which has the time to make it small on a loaded machine, too
        "--flowcraft-seed=5",
    ]
    tokens = []
    for _ in range(2):
        shown = pytester.runpytest_subprocess(*command, timeout=BOUND_SECONDS)
        shown.stdout.fnmatch_lines(
            [
                "COORD-INC-03 *",
                "Observed: 2 increments by 2 clients returned *",
                "*schedule 0:*=1, where 1 step(s) leave asyncio's order*",
                "*=> c1 goes first by its timer: c0 at mutants/schedules.py:* slow, held back*",
                "Reproduce: pytest *--flowcraft-seed=5*",
            ]
        )
        tokens += [line.split()[1] for line in shown.stdout.lines if line.strip().startswith("schedule 0:")]
    assert len(tokens) >= 2  # pytest repeats the failure in its short summary where CI is set
    assert len(set(tokens)) == 1
