"""The report files of a run: the suffix of each decides what is written into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flowcraft_conformance.report.html.page import html_report
from flowcraft_conformance.report.json_report import Environment, json_text, report_json
from flowcraft_conformance.report.markdown import markdown_report
from flowcraft_conformance.report.results import TargetResult
from flowcraft_conformance.report.wording import REPORT

WRITERS: Mapping[str, Callable[[REPORT], str]] = {
    ".json": json_text,
    ".html": html_report,
    ".md": markdown_report,
}
"""Suffix -> what makes the text of the file from the JSON report."""


def write_reports(
    path: Path,
    results: Sequence[TargetResult],
    environment: Environment,
    plot_of: Callable[[REPORT], str | None] = lambda _: None,
) -> list[Path]:
    """Write one file a target: ``path`` itself where there is one, ``path`` with the target's name in it otherwise.

    ``plot_of`` draws the benchmarks of a report as SVG, for the formats that can show it.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for result in results:
        place = path if len(results) == 1 else path.with_stem(f"{path.stem}-{_slug(result)}")
        report = report_json(result, environment)
        text = html_report(report, plot_of(report)) if path.suffix == ".html" else WRITERS[path.suffix](report)
        place.write_text(text, encoding="utf-8", errors="backslashreplace")  # a target may have given lone surrogates
        written.append(place)
    return written


def _slug(result: TargetResult) -> str:
    name = f"{result.target.kind}-{result.target.text}"
    return "".join(character if character.isalnum() or character in "._" else "-" for character in name)
