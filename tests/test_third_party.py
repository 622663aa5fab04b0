"""Somebody else's repository, which has nothing but our built wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flowcraft_conformance.suites import CoordinationStoreSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.empty_folder import BOUND_SECONDS

_HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=_HERE.parent, check=True, capture_output=True, timeout=BOUND_SECONDS)
    (built,) = out.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(out / "installed")
    return out / "installed"


def _run(wheel: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(wheel), "PYTHONSAFEPATH": ""}
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False
    )


def _run_in_all(shown: str) -> int:
    """How many tests were run or left out with a reason; none failed, but for a SHOULD."""
    assert " failed" not in shown, shown
    return sum(int(number) for number in re.findall(r"(\d+) (?:passed|skipped|xfailed)", shown.splitlines()[-1]))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository, outside of ours."""
    return Path(shutil.copytree(_HERE / "third_party", tmp_path / "theirs"))


def test_a_suite_and_a_fixture_from_the_wheel(wheel: Path, repository: Path) -> None:
    shown = _run(wheel, repository, "--flowcraft-profile=quick")
    assert "verdict: conformant" in shown.stdout, shown.stdout
    assert _run_in_all(shown.stdout) == len(checks_of(CoordinationStoreSuite)) + 1, shown.stdout
    assert shown.returncode == 0


def test_the_same_on_several_workers(wheel: Path, repository: Path) -> None:
    shown = _run(wheel, repository, "--flowcraft-profile=quick", "-n", "2")
    assert "verdict: conformant" in shown.stdout, shown.stdout
    assert _run_in_all(shown.stdout) == len(checks_of(CoordinationStoreSuite)) + 1, shown.stdout


def test_the_command_line_on_what_they_wrote(wheel: Path, repository: Path) -> None:
    shown = _run(wheel, repository, "--flowcraft-store=toy_store:ToyStore", "--flowcraft-profile=quick")
    assert "store: toy_store:ToyStore" in shown.stdout, shown.stdout
    assert _run_in_all(shown.stdout) == len(checks_of(CoordinationStoreSuite)), shown.stdout  # not their own tests


def test_the_wheel_ships_types_schema_and_no_tests(wheel: Path) -> None:
    shipped = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    assert {"flowcraft_conformance/py.typed", "flowcraft_conformance/report/schema.json"} <= shipped
    assert {
        "flowcraft_conformance/report/html/style.css",
        "flowcraft_conformance/command/templates/conformance.yml.txt",
    } <= shipped
    assert not [path for path in shipped if path.startswith("tests")]
