"""Workflow commands of GitHub Actions: what fails stands at the top of the run's page and of the pull request."""

from __future__ import annotations

from collections.abc import Iterator

from flowcraft_conformance.contract.clauses.model import Level
from flowcraft_conformance.contract.verdicts import RunVerdict, Verdict
from flowcraft_conformance.report.results import ClauseResult, TargetResult

_MOST = 20
"""GitHub shows ten errors of a step; more only make the log longer."""
_RUN = {RunVerdict.CONFORMANT: "notice", RunVerdict.NOT_CONFORMANT: "error", RunVerdict.INCONCLUSIVE: "warning"}


def annotation_lines(result: TargetResult) -> Iterator[str]:
    """One line a broken clause, and one for the verdict of the whole."""
    target = f"{result.target.kind} {result.target.text}"
    broken = [clause for clause in result.clauses if _kind(clause)]
    for clause in sorted(broken, key=lambda one: _kind(one) != "error")[:_MOST]:
        said = clause.summary or "it passes, and the file of known failures says that it fails"
        yield _line(
            _kind(clause), f"{clause.clause.id} {clause.verdict}: {target}", f"{said}\n{clause.clause.sentence}"
        )
    yield _line(_RUN[result.verdict], "flowcraft conformance", f"{target} is {result.verdict}")


def _kind(clause: ClauseResult) -> str:
    if clause.verdict is Verdict.KNOWN_FAILURE:
        return "warning"
    if clause.verdict in (Verdict.FAIL, Verdict.UNEXPECTED_PASS):
        return "error" if clause.clause.level is Level.MUST else "warning"
    return ""


def _line(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_escaped(title, ':,')}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
