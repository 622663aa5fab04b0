"""Histories as text: one line a call, or bars on a time line where calls overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH = 36


@dataclass(frozen=True, slots=True)
class DrawnCall:
    """One call ready to be drawn. Times in seconds; ``end`` None: it never returned."""

    client: int
    text: str
    outcome: str
    start: float
    end: float | None
    marked: bool = False


def draw_sequence(calls: Sequence[DrawnCall]) -> str:
    """The calls in the order they were made, one a line, marked ones with an arrow."""
    return "\n".join(
        f"{'->' if call.marked else '  '} {index}. {call.text} {call.outcome}" for index, call in enumerate(calls, 1)
    )


def draw_time_line(calls: Sequence[DrawnCall]) -> str:
    """The calls as bars in the order of their starts, so that one sees which of them overlapped."""
    if not calls:
        return ""
    first = min(call.start for call in calls)
    last = max(call.end if call.end is not None else call.start for call in calls)
    scale = (_WIDTH - 1) / (last - first) if last > first else 0.0

    def column(moment: float) -> int:
        return round((moment - first) * scale)

    lines = []
    for call in sorted(calls, key=lambda call: call.start):
        left = column(call.start)
        right = _WIDTH - 1 if call.end is None else column(call.end)
        end = "…" if call.end is None else "|"
        bar = "|" if right == left else "|" + "-" * (right - left - 1) + end
        mark = ">" if call.marked else " "
        lines.append(f"{mark}c{call.client:<3} {(' ' * left + bar).ljust(_WIDTH)}  {call.text} {call.outcome}")
    lines.append(f"     {'':<{_WIDTH}}  ({(last - first) * 1000:.3g} ms in all)")
    return "\n".join(lines)


def shorten(value: object, limit: int = 60) -> str:
    """The repr of a value, cut in the middle where it is long."""
    text = repr(value)
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def fit(lines: str, most: int) -> str:
    """At most so many lines: the beginning and the end, with a note on what lies between."""
    split = lines.splitlines()
    if len(split) <= most:
        return lines
    head = (most - 1) // 2
    tail = most - 1 - head
    left_out = len(split) - head - tail
    return "\n".join(
        [*split[:head], f"   ... {left_out} more lines (all of them in the JSON report) ...", *split[-tail:]]
    )
