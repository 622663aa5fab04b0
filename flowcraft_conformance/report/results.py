"""From findings to a verdict per clause and a verdict of the whole: computed from what ran, never from what did not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.contract.clauses.model import Clause
from flowcraft_conformance.contract.verdicts import RunVerdict, Verdict, run_verdict
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.known_failures import KnownFailure

# A clause is unsupported where none of its checks had anything to look at; one that looked has the word.
_WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.UNTESTED, Verdict.PASS, Verdict.UNSUPPORTED)


def worst(verdicts: Collection[Verdict]) -> Verdict:
    """The verdict of a clause from those of its checks."""
    return next(verdict for verdict in _WORST_FIRST if verdict in verdicts)


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """The verdict of one clause; ``evidence`` of a pass is what was measured, ``note`` says why there is no verdict."""

    clause: Clause
    verdict: Verdict
    summary: str = ""
    evidence: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    aside: str = ""
    """Why a test that did not decide about the clause could not be used; the others gave the verdict."""
    reproduce: str = ""
    test: str = ""
    """The test that gave the verdict, where it is none that everything passed."""
    known: KnownFailure | None = None
    """The entry of the file of known failures, an expired one too."""
    duration_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """This clause in the JSON report, schema version 1; a part that may be absent is so where it is empty."""
        optional = {
            "summary": self.summary,
            "test": self.test,
            "details": dict(self.details),
            "known_failure": self.known.to_json() if self.known is not None else None,
        }
        return {
            "id": self.clause.id,
            "level": self.clause.level.value,
            "verdict": self.verdict.value,
            "title": self.clause.sentence,
            "why": self.clause.why,
            "evidence": "\n".join(part for part in (self.summary, self.evidence) if part) or self.note or self.aside,
            "reproduce": self.reproduce,
            "duration_seconds": round(self.duration_seconds, 6),
            **{name: value for name, value in optional.items() if value},
        }


@dataclass(frozen=True, slots=True)
class TargetResult:
    """All clauses of one target."""

    target: TargetName
    clauses: tuple[ClauseResult, ...]
    verdict: RunVerdict
    duration_seconds: float
    changed_without_reason: tuple[str, ...] = ()
    benchmarks: tuple[Mapping[str, Any], ...] = ()
    """Entries of the report, as they are written."""
    not_run: str = ""
    """Why nothing of it was run: its server cannot be had."""


@dataclass(slots=True)
class TargetFindings:
    """What came in for one target so far. ``required``: for each clause the tests that must all have run."""

    target: TargetName
    clauses: Sequence[Clause]
    required: Mapping[str, Sequence[str]]
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    changed: dict[str, str | None] = field(default_factory=dict)
    not_run: str = ""

    def add(self, finding: Finding) -> None:
        """Take one finding; the later one counts where a test ran twice."""
        self.findings[finding.clause, finding.test] = finding
        self.changed.update(finding.changed)

    def result(self, known_failures: Mapping[str, KnownFailure], *, strict: bool) -> TargetResult:
        """The verdicts as they stand."""
        clauses = tuple(self._clause(clause, known_failures.get(clause.id)) for clause in self.clauses)
        return TargetResult(
            target=self.target,
            clauses=clauses,
            verdict=run_verdict(((result.clause.level, result.verdict) for result in clauses), strict=strict),
            duration_seconds=sum(result.duration_seconds for result in clauses),
            changed_without_reason=tuple(sorted(name for name, reason in self.changed.items() if not reason)),
            not_run=self.not_run,
        )

    def _clause(self, clause: Clause, known: KnownFailure | None) -> ClauseResult:
        seen = [finding for (clause_id, _), finding in self.findings.items() if clause_id == clause.id]
        found = [finding for finding in seen if finding.applies]
        missing = [test for test in self.required.get(clause.id, ()) if (clause.id, test) not in self.findings]
        aside = next((f"{finding.test}: {finding.summary}" for finding in seen if not finding.applies), "")
        note = self._untested_note(clause, missing) or ("" if found else aside)
        verdicts = {finding.verdict for finding in found} | ({Verdict.UNTESTED} if note else set())
        verdict = worst(verdicts)
        telling = next((finding for finding in found if finding.verdict is verdict), None)
        if known is not None and verdict is Verdict.FAIL and not known.expired:
            verdict = Verdict.KNOWN_FAILURE
        elif known is not None and verdict is Verdict.PASS:
            verdict = Verdict.UNEXPECTED_PASS
        return ClauseResult(
            clause=clause,
            verdict=verdict,
            summary=telling.summary if telling else "",
            evidence=telling.observed if telling else "",
            details=telling.details if telling else {},
            note=note or (telling.summary if telling and verdict is Verdict.UNTESTED else ""),
            aside=aside if found else "",
            reproduce=telling.reproduce if telling else "",
            test=telling.test if telling and verdict is not Verdict.PASS else "",
            known=known,
            duration_seconds=sum(finding.duration_seconds for finding in seen),
        )

    def _untested_note(self, clause: Clause, missing: Sequence[str]) -> str:
        if not self.required.get(clause.id):
            return "its checks are in another suite: name that one among the bases of the class, too"
        if self.not_run:
            return f"not run: {self.not_run}"
        changed = [test for test in missing if test in self.changed]
        if changed:
            reasons = "; ".join(f"{test} ({self.changed[test] or 'no reason given'})" for test in changed)
            return f"removed or overridden: {reasons}"
        if missing:
            return f"not run: {', '.join(missing)}"
        return ""
