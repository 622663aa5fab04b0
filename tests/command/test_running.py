"""``run`` and ``replay``: pytest under another name."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from flowcraft_conformance.command import run as run_command
from flowcraft_conformance.suites import CoordinationStoreSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.empty_folder import BOUND_SECONDS, prepare, run

STORE_CHECKS = len(checks_of(CoordinationStoreSuite))

_TARGETS = """
from tests.mutants.stores import IncrementsWithoutAtomicity as Broken
from tests.mutants.adapters import MarksThenCounts, harness_of
from reference_adapters.memory import SharedMemoryStore as Store, MemoryHarness
Marks = harness_of(MarksThenCounts)
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty folder with a module of targets."""
    return prepare(pytester, monkeypatch, mine=_TARGETS)


def _command(folder: pytest.Pytester, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flowcraft_conformance.command", *arguments],
        cwd=folder.path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )


def test_run_is_pytest_with_short_names(folder: pytest.Pytester) -> None:
    shown = _command(
        folder, "run", "--store=mine:Broken", "--store=mine:Store", "--profile=quick", "--seed=7", "--report=r.html",
        "--report=r.json", "--", "-k", "COORD-INC-03", "-q",
    )  # fmt: skip
    assert shown.returncode == 1
    assert "COORD-INC-03 fail" in shown.stdout
    assert {path.suffix for path in folder.path.glob("r-store-*")} == {".html", ".json"}
    assert json.loads((folder.path / "r-store-mine-Store.json").read_text())["seed"] == 7


def test_a_run_of_nothing_says_what_to_name(folder: pytest.Pytester) -> None:
    shown = _command(folder, "run")
    assert shown.returncode == 5
    assert "no target was named" in shown.stdout
    assert "--store=reference_adapters.memory:store" in shown.stdout
    deselected = _command(folder, "run", "--store=mine:Store", "--", "-k", "nosuchcheck")
    assert deselected.returncode == 5
    assert "no target was named" not in deselected.stdout


def test_run_hands_on_pytests_own_messages(folder: pytest.Pytester) -> None:
    shown = _command(folder, "run", "--store=mine:Store", "--profile=huge")
    assert shown.returncode == 4
    assert "choose quick, standard, thorough" in shown.stderr


def test_run_has_every_option_of_the_plugin(folder: pytest.Pytester) -> None:
    shown = folder.runpytest_subprocess("--help").stdout.str()
    of_plugin = set(re.findall(r"^\s+--flowcraft-([a-z-]+)", shown, re.MULTILINE)) - {"replay"}
    ours = {*run_command.TARGETS, *run_command._VALUES, *run_command._REPEATABLE, *run_command._FLAGS}
    assert of_plugin <= ours


def test_a_schedule_is_replayed_from_a_report(folder: pytest.Pytester) -> None:
    run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-LIN-01", "--flowcraft-report=r.json")
    report = json.loads((folder.path / "r.json").read_text())
    token = next(clause["details"]["token"] for clause in report["clauses"] if clause["id"] == "COORD-LIN-01")
    shown = _command(folder, "replay", token, "--report=r.json")
    assert shown.returncode == 1, shown.stdout
    assert f"{token} breaks COORD-LIN-01 again" in shown.stdout
    options = ("--clause=COORD-LIN-01", f"--seed={report['seed']}", "--profile=quick")
    mended = _command(folder, "replay", token, "--store=mine:Store", *options)
    assert mended.returncode == 0, mended.stdout
    assert "does not break COORD-LIN-01" in mended.stdout


def test_a_plan_is_replayed(folder: pytest.Pytester) -> None:
    run(folder, "--flowcraft-adapter=mine:Marks", "-k", "a_crash_after_every_change", "--flowcraft-report=r.json")
    report = json.loads((folder.path / "r.json").read_text())
    token = next(clause["details"]["token"] for clause in report["clauses"] if clause["id"] == "DLV-CRASH-01")
    shown = _command(folder, "replay", token, "--report=r.json")
    assert shown.returncode == 1, shown.stdout
    assert f"{token} breaks DLV-CRASH-01 again" in shown.stdout
    mended = _command(folder, "replay", token, "--adapter=mine:MemoryHarness", "--clause=DLV-CRASH-01", "--seed=0")
    assert mended.returncode == 0, mended.stdout


def test_a_token_of_the_wrong_kind_is_said_to_be(folder: pytest.Pytester) -> None:
    shown = _command(folder, "replay", "diamond/c12+", "--store=mine:Store", "--clause=COORD-LIN-01")
    assert shown.returncode == 4
    assert "no check of COORD-LIN-01 could replay diamond/c12+ on this target" in shown.stderr


def test_a_replay_option_that_is_no_token(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Store", "--flowcraft-replay=bogus")
    assert shown.ret == 4
    shown.stderr.fnmatch_lines(["*--flowcraft-replay=bogus: no token*"])


def test_a_suite_class_of_ones_own_is_replayed_by_pytest(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import pytest
        from flowcraft_conformance.suites import CoordinationStoreSuite
        from mine import Broken
        class TestMine(CoordinationStoreSuite):
            @pytest.fixture
            def flowcraft_store_factory(self): return Broken
        """
    )
    run(folder, "test_own.py", "-k", "COORD-LIN-01", "--flowcraft-report=r.json")
    report = json.loads((folder.path / "r.json").read_text())
    token = next(clause["details"]["token"] for clause in report["clauses"] if clause["id"] == "COORD-LIN-01")
    told = _command(folder, "replay", token, "--report=r.json")
    assert told.returncode == 4
    words = re.search(r"run it with pytest (.*)", told.stderr)
    assert words is not None
    shown = run(folder, *shlex.split(words.group(1)))
    shown.assert_outcomes(failed=1, skipped=3, deselected=STORE_CHECKS - 4)
