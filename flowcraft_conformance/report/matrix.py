"""Several reports side by side, by clause group, and clause by clause where they are not all alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.contract.clauses import CATALOGUE, GROUP_TITLES
from flowcraft_conformance.report.markdown import markdown_text
from flowcraft_conformance.report.wording import (
    BROKEN,
    OPEN,
    REPORT,
    SYMBOLS,
    TITLES,
    VERDICTS,
    group_of,
    servers,
    title_of_group,
)

NOT_JUDGED = "not judged"
_ABSENT = "·"


@dataclass(frozen=True, slots=True)
class Cell:
    """One group of one report: the worst verdict of its clauses, and how many passed of how many."""

    verdict: str | None
    passed: int = 0
    of: int = 0

    def __str__(self) -> str:
        """With its mark, which stands for the worst verdict."""
        return _ABSENT if self.verdict is None else f"{SYMBOLS[self.verdict]} {self.passed}/{self.of}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """``groups``: group -> one cell a report. ``clauses``: those that do not pass everywhere -> one verdict a report,
    None where a report does not judge it."""

    names: tuple[str, ...]
    verdicts: tuple[str, ...]
    circumstances: tuple[str, ...]
    """The profile, and the servers with their versions and kinds."""
    groups: Mapping[str, tuple[Cell, ...]]
    clauses: Mapping[str, tuple[str | None, ...]]

    @property
    def headings(self) -> tuple[str, ...]:
        """Short names of the columns: the letters A, B, ... of the legend."""
        return tuple(_letter(number) for number in range(len(self.names)))


def matrix_of(reports: Sequence[REPORT]) -> Matrix:
    """The reports side by side, in the order given."""
    by_id = [{clause["id"]: clause["verdict"] for clause in report["clauses"]} for report in reports]
    ids = _in_order({clause_id for verdicts in by_id for clause_id in verdicts}, CATALOGUE)
    groups = _in_order({group_of(clause_id) for clause_id in ids}, GROUP_TITLES)
    clauses = {clause_id: tuple(verdicts.get(clause_id) for verdicts in by_id) for clause_id in ids}
    return Matrix(
        names=tuple(f"{report['target']['kind']} {report['target']['spec']}" for report in reports),
        verdicts=tuple(report["verdict"] for report in reports),
        circumstances=tuple(map(_circumstances, reports)),
        groups={group: tuple(_cell(group, verdicts) for verdicts in by_id) for group in groups},
        clauses={clause_id: row for clause_id, row in clauses.items() if set(row) - {"pass", None}},
    )


def terminal_matrix(matrix: Matrix) -> str:
    """Columns of equal width, with a legend."""
    width = max(12, *(len(str(cell)) for row in matrix.groups.values() for cell in row))
    lines = list(_legend(matrix))
    lines += ["", f"{'group':<40}" + "".join(f"{heading:<{width}}" for heading in matrix.headings)]
    for group, cells in matrix.groups.items():
        lines.append(f"{f'{group:<7}{title_of_group(group)}':<40}" + "".join(f"{cell!s:<{width}}" for cell in cells))
    if matrix.clauses:
        width = max(len(verdict) for verdict in VERDICTS) + 4
        lines += ["", "clauses that do not pass everywhere"]
        lines.append(f"{'clause':<18}" + "".join(f"{heading:<{width}}" for heading in matrix.headings))
        for clause_id, verdicts in matrix.clauses.items():
            shown = "".join(f"{_shown(verdict):<{width}}" for verdict in verdicts)
            lines.append(f"{clause_id:<18}{shown}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def markdown_matrix(matrix: Matrix) -> str:
    """Two tables in GitHub's Markdown."""
    columns = zip(matrix.headings, matrix.names, matrix.verdicts, matrix.circumstances, strict=True)
    lines = [
        f"- **{heading}** {markdown_text(name)}: {SYMBOLS[verdict]} {TITLES[verdict].lower()}; {markdown_text(around)}"
        for heading, name, verdict, around in columns
    ]
    lines += ["", _row("group", matrix.headings), _row(":--", ("--:",) * len(matrix.headings))]
    for group, cells in matrix.groups.items():
        lines.append(_row(f"{title_of_group(group)} ({group})", map(str, cells)))
    if matrix.clauses:
        lines += ["", "Clauses that do not pass everywhere:", ""]
        lines += [_row("clause", matrix.headings), _row(":--", (":--",) * len(matrix.headings))]
        lines += [_row(clause_id, map(_shown, verdicts)) for clause_id, verdicts in matrix.clauses.items()]
    return "\n".join(lines) + "\n"


def _row(first: str, cells: Any) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _shown(verdict: str | None) -> str:
    return _ABSENT if verdict is None else f"{SYMBOLS[verdict]} {verdict}"


def _legend(matrix: Matrix) -> Iterator[str]:
    columns = zip(matrix.headings, matrix.names, matrix.verdicts, matrix.circumstances, strict=True)
    for heading, name, verdict, around in columns:
        yield f"{heading}  {SYMBOLS[verdict]} {TITLES[verdict].lower():<15} {name}; {around}"


def _circumstances(report: REPORT) -> str:
    named = servers(report["environment"]["backends"])
    return f"profile {report['profile']}" + (f", on {named}" if named else "")


def _cell(group: str, verdicts: Mapping[str, str]) -> Cell:
    found = [verdict for clause_id, verdict in verdicts.items() if group_of(clause_id) == group]
    if not found:
        return Cell(None)
    worst = next((verdict for verdict in (*BROKEN, *OPEN) if verdict in found), "pass")
    return Cell(worst, found.count("pass"), len(found))


def _in_order(found: set[str], known: Mapping[str, object]) -> list[str]:
    """In the order of the contract, what another version of the kit has at the end."""
    return [name for name in known if name in found] + sorted(found - set(known))


def _letter(number: int) -> str:
    first, rest = divmod(number, 26)
    return ("" if first == 0 else chr(ord("A") + first - 1)) + chr(ord("A") + rest)
