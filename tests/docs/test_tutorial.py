"""The tutorial's code does what its page says: pieces are those of the files, failures those that the kit prints."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

import pytest

from tests.docs.markdown import ROOT, Block, blocks
from tests.empty_folder import prepare, run

_FOLDER = ROOT / "docs/tutorial"
_BLOCKS = [*blocks(ROOT / "docs/tutorial.md"), *(block for block in blocks(ROOT / "README.md") if block.title)]
_SHOWN: Mapping[str, list[Block]] = {
    title: [block for block in _BLOCKS if block.language == "text" and block.title == title]
    for title in {block.title for block in _BLOCKS if block.language == "text"}
}
_THREE = "COORD-INC-06 or COORD-TTL-05 or COORD-PROC-01"


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A copy of the tutorial's folder."""
    return prepare(pytester, monkeypatch, **{path.stem: path.read_text("utf-8") for path in _FOLDER.glob("*.py")})


def test_pieces_of_code_are_those_of_their_files() -> None:
    pieces = [block for block in _BLOCKS if block.language == "python"]
    assert len(pieces) > 8
    for block in pieces:
        file = _lines((_FOLDER / block.title).read_text(encoding="utf-8"))
        piece = textwrap.dedent(block.text)
        assert any(_lines(textwrap.indent(piece, " " * deep)) in file for deep in (0, 4, 8)), f"{block.title}:\n{piece}"


def test_the_first_store_fails_as_the_page_shows(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=first_store:store", "-k", _THREE, "--flowcraft-seed=1")
    _assert_shown("first_store:store", shown.stdout.str())
    assert shown.ret == 1


def test_the_mended_store_passes(folder: pytest.Pytester) -> None:
    chosen = f"{_THREE} or COORD-ERR-02"
    shown = run(folder, "--flowcraft-store=sqlite_store:store", "-k", chosen, "--flowcraft-seed=1")
    assert "3 pass" in shown.stdout.str()
    shown.stdout.fnmatch_lines(
        "*untested (no proxy stands before its backend, and none can: it reaches *file*: COORD-ERR-02"
    )
    assert shown.ret == 0


def test_the_context_passes(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-context=sqlite_context:context", "-k", "PATCH-EQ or PATCH-GUARD or CTX-SET")
    assert "fail" not in shown.stdout.str()
    assert shown.ret == 0


def test_the_first_adapter_fails_as_the_page_shows(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=first_adapter:Harness", "-k", "JOB-NACK-01")
    _assert_shown("first_adapter:Harness", shown.stdout.str())
    missed = ("a job whose handler raised was not delivered again within", "a deferred job did not come again within")
    assert any(one in shown.stdout.str() for one in missed), shown.stdout.str()
    assert shown.ret == 1


def test_the_mended_adapter_passes(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=sqlite_adapter:Harness", "-k", "JOB-NACK-01 or JOB-BAD-01 or JOIN-ALL-01")
    assert "4 passed" in shown.stdout.str(), shown.stdout.str()
    assert shown.ret == 0


def _assert_shown(title: str, printed: str) -> None:
    """Each line that the page shows is printed; numbers differ from run to run, and counts by what was chosen."""
    lines = {_without_numbers(line) for line in printed.splitlines()}
    for block in _SHOWN[title]:
        for line in filter(None, block.text.splitlines()):
            if line.startswith(("COORD ", "verdict: ")):  # of a whole run: too long for a test
                continue
            wanted = _without_numbers(line)
            assert wanted in lines or any(wanted in one for one in lines if "Reproduce" in wanted), (
                f"not printed: {line}"
            )


def _lines(code: str) -> str:
    """Without the blank lines, of which a formatter sets other numbers in a page."""
    return "\n".join(filter(str.strip, code.splitlines()))


def _without_numbers(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "N", " ".join(line.split()))
