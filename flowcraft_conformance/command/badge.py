"""``badge``: the verdict of a report for a README."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flowcraft_conformance.command.ways import CommandError, report_of, say, write
from flowcraft_conformance.report.badge import WRITERS, badge_json


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "badge",
        help="make a badge from a report",
        description="Make a badge from a JSON report: an endpoint for shields.io (.json), or a picture (.svg).",
        allow_abbrev=False,
    )
    parser.add_argument("report", metavar="REPORT.json")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="badge.json or badge.svg; without it, JSON to the terminal"
    )
    parser.set_defaults(call=_badge)


def _badge(chosen: argparse.Namespace) -> int:
    if chosen.output is None:
        say(badge_json(report_of(chosen.report)))
        return 0
    place = Path(chosen.output)
    if place.suffix not in WRITERS:
        raise CommandError(f"--output={place}: the suffix decides the kind of badge; choose {', '.join(WRITERS)}")
    if place.resolve() == Path(chosen.report).resolve():
        raise CommandError(f"--output={place} is the report itself; give the badge a name of its own")
    write(place, WRITERS[place.suffix](report_of(chosen.report)))
    return 0
