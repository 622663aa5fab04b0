"""The calls of one partition of a history in the order of time, as the search walks through them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from operator import attrgetter

from flowcraft_conformance.checking.history import Operation


class CallOrder:
    """The returned calls in the order of their ends, and the never-returned ones in the order of their starts.

    A *position* is a place in the order of ends: that of the next call that returns. While the search stands at it, all
    calls before it have been placed. ``pending`` gives, for each position, the later calls that have started by its end
    (closed intervals) and may so be placed before it. ``bits`` gives each call a bit that no other call has that is
    pending together with it, so that a small number tells which of them are placed.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.returned = sorted((one for one in operations if one.end is not None), key=attrgetter("end"))
        self.starts = [call.start for call in self.returned]
        self.ends: list[float] = [call.end for call in self.returned if call.end is not None]
        self.open = sorted((one for one in operations if one.end is None), key=attrgetter("start"))
        self.open_starts = [call.start for call in self.open]
        self.open_classes = _by_input(self.open)
        self._check_times()
        self.bits = [1] * len(self.returned)
        self.pending: list[tuple[int, ...]] = []
        self._sweep()

    def open_by(self, moment: float) -> int:
        """How many of the never-returned calls have started by then."""
        return bisect_right(self.open_starts, moment)

    def _check_times(self) -> None:
        for start, end in zip(self.starts, self.ends, strict=True):
            if not start <= end:
                raise ValueError(f"a call ends at {end}, before its start at {start}: give both by one clock")

    def _sweep(self) -> None:
        starts, bits = self.starts, self.bits
        by_start = sorted(range(len(starts)), key=starts.__getitem__)
        upcoming = 0
        active: dict[int, None] = {}
        free: list[int] = []
        for position, end in enumerate(self.ends):
            while upcoming < len(by_start) and starts[by_start[upcoming]] <= end:
                number = by_start[upcoming]
                bits[number] = free.pop() if free else 1 << len(active)
                active[number] = None
                upcoming += 1
            del active[position]
            free.append(bits[position])
            self.pending.append(tuple(active))


def _by_input(calls: Sequence[Operation]) -> list[tuple[list[int], int]]:
    """The never-returned calls with the same input together: their numbers, first to last, and the same as bits."""
    classes: dict[Hashable, list[int]] = {}
    for number, call in enumerate(calls):
        # By the text too: 1, 1.0 and True are equal, and no model need treat them alike.
        key: Hashable = (type(call.input), repr(call.input), call.input)
        try:
            classes.setdefault(key, []).append(number)
        except TypeError:  # not hashable: a class of its own
            classes[number] = [number]
    return [(numbers, sum(1 << number for number in numbers)) for numbers in classes.values()]
