"""Recorded calls as evidence a reader can follow: the space's own prefix is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from flowcraft_conformance.checking.drawing import DrawnCall, draw_sequence, draw_time_line, shorten
from flowcraft_conformance.contract.payloads import DeleteOp, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.details import details_of_calls

SEPARATOR = "-"
"""Between an example's own prefix and a key: a character that no store treats as special."""


def violation(
    summary: str, records: Sequence[CallRecord], *, hide: str, marked: Sequence[CallRecord] | None = None
) -> ClauseViolation:
    """A violation that shows these calls as :func:`trace` does, and has them for reports to draw."""
    chosen = [*marked] if marked is not None else [*records[-1:]]
    drawn = _drawn(records, chosen, hide)
    return ClauseViolation(summary, trace(records, hide=hide, marked=marked), details_of_calls(drawn))


def trace(records: Sequence[CallRecord], *, hide: str, marked: Sequence[CallRecord] | None = None) -> str:
    """One line a call, or bars where calls overlap; by default the last call is marked."""
    if not records:
        return ""
    chosen = list(marked) if marked is not None else [records[-1]]
    drawn = _drawn(records, chosen, hide)
    return draw_time_line(drawn) if _overlap(records) else draw_sequence(drawn)


def _drawn(records: Sequence[CallRecord], marked: Sequence[CallRecord], hide: str) -> list[DrawnCall]:
    """The calls; each with its run where there are several."""
    several = len({record.run_id for record in records}) > 1
    return [draw(record, hide, marked=any(record is one for one in marked), names_run=several) for record in records]


def draw(record: CallRecord, hide: str, *, marked: bool = False, names_run: bool = False) -> DrawnCall:
    """One recorded call ready to be drawn, with its arguments and what came of it."""
    clean = _without(hide)
    arguments = ", ".join(clean(_argument(argument)) for argument in record.arguments)
    run = f"run {clean(shorten(record.run_id))}: " if names_run else ""
    return DrawnCall(
        record.client, f"{run}{record.name}({arguments})", clean(_outcome(record)), record.start, record.end, marked
    )


def _outcome(record: CallRecord) -> str:
    if record.error is not None:
        return f"raised {type(record.error).__name__}: {str(record.error)[:80]}"
    if record.cancelled:
        return "cancelled by the kit"
    if record.end is None:
        return "never returned"
    return f"-> {shorten(record.output)}"


def draw_argument(argument: Any, hide: str) -> str:
    """One argument of a call as evidence shows it."""
    return _without(hide)(_argument(argument))


def _argument(argument: Any) -> str:
    if isinstance(argument, list | tuple) and argument and all(isinstance(op, SetOp | DeleteOp) for op in argument):
        shown = [_operation(op) for op in argument[:6]]
        more = [f"... {len(argument) - 6} more"] if len(argument) > 6 else []
        return "[" + ", ".join(shown + more) + "]"
    return shorten(argument)


def _operation(operation: SetOp | DeleteOp) -> str:
    if isinstance(operation, SetOp):
        return f"set {shorten(operation.key, 30)} = {shorten(operation.value, 30)}"
    return f"delete {shorten(operation.key, 30)}"


def _without(hide: str) -> Callable[[str], str]:
    return lambda text: text.replace(hide + SEPARATOR, "").replace(hide, "")


def _overlap(records: Sequence[CallRecord]) -> bool:
    ordered = sorted(records, key=lambda record: record.start)
    return any(
        earlier.client != later.client and (earlier.end is None or earlier.end > later.start)
        for earlier, later in pairwise(ordered)
    )
