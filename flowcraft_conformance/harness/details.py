"""What a violation showed, as plain JSON values from which a report draws: calls on a time line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_conformance.checking.drawing import DrawnCall

_MOST_CALLS = 60


def details_of_calls(calls: Sequence[DrawnCall], *, unit: str = "seconds") -> dict[str, Any]:
    """A history. Times count from the first call; ``end`` None: it never returned. ``unit``: seconds, or the steps of
    a schedule."""
    shown = sorted(calls, key=lambda call: call.start)[-_MOST_CALLS:]
    first = shown[0].start if shown else 0.0
    return {
        "unit": unit,
        "calls": [
            {
                "client": call.client,
                "call": call.text,
                "output": call.outcome,
                "start": round(call.start - first, 9),
                "end": None if call.end is None else round(call.end - first, 9),
                "marked": call.marked,
            }
            for call in shown
        ],
    }
