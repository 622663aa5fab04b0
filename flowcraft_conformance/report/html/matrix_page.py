"""The matrix of several reports as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowcraft_conformance.report.html.markup import Child, Markup, tag
from flowcraft_conformance.report.html.page import badge, document
from flowcraft_conformance.report.matrix import NOT_JUDGED, Cell, Matrix
from flowcraft_conformance.report.wording import SYMBOLS, TITLES, title_of_group


def html_matrix(matrix: Matrix) -> str:
    """The page, with the table of the groups and one of the clauses that do not pass everywhere."""
    columns = zip(matrix.headings, matrix.names, matrix.verdicts, matrix.circumstances, strict=True)
    legend = [
        tag(
            "li",
            tag("strong", heading),
            " ",
            tag("code", name),
            " ",
            tag("span", SYMBOLS[verdict], " ", TITLES[verdict].lower(), class_=f"badge run {verdict}"),
            " ",
            around,
        )
        for heading, name, verdict, around in columns
    ]
    groups = _table(
        matrix, "Group", {f"{title_of_group(group)} ({group})": row for group, row in matrix.groups.items()}, _cell
    )
    parts: list[Child] = [tag("section", tag("h2", "Clause groups"), tag("p", _HOW), groups, id="groups")]
    if matrix.clauses:
        clauses = _table(matrix, "Clause", matrix.clauses, _verdict)
        parts.append(tag("section", tag("h2", "Clauses that do not pass everywhere"), clauses, id="clauses"))
    header = tag(
        "header",
        tag("h1", f"{len(matrix.names)} targets side by side"),
        tag("ul", legend, class_="legend", role="list"),
    )
    return f"<!DOCTYPE html>\n{document('Conformance side by side', [header, tag('main', parts)])}\n"


_HOW = "Clauses that pass, of all in the group; the mark stands for the worst verdict among them."


def _table(matrix: Matrix, first: str, rows: Mapping[str, Sequence[Any]], shown: Callable[[Any], Markup]) -> Markup:
    head = tag("tr", tag("th", first, scope="col"), [_heading(matrix, number) for number in range(len(matrix.names))])
    body = [
        tag("tr", tag("th", name, scope="row"), [tag("td", shown(one)) for one in row]) for name, row in rows.items()
    ]
    table = tag("table", tag("thead", head), tag("tbody", body))
    return tag("div", table, class_="drawing", tabindex=0, role="group", aria_label=f"Table: {first}")


def _heading(matrix: Matrix, number: int) -> Markup:
    return tag("th", tag("abbr", matrix.headings[number], title=matrix.names[number]), scope="col")


def _cell(cell: Cell) -> Markup:
    if cell.verdict is None:
        return tag("span", NOT_JUDGED, class_="note")
    mark = tag("span", SYMBOLS[cell.verdict], aria_hidden="true")
    return tag(
        "span", mark, f" {cell.passed}/{cell.of}", class_=f"badge {cell.verdict}", title=f"worst: {cell.verdict}"
    )


def _verdict(verdict: str | None) -> Markup:
    return tag("span", NOT_JUDGED, class_="note") if verdict is None else badge(verdict)
