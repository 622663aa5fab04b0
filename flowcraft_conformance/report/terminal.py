"""The summary after a run: clause groups with their verdicts, then the verdict of each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowcraft_conformance.contract.clauses import GROUP_TITLES
from flowcraft_conformance.contract.clauses.model import Level
from flowcraft_conformance.contract.verdicts import RunVerdict, Verdict
from flowcraft_conformance.report.results import ClauseResult, TargetResult

_SHOWN_ALONE = (
    Verdict.FAIL,
    Verdict.UNEXPECTED_PASS,
    Verdict.KNOWN_FAILURE,
    Verdict.INCONCLUSIVE,
    Verdict.UNSUPPORTED,
)
_NOT_RUN = "not run"
"""How the note of a clause begins whose tests did not run: deselected, or not reached."""
_COLOURS = {
    RunVerdict.CONFORMANT: {"green": True, "bold": True},
    RunVerdict.NOT_CONFORMANT: {"red": True, "bold": True},
    RunVerdict.INCONCLUSIVE: {"yellow": True, "bold": True},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the summary with pytest's markup for it."""

    text: str
    markup: dict[str, bool]


def summary_lines(result: TargetResult) -> Iterable[Line]:
    """The summary of one target."""
    yield Line(f"{result.target.kind}: {result.target.text}", {"bold": True})
    if result.not_run:
        yield Line(f"  not run: {result.not_run}", {"yellow": True})
        yield Line(f"verdict: {result.verdict}{_because(result)}", _COLOURS[result.verdict])
        return
    groups = _by_group(result.clauses)
    left_out = [group for group, clauses in groups.items() if all(_was_not_run(clause) for clause in clauses)]
    for group, clauses in groups.items():
        if group in left_out:
            continue
        yield _group_line(group, clauses)
        for clause in clauses:
            if clause.verdict in _SHOWN_ALONE or (clause.verdict is Verdict.PASS and clause.summary):
                yield _clause_line(clause)
        if unclear := [clause for clause in clauses if clause.verdict is Verdict.UNTESTED]:
            yield from _untested_lines(unclear)
    if left_out:
        yield Line(f"  no check was run of: {', '.join(left_out)}", {"yellow": True})
    yield from _aside_lines(result.clauses)
    if result.changed_without_reason:
        yield Line(
            f"  changed without a reason: {', '.join(result.changed_without_reason)} (give one in flowcraft_overrides)",
            {"yellow": True},
        )
    yield Line(f"verdict: {result.verdict}{_because(result)}", _COLOURS[result.verdict])


def _was_not_run(clause: ClauseResult) -> bool:
    return clause.verdict is Verdict.UNTESTED and clause.note.startswith(_NOT_RUN)


def _by_group(clauses: Sequence[ClauseResult]) -> dict[str, list[ClauseResult]]:
    groups: dict[str, list[ClauseResult]] = {}
    for clause in clauses:
        groups.setdefault(clause.clause.group, []).append(clause)
    return groups


def _group_line(group: str, clauses: Sequence[ClauseResult]) -> Line:
    counted = Counter(clause.verdict for clause in clauses)
    numbers = ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
    colour = "red" if counted[Verdict.FAIL] or counted[Verdict.UNEXPECTED_PASS] else "green"
    if colour == "green" and (counted[Verdict.UNTESTED] or counted[Verdict.INCONCLUSIVE]):
        colour = "yellow"
    return Line(f"  {group:<6} {GROUP_TITLES[group]:<32} {numbers}", {colour: True})


def _clause_line(clause: ClauseResult) -> Line:
    colour = "red" if clause.verdict in (Verdict.FAIL, Verdict.UNEXPECTED_PASS) else "yellow"
    colour = "green" if clause.verdict is Verdict.PASS else colour
    level = "" if clause.clause.level is Level.MUST else f" ({clause.clause.level})"
    said = clause.summary or clause.note
    return Line(f"    {clause.clause.id} {clause.verdict}{level}" + (f": {said}" if said else ""), {colour: True})


def _untested_lines(clauses: Sequence[ClauseResult]) -> Iterable[Line]:
    notes: dict[str, list[str]] = {}
    for clause in clauses:
        note = _NOT_RUN if clause.note.startswith(_NOT_RUN) else clause.note
        notes.setdefault(note, []).append(clause.clause.id)
    for note, ids in notes.items():
        shown = ", ".join(ids[:6]) + (f" and {len(ids) - 6} more" if len(ids) > 6 else "")
        yield Line(f"    untested ({note}): {shown}", {"yellow": True})


def _aside_lines(clauses: Sequence[ClauseResult]) -> Iterable[Line]:
    """Tests that could not be used on this target, by reason: its clauses have their verdict from other tests."""
    reasons: dict[str, list[str]] = {}
    for clause in clauses:
        if clause.aside:
            reasons.setdefault(clause.aside.partition(": ")[2], []).append(clause.clause.id)
    for reason, ids in reasons.items():
        yield Line(f"  schedules not searched, real-time checks only ({reason}): {', '.join(ids)}", {})


def _because(result: TargetResult) -> str:
    must = [clause for clause in result.clauses if clause.clause.level is Level.MUST]
    broken = sum(clause.verdict in (Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.KNOWN_FAILURE) for clause in must)
    unclear = sum(clause.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE) for clause in must)
    if result.verdict is RunVerdict.NOT_CONFORMANT and broken:
        return f" ({broken} of {len(must)} MUST clauses broken)"
    if result.verdict is RunVerdict.INCONCLUSIVE:
        return f" ({unclear} of {len(must)} MUST clauses without a verdict, none broken)"
    return ""
