"""Every mistake on the command line or in the ini file: one message that says what to do, and exit code 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcraft_conformance.suites import CoordinationStoreSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.empty_folder import prepare, run

STORE_CHECKS = len(checks_of(CoordinationStoreSuite))

_TARGETS = """
import asyncio, time
from reference_adapters.memory import SharedMemoryStore as Store

number = 5
soon = {"call_timeout_seconds": 0.3}
class Raises:
    def __init__(self): raise RuntimeError("no server")
class RaisesLines:
    def __init__(self): raise RuntimeError("one\\ntwo")
class Exits:
    def __init__(self): raise SystemExit(3)
async def cancelled(): raise asyncio.CancelledError
class NoText(Exception):
    def __str__(self): raise RuntimeError
class RaisesNoText:
    def __init__(self): raise NoText
class Wrong: pass
class Refuses:
    def __getattr__(self, name): raise RuntimeError("not now")
class NeedsUrl:
    def __init__(self, url): pass
async def generates(): yield Store()
class CannotClose(Store):
    async def __aenter__(self): return self
    async def __aexit__(self, *_): raise RuntimeError("stuck open")

def limits(): pass
limits.capabilities = {"nope": 1}
def too_late(): pass
too_late.capabilities = {"ttl_lag": 50}
def for_ever(): pass
for_ever.capabilities = {"call_timeout_seconds": float("inf")}
def odd(): pass
odd.capabilities = 7
class Meta(type):
    @property
    def capabilities(cls): raise RuntimeError("undecided")
class Undecided(metaclass=Meta): pass

