"""The page of all clauses in the docs, from the catalogue, the suites and the mutants that the kit is proved with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from flowcraft_conformance.contract.clauses import CATALOGUE, GROUP_TITLES
from flowcraft_conformance.contract.clauses.model import Clause

Names = Mapping[str, Sequence[str]]
"""Clause id -> names of tests, or of classes."""


def clause_page(checks: Names, mutants: Names) -> str:
    """The page as Markdown.

    Args:
        checks: the tests of the packaged suites by the clause they check.
        mutants: the broken implementations by the clause they are caught by.
    """
    return "\n".join(_lines(checks, mutants)) + "\n"


def _lines(checks: Names, mutants: Names) -> Iterator[str]:
    yield "# The clauses"
    yield ""
    yield (
        "Written from the clause catalogue. **MUST** clauses decide the verdict; a **SHOULD** that is not met is shown."
        " Each clause has an anchor of its own, such as [`#coord-inc-03`](#coord-inc-03), and "
        "`flowcraft-conformance explain COORD-INC-03` says the same in a terminal."
    )
    yield ""
    yield (
        "*Checks* are tests of the suites: `-k` takes their names. *Proven by* names broken implementations, by what "
        "they do: the kit's own tests hold that each of them fails this clause. When clauses may change: "
        "[versions](versioning.md)."
    )
    for group, title in GROUP_TITLES.items():
        yield ""
        yield f"## {title} ({group})"
        for clause in CATALOGUE.values():
            if clause.group == group:
                yield from _clause(clause)
                yield from _proof(checks.get(clause.id, ()), mutants.get(clause.id, ()))


def _clause(clause: Clause) -> Iterator[str]:
    yield ""
    yield f"### {clause.id}"
    yield ""
    yield f"**{clause.level}.** {_text(clause.sentence)}"
    yield ""
    yield f"*Why it matters.* {_text(clause.why)}"
    yield ""
    yield f"*How it is checked.* {_text(clause.checked_by)}"
    yield ""
    yield "*Likely causes.*"
    yield ""
    for cause in clause.causes:
        yield f"- {_text(cause)}"
    if clause.excused_by:
        yield ""
        yield f"*Excused by* declaring {', '.join(f'`{name}`' for name in clause.excused_by)} absent."
    if clause.needs_offer:
        yield ""
        yield f"*Only where* `{clause.needs_offer}` is offered."


def _proof(checks: Sequence[str], mutants: Sequence[str]) -> Iterator[str]:
    if checks:
        yield ""
        yield f"*Checks.* {', '.join(f'`{name}`' for name in checks)}"
    if mutants:
        yield ""
        yield f"*Proven by.* {'; '.join(_words(name) for name in mutants)}"


def _words(name: str) -> str:
    """A class's name as words: it says what the class does."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()


def _text(text: str) -> str:
    """Markdown that shows the text as it is: what is not already code must not be taken for markup."""
    parts = text.split("`")
    shown = [part if number % 2 else _escaped(part) for number, part in enumerate(parts)]
    return "`".join(shown)


def _escaped(text: str) -> str:
    for character in "\\*_<>[]":
        text = text.replace(character, f"\\{character}")
    return text
