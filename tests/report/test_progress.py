"""What a long run says of itself on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from flowcraft_conformance.plugin import progress
from flowcraft_conformance.plugin.progress import Estimate
from tests.empty_folder import BOUND_SECONDS, prepare


def test_the_rest_is_estimated_once_enough_is_known() -> None:
    moment = 100.0
    estimate = Estimate(40, now=lambda: moment)
    estimate.done = 4
    moment = 140.0
    assert str(estimate) == "4 of 40 checks in 40 s"
    estimate.done = 10
    moment = 200.0
    assert estimate.left() == pytest.approx(300)
    assert str(estimate) == "10 of 40 checks in 1:40, about 5:00 left"
    estimate.done = 41
    assert estimate.left() is None


_SLOW = """
import time
def test_of_mine():
    time.sleep(3)
"""


def _on_terminal(folder: pytest.Pytester, *arguments: str) -> str:
    """What a terminal of 100 columns is sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--flowcraft-profile=quick", *arguments]
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=folder.path, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + BOUND_SECONDS
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    read = os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
                if not read:
                    break
                shown += read
        assert process.wait(10) == 0
    finally:
        process.kill()
        os.close(ours)
    return shown.decode(errors="replace")


def test_a_terminal_sees_what_is_checked_and_keeps_its_lines(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(pytester, monkeypatch, test_slow=_SLOW)
    shown = _on_terminal(folder)
    status = re.search(r"0 of 1 checks in \d+ s: test_of_mine, \d+ s", shown)
    assert status is not None
    after = shown[status.start() :]
    assert progress._UP in after
    assert after.index(progress._BELOW) < after.index("[100%]")


def test_with_workers_the_terminal_sees_how_far_they_are(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = "import time, pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_one(n): time.sleep(0.1)\n"
    folder = prepare(pytester, monkeypatch, test_many=tests)
    shown = _on_terminal(folder, "-n", "2")
    assert re.search(r"7 of 8 checks in \d+ s, about \d+ s left", shown)
    assert shown.rindex(progress._BELOW) < shown.index("8 passed")


def test_with_s_the_terminal_belongs_to_the_checks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare(pytester, monkeypatch, test_slow=_SLOW)
    assert "of 1 checks" not in _on_terminal(folder, "-s")


_CLOCK = """
import time, types
import flowcraft_conformance.plugin.progress as progress
moment = time.monotonic()
progress.time = types.SimpleNamespace(monotonic=lambda: moment)
"""
_FORTY_SECONDS_EACH = """
import conftest, pytest
@pytest.mark.parametrize("n", range(3))
def test_one(n): conftest.moment += 40
"""


def test_a_log_has_a_line_now_and_then_where_it_is_verbose(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(pytester, monkeypatch, conftest=_CLOCK, test_slow=_FORTY_SECONDS_EACH)
    quiet = folder.runpytest_subprocess("--flowcraft-profile=quick", timeout=BOUND_SECONDS)
    assert "flowcraft:" not in quiet.stdout.str()
    verbose = folder.runpytest_subprocess("--flowcraft-profile=quick", "-v", timeout=BOUND_SECONDS)
    verbose.stdout.fnmatch_lines(["flowcraft: 2 of 3 checks in *"])
    assert verbose.stdout.str().count("flowcraft:") == 1
