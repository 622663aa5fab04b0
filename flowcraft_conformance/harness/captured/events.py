"""Single events, each at a call of the run that nothing was done to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from flowcraft_conformance.harness.captured.judging import Trace
from flowcraft_conformance.harness.captured.plan import Event, Kind
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.harness.captured.worker import NOT_OF_THE_TARGET

_HOLDS = (1, 4, 8)
"""Calls of its own at which a job that is delivered beside another stands."""


def at_calls(
    kinds: Sequence[Kind], which: Callable[[CallSeen], bool], *, before: bool = True, after: bool = True
) -> Callable[[Trace], Iterable[Event]]:
    """Makes an event of each kind before and after every such call."""

    def events(base: Trace) -> Iterator[Event]:
        for call in base.calls:
            if which(call):
                for kind in kinds:
                    yield from [Event(call.number, kind)] if before else []
                    yield from [Event(call.number, kind, after=True)] if after else []

    return events


def interleavings(base: Trace) -> Iterator[Event]:
    """Two jobs that are due at once, the one done in the middle of the other at each change that other makes; and then
    each two changes of both made at the same moment."""
    for call in base.calls:
        if call.delivery < 0 or not call.waiting or not changes_something(call):
            continue
        for what in range(call.waiting):
            yield Event(call.number, Kind.INTERLEAVE, what=what)
        following = [other for other in base.calls if other.delivery == call.delivery + 1]
        for place, other in enumerate(following, 1):
            if changes_something(other) and other.part == call.part:
                yield Event(call.number, Kind.INTERLEAVE, hold=place)


def repeats(base: Trace) -> Iterator[Event]:
    """Each job once more after it was done: before each of those that follow it, and after the last."""
    for call in _beginnings(base):
        for what in range(call.delivery):
            yield Event(call.number, Kind.DUPLICATE, what=what)
    last = base.calls[-1].number if base.calls else 0
    for what in range(len(base.deliveries)):
        yield Event(last, Kind.DUPLICATE, after=True, what=what)


def losses(base: Trace) -> Iterator[Event]:
    """Each coordination key lost between two jobs."""
    for call in _beginnings(base):
        for what in range(call.keys):
            yield Event(call.number, Kind.EXPIRE, what=what)


def _beginnings(base: Trace) -> Iterator[CallSeen]:
    """The first call of each delivery."""
    begun = -1
    for call in base.calls:
        if call.delivery > begun:
            begun = call.delivery
            yield call


def changes_something(call: CallSeen) -> bool:
    """Whether the call leaves something behind: between two of these, a worker may as well die here as there."""
    return call.part in ("store", "context", "queue", "result") and call.name not in ("get", "has", "to_dict")


def single_events(base: Trace, kinds: Sequence[Kind]) -> Iterator[Event]:
    """Every single event at every call of the plain run."""
    for call in base.calls:
        for after in (False, True):
            for kind in (Kind.CRASH, Kind.FAIL, Kind.PAUSE):
                if kind in kinds and not (kind is Kind.FAIL and call.part in NOT_OF_THE_TARGET):
                    yield Event(call.number, kind, after)
            if call.delivery >= 0:
                yield from (one for one in _deliveries_at(call, len(base.deliveries), after) if one.kind in kinds)
        if Kind.EXPIRE in kinds:
            for what in range(call.keys):
                yield Event(call.number, Kind.EXPIRE, what=what)


def _deliveries_at(call: CallSeen, deliveries: int, after: bool) -> Iterator[Event]:
    """What can be delivered in the middle of a job: one that was delivered before, or one that is due."""
    for what in range(min(call.delivery + 1, deliveries)):
        yield Event(call.number, Kind.DUPLICATE, after, what)
    for hold in _HOLDS:
        yield Event(call.number, Kind.DUPLICATE, after, call.delivery, hold)
    for what in range(call.waiting):
        yield Event(call.number, Kind.INTERLEAVE, after, what)
        for hold in () if after else _HOLDS:
            yield Event(call.number, Kind.INTERLEAVE, after, what, hold)
