"""The Markdown report and GitHub's annotations."""

from __future__ import annotations

import re

from flowcraft_conformance.contract.clauses import CATALOGUE
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import RunVerdict, Verdict
from flowcraft_conformance.report.annotations import annotation_lines
from flowcraft_conformance.report.findings import TargetName
from flowcraft_conformance.report.markdown import fenced, markdown_prose, markdown_report, markdown_text
from flowcraft_conformance.report.results import ClauseResult, TargetResult
from tests.report.samples import clause, failing_report, report


def test_a_passing_report_is_short() -> None:
    text = markdown_report(report())
    assert text.startswith("## ✓ Conformant: store <code>mine:Store</code>\n")
    assert "| Coordination store (COORD) | 29 |" in text
    assert "What is broken" not in text


def test_failures_fold_their_evidence_away_and_the_rest_is_listed() -> None:
    text = markdown_report(failing_report())
    assert "#### COORD-INC-03 · MUST · ✗ fail" in text
    assert text.count("<details>") == text.count("</details>") == 3 + 3
    assert "<summary>Unsupported (1)</summary>" in text
    assert "- COORD-PROC-01: declared so" in text
    assert "accepted until 2030-01-31" in text
    assert "redis 7.0.15 (real)" in text


def test_nothing_of_a_target_is_markup_outside_of_code() -> None:
    text = markdown_report(failing_report())
    outside = re.sub(r"^(`{3,})text$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)<script|(?<!\\)@everyone|(?<!\\)\]\(", outside)
    assert markdown_text("a\n# b *c*") == r"a \# b \*c\*"


def test_code_of_the_catalogue_stays_code() -> None:
    assert markdown_prose("an `all` join, a_b") == r"an `all` join, a\_b"
    assert markdown_prose("one ` alone") == r"one \` alone"


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a\n```\nb").splitlines() == ["````text", "a", "```", "b", "````"]


def test_long_evidence_is_cut_so_that_it_fits_a_comment() -> None:
    made = report(clause("COORD-INC-03", "fail", summary="s", evidence="s\n" + "x" * 100_000), verdict="not-conformant")
    assert len(markdown_report(made)) < 20_000


def test_annotations_name_what_is_broken() -> None:
    clauses = (
        ClauseResult(CATALOGUE["COORD-TTL-04"], Verdict.FAIL, "took a TTL of 0"),
        ClauseResult(CATALOGUE["COORD-INC-03"], Verdict.FAIL, "50%, then\nmore::x"),
        ClauseResult(CATALOGUE["COORD-SET-03"], Verdict.KNOWN_FAILURE, "two won"),
        ClauseResult(CATALOGUE["COORD-INC-01"], Verdict.PASS),
    )
    name = TargetName(Target.STORE, "mine:Store")
    lines = list(annotation_lines(TargetResult(name, clauses, RunVerdict.NOT_CONFORMANT, 1.0)))
    assert lines[0].startswith("::error title=COORD-INC-03 fail%3A store mine%3AStore::50%25, then%0Amore::x%0A")
    assert [line.split()[0] for line in lines] == ["::error", "::warning", "::warning", "::error"]
    assert lines[-1].endswith("::store mine:Store is not-conformant")
    assert all("\n" not in line for line in lines)
