"""Writes to different keys must all be there in the end: what is missing is shown beside the calls that it met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.bench import Space
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.process_races import show_race
from flowcraft_conformance.harness.workers.wire import ForeignValue


def written_by(record: CallRecord) -> dict[str, Any]:
    """What a set, a patch or a guarded patch was to write."""
    if record.name == "set":
        return {record.arguments[0]: record.arguments[1]}
    operations = record.arguments[-1] if record.name in ("patch", "patch_if_absent") else ()
    return {operation.key: operation.value for operation in operations if isinstance(operation, SetOp)}


def require_survivors(
    space: Space, calls: Sequence[CallRecord], look: CallRecord, want: Mapping[str, Any], who: str, run: str
) -> None:
    """``look``, a to_dict after ``calls``, shows all that is wanted and nothing else. ``who`` wrote to which ``run``.

    Raises:
        ClauseViolation: it does not; the first lost write is shown with those that it met.
    """
    got = look.output
    lost = [key for key, value in want.items() if not isinstance(got, Mapping) or got.get(key) != value]
    if lost:
        writers = len({record.client for record in calls})
        wrong = next((record for record in calls if lost[0] in written_by(record)), None)
        raise ClauseViolation(
            f"{len(lost)} of {len(want)} values that {writers} {who} wrote to {run} are lost, first {lost[0]!r}",
            "" if wrong is None else show_race(space, wrong, calls, _on_key(look, lost[0])),
        )
    extra = [key for key in got if key not in want]
    if extra:
        raise ClauseViolation(f"to_dict after the writes of {who} to {run}: {extra[0]!r} should not be there")


def _on_key(look: CallRecord, key: str) -> CallRecord:
    """The look at the whole state, as a look at the one key that counts."""
    got = look.output
    if not isinstance(got, Mapping):
        return look
    return replace(look, output=ForeignValue(f"{key!r} = {shorten(got[key])}" if key in got else f"no {key!r} in it"))
