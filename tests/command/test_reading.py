"""The subcommands that read: each does its work, and every mistake is one message and exit code 4."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowcraft_conformance.command.main import main
from tests.empty_folder import BOUND_SECONDS
from tests.report.html_page import read_page
from tests.report.samples import failing_report, report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good report, a bad one, and what is none."""
    (tmp_path / "good.json").write_text(json.dumps(report()))
    (tmp_path / "bad.json").write_text(json.dumps(failing_report()))
    (tmp_path / "none.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # so that what is added to it goes again
    return tmp_path


def test_explain_tells_all_that_the_catalogue_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "coord_inc_03"]) == 0
    shown = capsys.readouterr().out
    for part in ("COORD-INC-03 [MUST]", "Why it matters:", "Likely causes:", "How it is checked:"):
        assert part in shown


def test_explain_lists_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "JOIN", "COORD-DEL"]) == 0
    shown = capsys.readouterr().out
    assert "Joins (JOIN)" in shown
    assert shown.count("[MUST]") == 4 + 2


def test_matrix_in_the_terminal_and_in_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "good.json", "bad.json"]) == 0
    assert "✗ 23/29" in capsys.readouterr().out
    assert main(["matrix", "good.json", "bad.json", "-o", "m.md", "-o", "m.html"]) == 0
    assert capsys.readouterr().out == ""
    assert "| ✓ 29/29 | ✗ 23/29 |" in (folder / "m.md").read_text()
    assert "2 targets side by side" in read_page((folder / "m.html").read_text()).one("h1").text


def test_diff_ends_with_1_where_something_got_worse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "good.json", "bad.json"]) == 1
    assert "COORD-INC-03: ✓ pass -> ✗ fail" in capsys.readouterr().out
    assert main(["diff", "good.json", "good.json"]) == 0


def test_badge_as_json_and_as_svg(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["badge", "good.json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "conformant"
    assert main(["badge", "bad.json", "-o", "b.svg"]) == main(["badge", "bad.json", "-o", "b.json"]) == 0
    assert "not conformant" in (folder / "b.svg").read_text()
    assert json.loads((folder / "b.json").read_text())["color"] == "red"


_MISTAKES = [
    ([], "the following arguments are required"),
    (["bogus"], "invalid choice"),
    (["--bogus"], "required"),
    (["explain"], "required"),
    (["explain", "COORD-INC-3"], "did you mean COORD-INC-03"),
    (["explain", ""], "no clause has the id ''"),
    (["explain", "XYZ"], "the groups are"),
    (["matrix"], "required"),
    (["matrix", "nosuch.json"], "cannot be read"),
    (["matrix", "."], "cannot be read"),
    (["matrix", "none.json"], "is no report"),
    (["matrix", "good.json", "-o", "m.pdf"], "the suffix decides"),
    (["matrix", "good.json", "-o", "nosuch/m.md"], "cannot be written"),
    (["diff", "good.json"], "required"),
    (["diff", "good.json", "none.json"], "is no report"),
    (["badge", "good.json", "-o", "b.png"], "the suffix decides"),
    (["badge", "good.json", "-o", "./good.json"], "is the report itself"),
    (["badge", "good.json", "-o", "nosuch/b.svg"], "cannot be written"),
    (["replay", "bogus"], "is no token"),
    (["replay", ""], "is no token"),
    (["replay", "diamond/c12+"], "name the one target"),
    (["replay", "diamond/c12+", "--store=a:B", "--adapter=a:B"], "name the one target"),
    (["replay", "diamond/c12+", "--store=a:B"], "give --clause"),
    (["replay", "diamond/c12+", "--store=a:B", "--clause=COORD-INC-3"], "did you mean"),
    (["replay", "diamond/c12+", "--store=a:B", "--clause=JOIN-ALL-01"], "a store is not judged by JOIN-ALL-01"),
    (["replay", "diamond/c13+", "--report=bad.json"], "its tokens are: diamond/c12+ (DLV-CRASH-01)"),
    (["replay", "diamond/c12+", "--report=none.json"], "is no report"),
    (["init"], "name what is to be checked"),
    (["init", "--store=nosuch:Store"], "there is no module 'nosuch'"),
    (["init", "--store=json"], "does not name a target"),
    (["init", "--store=json:loads", "--directory=nosuch"], "is no folder"),
    (["init", "--adapter=json:JSONDecoder"], "an adapter class is built on a store"),
    (["run", "--bogus"], "unrecognized arguments"),
]


@pytest.mark.parametrize(("arguments", "said"), _MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_is_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = sorted(folder.rglob("*"))
    try:
        code = main(arguments)
    except SystemExit as ended:  # argparse ends by itself
        code = int(ended.code or 0)
    shown = capsys.readouterr()
    assert code == 4
    assert said in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert sorted(folder.rglob("*")) == before


def test_the_command_is_installed_and_survives_a_closed_pipe(folder: Path) -> None:
    command = [sys.executable, "-m", "flowcraft_conformance.command"]
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=BOUND_SECONDS, check=True)
    assert shown.stdout.startswith("flowcraft-conformance ")
    piped = subprocess.Popen(
        [*command, "matrix", *["bad.json"] * 500], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
    )
    assert piped.stdout is not None
    assert piped.stderr is not None
    piped.stdout.close()
    assert piped.stderr.read() == b""
    piped.stderr.close()
    assert piped.wait(60) == 0


def test_a_terminal_that_knows_little_is_no_trouble(folder: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "flowcraft_conformance.command", "matrix", "bad.json"],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        cwd=folder,
        capture_output=True,
        timeout=BOUND_SECONDS,
        check=True,
    )
    assert b"? 23/29" in shown.stdout
