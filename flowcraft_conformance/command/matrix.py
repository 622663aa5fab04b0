"""``matrix``: several reports side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowcraft_conformance.command.ways import CommandError, report_of, say, write
from flowcraft_conformance.report.html.matrix_page import html_matrix
from flowcraft_conformance.report.matrix import Matrix, markdown_matrix, matrix_of, terminal_matrix

_SUFFIXES: Mapping[str, Callable[[Matrix], str]] = {
    ".txt": terminal_matrix,
    ".md": markdown_matrix,
    ".html": html_matrix,
}


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "matrix",
        help="put several reports side by side",
        description="Put JSON reports side by side, by clause group; clauses that do not pass everywhere are listed.",
        allow_abbrev=False,
    )
    parser.add_argument("report", metavar="REPORT.json", nargs="+")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a file in place of the terminal; the suffix decides: .md, .html or .txt (repeatable)",
        action="append",
        default=[],
    )
    parser.set_defaults(call=_matrix)


def _matrix(chosen: argparse.Namespace) -> int:
    places = [Path(output) for output in chosen.output]
    for place in places:
        if place.suffix not in _SUFFIXES:
            raise CommandError(f"--output={place}: the suffix decides the format; choose {', '.join(_SUFFIXES)}")
    matrix = matrix_of([report_of(path) for path in chosen.report])
    for place in places:
        write(place, _SUFFIXES[place.suffix](matrix))
    if not places:
        say(terminal_matrix(matrix))
    return 0
