"""``diff``: what got better and what got worse between two reports."""

from __future__ import annotations

import argparse
from typing import Any

from flowcraft_conformance.command.ways import report_of, say
from flowcraft_conformance.report.comparison import compare, comparison_text


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "diff",
        help="hold a newer report against an older one",
        description="Say which clauses got better and which got worse. Exit code 1 where one got worse.",
        allow_abbrev=False,
    )
    parser.add_argument("old", metavar="OLD.json")
    parser.add_argument("new", metavar="NEW.json")
    parser.set_defaults(call=_diff)


def _diff(chosen: argparse.Namespace) -> int:
    old, new = report_of(chosen.old), report_of(chosen.new)
    comparison = compare(old, new)
    say(comparison_text(comparison, old, new))
    return 1 if comparison.worse else 0
