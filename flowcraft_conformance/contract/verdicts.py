"""Verdicts of clauses and of a whole run, and the exceptions by which a check reports one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from flowcraft_conformance.contract.clauses.model import Level


class Verdict(StrEnum):
    """What is known about one clause after a run."""

    PASS = "pass"
    FAIL = "fail"
    KNOWN_FAILURE = "known-failure"
    UNEXPECTED_PASS = "unexpected-pass"
    UNSUPPORTED = "unsupported"
    INCONCLUSIVE = "inconclusive"
    UNTESTED = "untested"


class RunVerdict(StrEnum):
    """What is known about the target after a run."""

    CONFORMANT = "conformant"
    NOT_CONFORMANT = "not-conformant"
    INCONCLUSIVE = "inconclusive"


_BROKEN = {Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.KNOWN_FAILURE}
_OPEN = {Verdict.UNTESTED, Verdict.INCONCLUSIVE}


def run_verdict(clauses: Iterable[tuple[Level, Verdict]], *, strict: bool = False) -> RunVerdict:
    """The verdict of the whole from those of the clauses; ``strict`` counts SHOULD as MUST."""
    binding = {verdict for level, verdict in clauses if strict or level is Level.MUST}
    if binding & _BROKEN:
        return RunVerdict.NOT_CONFORMANT
    if binding & _OPEN or not binding:
        return RunVerdict.INCONCLUSIVE
    return RunVerdict.CONFORMANT


class ClauseViolation(AssertionError):
    """A check saw the target break its clause.

    ``observed``: the shrunk history or program, as text. ``details``: the same as JSON values, for reports to draw.
    """

    def __init__(self, summary: str, observed: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.observed = observed
        self.details = dict(details or {})


class Inconclusive(Exception):
    """A check could not tell: the race never overlapped, the backend was not reachable, time ran out."""


class NotApplicable(Exception):
    """This way of checking cannot be used on this target; the other tests of the clause decide about it."""


class Unsupported(Exception):
    """The target declares, or is seen, not to have what the clause is about."""


class Unobservable(Exception):
    """The kit cannot see what the clause is about from where it stands; the text says what would let it."""
