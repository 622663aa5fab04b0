"""Keys that are only ever patched together, so that whoever finds them apart has seen half a patch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.payloads import PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import Unsupported
from flowcraft_conformance.harness.calls import CallRecord, ContextClient
from flowcraft_conformance.harness.spaces import ContextBench
from flowcraft_conformance.harness.workers.wire import ForeignValue, PlannedCall

SHARED = ("a", "b", "c", "d")
"""Keys that several callers patch, each with a value of its own."""
_MOST_OPERATIONS = 25
"""Every context takes so many."""
_OTHER = "x" * 100
"""The value of what stands between: as text it is stored as text everywhere, and too long to be packed away."""
_PARTS = 3


def needs_snapshots(bench: ContextBench) -> None:
    """Raise Unsupported where readers may see half a patch by declaration."""
    if not bench.settings.capabilities.snapshot_reads:
        raise Unsupported("snapshot_reads is declared absent")


def needs_guard(context: ContextClient) -> None:
    """Raise Unsupported where the context has no ``patch_if_absent``."""
    if not offers_guard(context):
        raise Unsupported("the context offers no patch_if_absent")


def offers_guard(context: ContextClient) -> bool:
    """Whether the context has a ``patch_if_absent``."""
    return callable(getattr(context.target, "patch_if_absent", None))


class Watched:
    """So many keys of one run: the plain ones always hold one value, those of a guarded patch are all there or none."""

    def __init__(self, count: int = _MOST_OPERATIONS) -> None:
        half = count // 2
        # In whatever order a page of keys is read, others can stand between the halves.
        self.keys = [*(f"a{number}" for number in range(half)), *(f"z{number}" for number in range(count - half))]

    async def prepare(self, client: ContextClient, value: str = "first", *, others: int = 0) -> None:
        """Write the keys, with so many others between them."""
        await client.patch([SetOp(key, value) for key in self.keys[: len(self.keys) // 2]])
        for start in range(0, others, _MOST_OPERATIONS):
            numbers = range(start, min(start + _MOST_OPERATIONS, others))
            await client.patch([SetOp(f"other{number}", _OTHER) for number in numbers])
        await client.patch(self.plain(value))

    def plain(self, value: str) -> list[PatchOperation]:
        """The patch that gives the value to every key."""
        return [SetOp(key, value) for key in self.keys]

    @staticmethod
    def guard(name: str) -> str:
        """The guard key of a guarded patch."""
        return f"guard.{name}"

    @classmethod
    def guarded(cls, name: str) -> list[PatchOperation]:
        """The operations of a guarded patch of this name; no other patch touches their keys."""
        return [SetOp(key, name) for key in _group(name)]

    def planned(self, value: str, *, guarded: bool) -> PlannedCall:
        """One of both patches as a call in another process."""
        if guarded:
            return PlannedCall("patch_if_absent", (self.guard(value), self.guarded(value)))
        return PlannedCall("patch", (self.plain(value),))

    def half(self, state: Any) -> str | None:
        """What tells that this is half a patch, in words; None where it is whole."""
        if not isinstance(state, Mapping):
            return f"to_dict gave {state!r}"
        values = {key: state.get(key) for key in self.keys}
        first = values[self.keys[0]]
        other = next((key for key, value in values.items() if value != first), None)
        if other is not None:
            same = sum(value == first for value in values.values())
            return (
                f"of {len(values)} keys that are always patched together, {same} held {first!r} as {self.keys[0]!r} "
                f"did, and {other!r} held {values[other]!r}"
            )
        names = {name for key in state if (name := _name_of(key)) is not None}
        for name in sorted(names):
            missing = [key for key in _group(name) if key not in state]
            if missing:
                there = next(key for key in _group(name) if key in state)
                return f"{there!r} of a guarded patch was there, and {missing[0]!r} of the same patch was not"
        return None

    def involved(self, state: Any, records: Iterable[CallRecord]) -> list[CallRecord]:
        """The patches of which a part is seen in the state: those that wrote the values of the plain keys."""
        seen = [state.get(key) for key in self.keys] if isinstance(state, Mapping) else []
        patches = [record for record in records if record.name in ("patch", "patch_if_absent")]
        return [record for record in patches if record.arguments[-1][0].value in seen] or patches

    def short(self, record: CallRecord) -> CallRecord:
        """A recorded call as it can be shown: without the many keys."""
        if record.name in ("patch", "patch_if_absent"):
            written = record.arguments[-1]
            said = f"{len(written)} keys = {written[0].value!r}"
            arguments = (*record.arguments[:-1], ForeignValue(said))
            return replace(record, arguments=arguments)
        return replace(record, output=ForeignValue("half a patch" if self.half(record.output) else "whole"))


def _group(name: str) -> list[str]:
    return [f"guard.{name}", *(f"out.{number}.{name}" for number in range(_PARTS))]


def _name_of(key: Any) -> str | None:
    """The name of the guarded patch that a key belongs to; None where it belongs to none."""
    if not isinstance(key, str):
        return None
    head, _, name = key.partition(".")
    return name if head == "guard" else name.partition(".")[2] if head == "out" else None
