"""``init``: what it writes works as it is, and what is there stays there."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flowcraft_conformance.command.main import main
from tests.empty_folder import BOUND_SECONDS, prepare

_PACKAGE = """
from contextlib import asynccontextmanager
from reference_adapters.memory import (
    MemoryAdapter, MemoryBackend, MemoryCluster, MemoryContext, MemoryCoordinationStore, MemoryHarness,
)
_cluster = MemoryCluster()
class Adapter(MemoryAdapter):
    def __init__(self, options):
        super().__init__(options, _cluster)
class Parts:
    class Store(MemoryCoordinationStore):
        def __init__(self):
            super().__init__(_cluster.backend)
async def store():
    return Parts.Store()
@asynccontextmanager
async def opened_store():
    yield Parts.Store()
def context(run_id):
    return MemoryContext(_cluster.backend, run_id)
"""


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's repository, with one module."""
    prepare(pytester, monkeypatch, mine=_PACKAGE)
    sys.modules.pop("mine", None)
    monkeypatch.syspath_prepend(str(pytester.path))
    return pytester.path


def _run(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=repository,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )


_STORES = ["mine:Parts.Store", "mine:store", "mine:opened_store"]


@pytest.mark.parametrize("store", _STORES)
def test_a_harness_and_its_tests_work(repository: Path, store: str) -> None:
    assert main(["init", "--adapter=mine:Adapter", f"--store={store}"]) == 0
    shown = _run(repository, "pytest", "-q", "--flowcraft-profile=quick", "-k", "JOIN-ALL-01 or COORD-INC-01")
    assert shown.returncode == 0, shown.stdout
    assert " failed" not in shown.stdout
    assert re.search(r"adapter: tests/test_flowcraft.py::TestWorkflows", shown.stdout)
    written = (repository / "tests/test_flowcraft.py").read_text()
    assert "class TestJobs(JobSuite):" in written, "a queue that nobody runs would never be judged"
    assert re.search(r"store: tests/test_flowcraft.py::TestStore", shown.stdout)


def test_the_workflow_runs_what_works(repository: Path) -> None:
    assert main(["init", "--adapter=mine:Adapter", "--store=mine:store"]) == 0
    workflow = (repository / ".github/workflows/conformance.yml").read_text()
    assert "@" not in re.sub(r"uses: actions/[a-z-]+@v\d", "", workflow)
    command = re.search(r"run: >-\n\s+flowcraft-conformance (run .*)\n\s+(.*)\n", workflow)
    assert command is not None
    words = shlex.split(" ".join(command.groups()))
    assert words[1] == "--adapter=flowcraft_harness:Harness"
    shown = _run(repository, "flowcraft_conformance.command", *words, "--profile=quick", "--", "-k", "JOIN-ALL-01")
    assert shown.returncode == 0, shown.stdout
    assert {path.name for path in repository.glob("conformance.*")} == {
        "conformance.json",
        "conformance.html",
        "conformance.md",
    }


def test_a_store_and_a_context_alone_need_no_harness(repository: Path) -> None:
    assert main(["init", "--store=mine:store", "--context=mine:context"]) == 0
    assert not (repository / "flowcraft_harness.py").exists()
    shown = _run(repository, "pytest", "-q", "--flowcraft-profile=quick", "-k", "COORD-DEL or CTX-GET or PATCH-NEW")
    assert shown.returncode == 0, shown.stdout
    for name in ("TestStore", "TestContext", "TestPatch"):
        assert f"test_flowcraft.py::{name}" in shown.stdout


def test_a_harness_that_is_there_is_used(repository: Path) -> None:
    assert main(["init", "--adapter=mine:MemoryHarness"]) == 0
    assert not (repository / "flowcraft_harness.py").exists()
    assert "return MemoryHarness" in (repository / "tests/test_flowcraft.py").read_text()


@pytest.mark.parametrize(
    "there", ["flowcraft_harness.py", "tests/test_flowcraft.py", ".github/workflows/conformance.yml"]
)
def test_nothing_is_overwritten_and_nothing_half_written(
    repository: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (repository / there).parent.mkdir(parents=True, exist_ok=True)
    (repository / there).write_text("theirs")
    before = sorted(path for path in repository.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert main(["init", "--adapter=mine:Adapter", "--store=mine:store"]) == 4
    assert f"there already: {there}; nothing was written" in capsys.readouterr().err
    after = sorted(path for path in repository.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert after == before
    assert (repository / there).read_text() == "theirs"


def test_another_directory(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["init", "--adapter=mine:Adapter", "--store=mine:store", f"--directory={repository}"]) == 0
    for path in (repository / "flowcraft_harness.py", repository / "tests/test_flowcraft.py"):
        ast.parse(path.read_text())


def test_the_package_is_installed_where_there_is_one(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n")
    assert main(["init", "--store=mine:store"]) == 0
    assert "pip install flowcraft-conformance .\n" in (repository / ".github/workflows/conformance.yml").read_text()
