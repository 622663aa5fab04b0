"""The file of known failures: what it may hold, and that it is strict in every direction."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from flowcraft_conformance.contract.clauses import CATALOGUE
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.known_failures import KnownFailuresError, read_known_failures
from flowcraft_conformance.report.results import TargetFindings

_TODAY = datetime.date(2027, 1, 31)
_ENTRY = '[[known-failure]]\nclause = "COORD-INC-03"\nreason = "no transaction yet"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the file stands."""
    return tmp_path / "known.toml"


def test_an_entry_with_everything(file: Path) -> None:
    file.write_text(_ENTRY + 'link = "https://example.org/12"\nexpires = 2027-01-31\n')
    entry = read_known_failures(file, _TODAY)["COORD-INC-03"]
    assert str(entry) == "no transaction yet (https://example.org/12)"
    assert not entry.expired
    assert entry.to_json() == {
        "reason": "no transaction yet",
        "link": "https://example.org/12",
        "expires": "2027-01-31",
        "expired": False,
    }


def test_an_empty_file_knows_nothing(file: Path) -> None:
    file.write_text("")
    assert read_known_failures(file, _TODAY) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_ENTRY + _ENTRY, "entry 2: COORD-INC-03 has an entry already"),
        (_ENTRY + 'link = "issue 12"', "link is an address"),
        (_ENTRY + "link = 12", "link is an address"),
        (_ENTRY + 'expires = "soon"', "expires is a date"),
        (_ENTRY + "expires = 2027-01-31T00:00:00", "expires is a date"),
        (_ENTRY + "until = 2027-01-31", "unknown until"),
        (_ENTRY.replace("INC-03", "INC-3"), r"no clause id; did you mean .*COORD-INC-03"),
        (_ENTRY.replace('"COORD-INC-03"', "3"), "3 is no clause id"),
        (_ENTRY.replace("no transaction yet", " "), "give a reason"),
        ("known-failure = 1", "as a table"),
        ("known-failure = [1]", "as a table"),
        ("other = 1", "as a table"),
        ("[[", "is no TOML"),
    ],
)
def test_what_cannot_be_used_is_one_message(file: Path, content: str, said: str) -> None:
    file.write_text(content)
    with pytest.raises(KnownFailuresError, match=said):
        read_known_failures(file, _TODAY)


@pytest.mark.parametrize(
    ("found", "expires", "verdict"),
    [
        (Verdict.FAIL, "2027-01-31", Verdict.KNOWN_FAILURE),
        (Verdict.FAIL, "2027-01-30", Verdict.FAIL),
        (Verdict.PASS, "2027-01-31", Verdict.UNEXPECTED_PASS),
        (Verdict.PASS, "2027-01-30", Verdict.UNEXPECTED_PASS),
        (Verdict.INCONCLUSIVE, "2027-01-31", Verdict.INCONCLUSIVE),
    ],
)
def test_what_an_entry_makes_of_a_verdict(file: Path, found: Verdict, expires: str, verdict: Verdict) -> None:
    file.write_text(_ENTRY + f"expires = {expires}")
    target = TargetName(Target.STORE, "mine:Store")
    findings = TargetFindings(target, [CATALOGUE["COORD-INC-03"]], {"COORD-INC-03": ["test_x"]})
    findings.add(Finding(target, "COORD-INC-03", "test_x", found, summary="seen"))
    (result,) = findings.result(read_known_failures(file, _TODAY), strict=False).clauses
    assert result.verdict is verdict
    assert result.to_json()["known_failure"]["expires"] == expires
