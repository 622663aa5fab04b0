"""Tokens of schedules and of captured runs: what a failure is replayed by."""

from __future__ import annotations

from collections.abc import Callable

from flowcraft_conformance.checking.schedules import Schedule
from flowcraft_conformance.harness.captured.replay import Replay

ENDED_WELL = "ended as it should, and nothing else was tried"
"""Said of a check whose replay did not fail: no clause passes by that."""


NONE_OF_ITS_OWN = "is no run of this check, and nothing else was tried"
"""Said of a check that has nothing to replay."""


def is_token(text: str) -> bool:
    """Whether this is the token of a schedule or of a captured run."""
    return _reads(Schedule.decode, text) or _reads(Replay.decode, text)


def _reads(decode: Callable[[str], object], text: str) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True
