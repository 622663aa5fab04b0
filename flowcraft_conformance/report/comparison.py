"""Two reports of one target, an older and a newer one: what got better, what got worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowcraft_conformance.report.wording import REPORT, SYMBOLS

_WORTH = {
    "fail": 0,
    "known-failure": 0,
    "inconclusive": 1,
    "untested": 1,
    "unsupported": 2,
    "pass": 3,
    "unexpected-pass": 3,
}
"""What a verdict is worth: a known failure is broken all the same, an unexpected pass is a pass."""


@dataclass(frozen=True, slots=True)
class Change:
    """One clause whose verdict changed; None where a report does not have it."""

    clause: str
    level: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        """In one line."""
        level = "" if self.level == "MUST" else f" ({self.level})"
        return f"{self.clause}{level}: {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes. ``worse`` is what a pipeline should stop at: also a clause that is no longer judged."""

    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    other: tuple[Change, ...]
    """Neither: a known failure that became a failure, a clause that is judged for the first time."""
    notes: tuple[str, ...]
    """What makes the two hard to compare."""


def compare(old: REPORT, new: REPORT) -> Comparison:
    """The newer report held against the older one, in the order of the newer one's clauses."""
    before = {clause["id"]: clause for clause in old["clauses"]}
    after = {clause["id"]: clause for clause in new["clauses"]}
    sorted_out: dict[str, list[Change]] = {"worse": [], "better": [], "other": []}
    for clause_id in dict.fromkeys([*after, *before]):
        was, now = (side[clause_id]["verdict"] if clause_id in side else None for side in (before, after))
        if was != now:
            level = (after.get(clause_id) or before[clause_id])["level"]
            sorted_out[_direction(was, now)].append(Change(clause_id, level, was, now))
    worse, better, other = (tuple(sorted_out[name]) for name in ("worse", "better", "other"))
    return Comparison(worse, better, other, tuple(_notes(old, new)))


def _direction(was: str | None, now: str | None) -> str:
    if was is None:
        return "other"
    if now is None:
        return "worse"
    if _WORTH[was] == _WORTH[now]:
        return "other"
    return "worse" if _WORTH[now] < _WORTH[was] else "better"


def _notes(old: REPORT, new: REPORT) -> Iterator[str]:
    for name, words in (
        ("profile", "profiles"),
        ("contract", "versions of the contract"),
        ("kit", "versions of the kit"),
    ):
        if old[name] != new[name]:
            yield f"the {words} differ: {old[name]} and {new[name]}"
    if old["target"] != new["target"]:
        one, other = (f"{report['target']['kind']} {report['target']['spec']}" for report in (old, new))
        yield f"the targets differ: {one} and {other}"
    if new.get("interrupted"):
        yield "the newer run was broken off"


def comparison_text(comparison: Comparison, old: REPORT, new: REPORT) -> str:
    """The changes as lines, the worst first."""
    lines = [f"verdict: {old['verdict']} -> {new['verdict']}"]
    lines += [f"note: {note}" for note in comparison.notes]
    for title, changes in (("worse", comparison.worse), ("better", comparison.better), ("other", comparison.other)):
        if changes:
            lines += ["", f"{title} ({len(changes)})", *(f"  {change}" for change in changes)]
    if not (comparison.worse or comparison.better or comparison.other):
        lines += ["", "no clause changed its verdict"]
    return "\n".join(lines) + "\n"


def _shown(verdict: str | None) -> str:
    return "not judged" if verdict is None else f"{SYMBOLS[verdict]} {verdict}"
