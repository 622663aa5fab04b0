"""``explain``: a clause from the catalogue, or the clauses of a group."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any

from flowcraft_conformance.command.ways import CommandError, say
from flowcraft_conformance.contract.clauses import CATALOGUE, GROUP_TITLES
from flowcraft_conformance.contract.clauses import clause as look_up
from flowcraft_conformance.contract.clauses.model import Clause

_WIDTH = 100


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "explain",
        help="say what a clause asks, why, and what breaks it most often",
        description="Explain a clause, such as COORD-INC-03. A group, such as COORD or COORD-TTL, lists its clauses.",
        allow_abbrev=False,
    )
    parser.add_argument("clause", metavar="CLAUSE", nargs="+")
    parser.set_defaults(call=_explain)


def _explain(chosen: argparse.Namespace) -> int:
    say("\n\n".join("\n".join(_lines(wanted)) for wanted in chosen.clause) + "\n")
    return 0


def _lines(wanted: str) -> Iterator[str]:
    name = wanted.strip().upper().replace("_", "-")
    group = [found for found in CATALOGUE.values() if found.id.startswith(f"{name}-")]
    if name not in CATALOGUE and group:
        if name in GROUP_TITLES:
            yield f"{GROUP_TITLES[name]} ({name})"
        yield from (line for found in group for line in _wrap(f"{found.id} [{found.level}] {found.sentence}", "  "))
        return
    try:
        found = look_up(name)
    except LookupError as error:
        raise CommandError(str(error)) from error
    yield from _clause(found)


def _clause(found: Clause) -> Iterator[str]:
    yield from _wrap(f"{found.id} [{found.level}] {found.sentence}")
    yield from ("", *_wrap(f"Why it matters: {found.why}"))
    yield from ("", "Likely causes:")
    for cause in found.causes:
        yield from _wrap(cause, "    ", first="  - ")
    yield from ("", *_wrap(f"How it is checked: {found.checked_by}"))
    if found.excused_by:
        yield from ("", f"Excused by declaring {', '.join(found.excused_by)} absent.")
    if found.needs_offer:
        yield from ("", f"Only where {found.needs_offer} is offered.")


def _wrap(text: str, then: str = "  ", *, first: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
