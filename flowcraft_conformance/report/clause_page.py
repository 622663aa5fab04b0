"""The page of all clauses in the docs, from the catalogue: ``python -m flowcraft_conformance.report.clause_page``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from flowcraft_conformance.contract.clauses import CATALOGUE, GROUP_TITLES
from flowcraft_conformance.contract.clauses.model import Clause


def clause_page() -> str:
    """The page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The clauses"
    yield ""
    yield (
        "Written from the clause catalogue. **MUST** clauses decide the verdict; a **SHOULD** that is not met is shown."
    )
    for group, title in GROUP_TITLES.items():
        yield ""
        yield f"## {title} ({group})"
        for clause in CATALOGUE.values():
            if clause.group == group:
                yield from _clause(clause)


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


def _text(text: str) -> str:
    """Markdown that shows the text as it is: what is not already code must not be taken for markup."""
    parts = text.split("`")
    shown = [part if number % 2 else _escaped(part) for number, part in enumerate(parts)]
    return "`".join(shown)


def _escaped(text: str) -> str:
    for character in "\\*_<>[]":
        text = text.replace(character, f"\\{character}")
    return text


if __name__ == "__main__":
    sys.stdout.write(clause_page())
