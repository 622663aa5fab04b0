"""Somebody else's repository, which has nothing but our built wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from flowcraft_conformance.suites import CoordinationStoreSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.empty_folder import BOUND_SECONDS

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=_ROOT, check=True, capture_output=True, timeout=BOUND_SECONDS)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def repository(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their repository, outside of ours, with an environment that has what the kit requires."""
    theirs = Path(shutil.copytree(_ROOT / "docs/example", tmp_path_factory.mktemp("example") / "theirs"))
    subprocess.run([sys.executable, "-m", "venv", str(theirs / ".venv")], check=True, timeout=BOUND_SECONDS)
    (site,) = (theirs / ".venv/lib").glob("python*/site-packages")
    (site / "requirements.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return theirs


def _ci(repository: Path, wheel: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of their own script."""
    environment = {**os.environ, "FLOWCRAFT_CONFORMANCE": str(wheel), "PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    words = ["bash", str(repository / "ci.sh"), "-p", "no:cacheprovider", "--flowcraft-profile=quick", *arguments]
    return subprocess.run(
        words, cwd="/", env=environment, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False
    )


def _run_in_all(shown: str) -> int:
    """How many tests were run or left out with a reason; none failed, but for a SHOULD."""
    assert " failed" not in shown, shown
    return sum(int(number) for number in re.findall(r"(\d+) (?:passed|skipped|xfailed)", shown.splitlines()[-1]))


def test_their_ci_script_gets_a_verdict_from_the_wheel(repository: Path, wheel: Path) -> None:
    shown = _ci(repository, wheel)
    assert "verdict: conformant" in shown.stdout, shown.stdout + shown.stderr
    assert _run_in_all(shown.stdout) == len(checks_of(CoordinationStoreSuite)) + 1, shown.stdout
    assert shown.returncode == 0
    assert {"conformance.html", "conformance.json"} <= {path.name for path in repository.iterdir()}
    used = subprocess.run(
        [str(repository / ".venv/bin/python"), "-c", "import flowcraft_conformance as kit; print(kit.__file__)"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert used.stdout.startswith(str(repository)), "it was not the wheel that ran"


def test_their_ci_script_fails_where_their_store_is_broken(repository: Path, wheel: Path) -> None:
    store = repository / "toy_store.py"
    right = store.read_text()
    store.write_text(right.replace("int(value or 0) + 1", "int(value or 0) + 2"))
    try:
        shown = _ci(repository, wheel, "-k", "COORD-INC-01", "-n", "2")
    finally:
        store.write_text(right)
    assert "COORD-INC-01 fail: " in shown.stdout, shown.stdout + shown.stderr
    assert shown.returncode == 1


def test_the_wheel_ships_types_schema_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    assert {"flowcraft_conformance/py.typed", "flowcraft_conformance/report/schema.json"} <= shipped
    assert {
        "flowcraft_conformance/report/html/style.css",
        "flowcraft_conformance/command/templates/conformance.yml.txt",
    } <= shipped
    assert not [path for path in shipped if path.startswith(("tests", "docs"))]