async def hangs(): await asyncio.sleep(1000)
hangs.capabilities = soon
def blocks(): time.sleep(1000)
blocks.capabilities = soon
async def swallows():
    while True:
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError: pass
swallows.capabilities = soon
class NeverCloses(CannotClose):
    capabilities = soon
    async def __aexit__(self, *_): await asyncio.sleep(1000)
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with modules that cannot be used."""
    return prepare(
        pytester,
        monkeypatch,
        mine=_TARGETS,
        lacks="import nosuchmodule",
        lacks_name="from mine import nothing",
        syntax="def (",
        divides="1 / 0",
        leaves="raise SystemExit(1)",
    )


def _assert_one_message(shown: pytest.RunResult, said: str) -> None:
    everything = shown.stderr.str() + shown.stdout.str()
    assert shown.ret == 4, everything
    assert said in shown.stderr.str()
    assert shown.stderr.str().count("ERROR:") == 1
    assert "Traceback" not in everything
    assert "INTERNALERROR" not in everything


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nosuch:Store", "there is no module 'nosuch'"),
        ("nosuch.sub:Store", "there is no module 'nosuch'"),
        ("mine:Stor", "Did you mean Store?"),
        ("mine:Store.x", "has no 'x'"),
        ("mine:number", "which cannot be called"),
        ("mine", "does not name a target"),
        ("lacks:Store", "it needs 'nosuchmodule', which is not installed"),
        ("lacks_name:Store", "ImportError: cannot import name 'nothing'"),
        ("syntax:Store", "SyntaxError: invalid syntax (syntax.py, line 1)"),
        ("divides:Store", "ZeroDivisionError: division by zero"),
        ("leaves:Store", "SystemExit: 1"),
        ("mine:Raises", "building it raised RuntimeError: no server"),
        ("mine:RaisesLines", "building it raised RuntimeError: one\n    two"),
        ("mine:Exits", "building it raised SystemExit: 3"),
        ("mine:cancelled", "building it raised CancelledError"),
        ("mine:RaisesNoText", "its text cannot be read"),
        ("mine:Wrong", "which has no increment, set_if_not_exist"),
        ("mine:Refuses", "looking up increment on a Refuses raised RuntimeError: not now"),
        ("mine:NeedsUrl", "The kit calls it with no argument"),
        ("mine:generates", "Decorate it with contextlib.asynccontextmanager"),
        ("mine:CannotClose", "closing it raised RuntimeError: stuck open"),
        ("mine:limits", "unknown capability nope"),
        ("mine:too_late", "ttl_lag is between 0 and 5, this is 50"),
        ("mine:for_ever", "call_timeout_seconds is a finite number"),
        ("mine:odd", "capabilities is a Capabilities or a mapping, this is int"),
        ("mine:Undecided", "RuntimeError: undecided"),
        ("mine:hangs", "building and trying it did not return within 0.6 s"),
        ("mine:blocks", "building and trying it did not return within 0.6 s"),
        ("mine:swallows", "building and trying it did not return within 0.6 s"),
        ("mine:NeverCloses", "building and trying it did not return within 0.6 s"),
    ],
)
def test_a_target_that_cannot_be_used(folder: pytest.Pytester, target: str, said: str) -> None:
    _assert_one_message(run(folder, f"--flowcraft-store={target}"), said)


@pytest.mark.parametrize("kind", ["store", "context"])
@pytest.mark.parametrize("target", ["nosuch:Store", "lacks:Store", "mine:Wrong", "mine:limits", "mine:blocks"])
def test_the_same_in_the_ini_file_and_on_several_workers(folder: pytest.Pytester, kind: str, target: str) -> None:
    folder.makeini(f"[pytest]\nflowcraft_{kind} = {target}\n")
    _assert_one_message(run(folder, "-n", "2"), f"--flowcraft-{kind}={target}: ")


_OPTIONS = [
    ("--flowcraft-profile=huge", "choose quick, standard, thorough"),
    ("--flowcraft-report=out.pdf", "the suffix decides the format"),
    ("--flowcraft-report=nosuch/out.json", "there is no folder"),
    ("--flowcraft-report=folder.json", "is a folder"),
    ("--flowcraft-report=/proc/out.json", "cannot be written"),
    ("--flowcraft-seed=x", "a seed is a whole number from 0"),
    ("--flowcraft-seed=-1", "a seed is a whole number from 0"),
    ("--flowcraft-known-failures=nosuch.toml", "cannot be read"),
    ("--flowcraft-known-failures=folder.json", "cannot be read"),
    ("--flowcraft-known-failures=mine.py", "is no TOML"),
    ("--flowcraft-known-failures=unknown.toml", "'COORD-INC-99' is no clause id"),
    ("--flowcraft-known-failures=silent.toml", "give a reason"),
]


@pytest.mark.parametrize(("option", "said"), _OPTIONS)
@pytest.mark.parametrize("others", [["--flowcraft-store=mine:Store", "-n", "2"], []], ids=["workers", "own tests"])
def test_a_wrong_option(folder: pytest.Pytester, option: str, said: str, others: list[str]) -> None:
    (folder.path / "folder.json").mkdir()
    (folder.path / "unknown.toml").write_text('[[known-failure]]\nclause = "COORD-INC-99"\nreason = "r"\n')
    (folder.path / "silent.toml").write_text('[[known-failure]]\nclause = "COORD-INC-03"\n')
    shown = run(folder, option, *others)
    _assert_one_message(shown, said)
    assert option.partition("=")[0] in shown.stderr.str()


def test_a_report_that_was_there_is_left_alone_by_a_wrong_option(folder: pytest.Pytester) -> None:
    report = Path(folder.path / "out.json")
    report.write_text("theirs")
    _assert_one_message(run(folder, "--flowcraft-report=out.json", "--flowcraft-seed=x"), "--flowcraft-seed=x")
    assert report.read_text() == "theirs"
    assert not (folder.path / "new.json").exists()


def test_a_factory_of_ones_own_suite_that_hangs_is_tried_once(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import asyncio, pytest
        from flowcraft_conformance.suites import CoordinationStoreSuite
        tried = []
        async def hangs():
            tried.append(1)
            await asyncio.sleep(1000)
        hangs.capabilities = {"call_timeout_seconds": 0.3}
        class TestMine(CoordinationStoreSuite):
            @pytest.fixture
            def flowcraft_store_factory(self): return hangs
        def test_tried(): assert len(tried) == 1
        """
    )
    shown = run(folder)
    shown.assert_outcomes(errors=STORE_CHECKS, passed=1)
    shown.stdout.fnmatch_lines(["*building and trying it did not return within 0.6 s*"])
    assert shown.ret == 1
