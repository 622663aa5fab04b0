"""Tokens of schedules and of plans: what a failure is replayed by."""

from __future__ import annotations

from collections.abc import Callable

from flowcraft_conformance.checking.schedules import Schedule
from flowcraft_conformance.harness.captured.plan import Plan

ENDED_WELL = "ended as it should, and nothing else was tried"
"""Said of a check whose replay did not fail: no clause passes by that."""


def is_token(text: str) -> bool:
    """Whether this is the token of a schedule or of a plan."""
    return _reads(Schedule.decode, text) or _reads(Plan.decode, text)


def _reads(decode: Callable[[str], object], text: str) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True
