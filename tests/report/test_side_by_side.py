"""Several reports side by side, two held against each other, and the badge of one."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flowcraft_conformance.report.badge import badge_json, badge_svg
from flowcraft_conformance.report.comparison import compare, comparison_text
from flowcraft_conformance.report.html.matrix_page import html_matrix
from flowcraft_conformance.report.matrix import markdown_matrix, matrix_of, terminal_matrix
from flowcraft_conformance.report.reading import ReportError, read_report
from tests.report.html_page import read_page
from tests.report.samples import clause, failing_report, report

_GOOD = report()
_BAD = failing_report()


def test_a_matrix_has_a_column_a_report_and_a_row_a_group() -> None:
    matrix = matrix_of([_GOOD, _BAD])
    assert matrix.headings == ("A", "B")
    assert [str(cell) for cell in matrix.groups["COORD"]] == ["✓ 29/29", "✗ 23/29"]
    assert [str(cell) for cell in matrix.groups["DLV"]] == ["·", "✗ 0/1"]
    assert matrix.clauses["COORD-INC-03"] == ("pass", "fail")
    assert matrix.clauses["DLV-CRASH-01"] == (None, "fail")
    assert "COORD-INC-01" not in matrix.clauses


def test_a_matrix_in_three_formats_says_the_same() -> None:
    matrix = matrix_of([_GOOD, _BAD])
    text, markdown, page = terminal_matrix(matrix), markdown_matrix(matrix), read_page(html_matrix(matrix))
    around = "profile quick, on redis 7.0.15 (real)"
    assert f"A  ✓ conformant      store mine:Store; {around}" in text.splitlines()
    assert all(around in shown for shown in (markdown, page.text))
    assert "| Coordination store (COORD) | ✓ 29/29 | ✗ 23/29 |" in markdown.splitlines()
    assert "| COORD-INC-03 | ✓ pass | ✗ fail |" in markdown.splitlines()
    rows = {row.all("th")[0].text: [cell.text for cell in row.all("td")] for row in page.all("tr")}
    assert rows["Coordination store (COORD)"] == ["✓ 29/29", "✗ 23/29"]
    assert rows["DLV-CRASH-01"] == ["not judged", "✗ fail"]
    for shown in (text, markdown):
        assert all(clause_id in shown for clause_id in matrix.clauses)


def test_thirty_reports_have_a_heading_each() -> None:
    assert len(set(matrix_of([_GOOD] * 30).headings)) == 30


def test_what_got_worse_and_what_got_better() -> None:
    there = compare(_GOOD, _BAD)
    assert {change.clause for change in there.worse} == {
        "COORD-INC-03",
        "COORD-SET-03",
        "COORD-EXT-01",
        "COORD-PROC-01",
        "COORD-DEL-01",
    }
    assert [change.clause for change in there.other] == ["COORD-TTL-04", "DLV-CRASH-01"]
    back = compare(_BAD, _GOOD)
    assert {change.clause for change in back.better} == {change.clause for change in there.worse}
    assert [str(change) for change in back.worse] == ["DLV-CRASH-01: ✗ fail -> not judged"]
    same = compare(_BAD, _BAD)
    assert same.worse == same.better == same.other == ()
    assert "no clause changed its verdict" in comparison_text(same, _BAD, _BAD)


def test_a_known_failure_that_fails_is_no_worse() -> None:
    known = report(clause("COORD-INC-03", "known-failure"), verdict="not-conformant")
    fails = report(clause("COORD-INC-03", "fail"), verdict="not-conformant")
    assert not compare(known, fails).worse
    assert not compare(fails, known).better


def test_what_makes_two_reports_hard_to_compare_is_said() -> None:
    other = report(profile="thorough", interrupted=True, target={"kind": "store", "spec": "other:Store"})
    said = comparison_text(compare(_GOOD, other), _GOOD, other)
    for part in ("the profiles differ: quick and thorough", "the targets differ", "the newer run was broken off"):
        assert part in said


@pytest.mark.parametrize(
    ("made", "message", "colour"), [(_GOOD, "conformant", "brightgreen"), (_BAD, "not conformant", "red")]
)
def test_a_badge_for_shields_and_as_a_picture(made: dict[str, object], message: str, colour: str) -> None:
    assert json.loads(badge_json(made)) == {
        "schemaVersion": 1,
        "label": "flowcraft",
        "message": message,
        "color": colour,
    }
    picture = ElementTree.fromstring(badge_svg(made))
    assert picture.attrib["aria-label"] == f"flowcraft: {message}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no JSON"),
        ("[]", "it holds no object"),
        ('{"schema": 2}', "its schema is 2"),
        ('{"schema": 1}', "'target' is missing"),
        ("[" * 100_000, "is no JSON"),
        (json.dumps({**_GOOD, "verdict": "good"}), "'good' is no verdict of a run"),
        (json.dumps({**_GOOD, "clauses": [1]}), "a clause is no object"),
        (json.dumps({**_GOOD, "clauses": [{"id": "X-01"}]}), "a clause has no 'level'"),
        (json.dumps({**_GOOD, "clauses": [{**_GOOD["clauses"][0], "verdict": "?"}]}), "does not know"),
    ],
)
def test_what_is_no_report_is_one_message(tmp_path: Path, content: str, said: str) -> None:
    place = tmp_path / "report.json"
    place.write_text(content)
    with pytest.raises(ReportError, match=said):
        read_report(place)


def test_a_file_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be read"):
        read_report(tmp_path / "nosuch.json")
