"""What all reports say alike: titles of verdicts, counts, and the words for a whole run. They read the JSON report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance.contract.clauses import CATALOGUE, GROUP_TITLES

REPORT = Mapping[str, Any]
"""A report as :mod:`flowcraft_conformance.report.json_report` makes it."""

BROKEN = ("fail", "unexpected-pass", "known-failure")
OPEN = ("inconclusive", "untested")
VERDICTS = ("fail", "unexpected-pass", "known-failure", "inconclusive", "untested", "unsupported", "pass")
"""Worst first."""

SYMBOLS: Mapping[str, str] = {
    "pass": "✓",
    "fail": "✗",
    "known-failure": "⚑",
    "unexpected-pass": "!",
    "inconclusive": "?",
    "untested": "○",
    "unsupported": "–",
    "conformant": "✓",
    "not-conformant": "✗",
}

TITLES: Mapping[str, str] = {
    "conformant": "Conformant",
    "not-conformant": "Not conformant",
    "inconclusive": "Inconclusive",
}


def servers(backends: Sequence[Mapping[str, str]]) -> str:
    """The servers of a run in words: ``valkey 9.1.2 (real), ...``."""
    return ", ".join(f"{one['name']} {one['version']} ({one['kind']})" for one in backends)


def symbol_of_run(verdict: str) -> str:
    """The mark of a whole run's verdict."""
    return SYMBOLS[verdict]


def counts(clauses: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many clauses have each verdict, worst first, only those that occur."""
    counted = Counter(clause["verdict"] for clause in clauses)
    return {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]}


def numbers(clauses: Sequence[Mapping[str, Any]]) -> str:
    """The counts in words."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counts(clauses).items())


def group_of(clause_id: str) -> str:
    """The first part of a clause's id."""
    return clause_id.split("-", 1)[0]


def by_group(clauses: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The clauses by group, in the order of the report."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for clause in clauses:
        groups.setdefault(group_of(clause["id"]), []).append(clause)
    return groups


def title_of_group(group: str) -> str:
    """The readable title; a group of another version of the kit has none but its name."""
    return GROUP_TITLES.get(group, group)


def causes_of(clause_id: str) -> tuple[str, ...]:
    """The likely causes of a failure, from the catalogue."""
    known = CATALOGUE.get(clause_id)
    return known.causes if known is not None else ()


def because(report: REPORT) -> str:
    """The reason of the verdict in a sentence."""
    must = [clause for clause in report["clauses"] if clause["level"] == "MUST"]
    broken = sum(clause["verdict"] in BROKEN for clause in must)
    unclear = sum(clause["verdict"] in OPEN for clause in must)
    cut = "The run was broken off. " if report.get("interrupted") else ""
    if broken:
        return f"{cut}{broken} of {len(must)} MUST clauses broken."
    if report["verdict"] == "conformant":
        unsupported = sum(clause["verdict"] == "unsupported" for clause in report["clauses"])
        which = "1 clause is" if unsupported == 1 else f"{unsupported} clauses are"
        beside = f" {which} declared or seen to be unsupported." if unsupported else ""
        return f"No MUST clause is broken or without a verdict.{beside}"
    if unclear:
        return f"{cut}{unclear} of {len(must)} MUST clauses without a verdict, none broken."
    return f"{cut}A SHOULD clause is broken or without a verdict, and the run was strict."


def observed(clause: Mapping[str, Any]) -> tuple[str, str]:
    """What was observed in a sentence, and the rest of the evidence."""
    summary, evidence = clause.get("summary", ""), clause["evidence"]
    if not summary:
        summary, _, rest = evidence.partition("\n")
        return summary, rest
    return summary, evidence.removeprefix(summary).lstrip("\n")


def seconds(value: float) -> str:
    """A duration for a reader."""
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def expiry(known: Mapping[str, Any]) -> str:
    """Until when a known failure is accepted, in words; empty where no date was given."""
    if not known["expires"]:
        return ""
    return f"{'expired on' if known['expired'] else 'accepted until'} {known['expires']}"
