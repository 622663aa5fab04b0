"""Is there an order of the calls, each at some moment between its start and its end, that explains every output?

The search is Wing and Gong's with Lowe's cache of (calls placed, state). Partitions (keys) are searched in turns, so
that a violation in one is found though another is hard. Intervals are closed: a call that starts when another returns
may come before it. A call that never returned may be placed anywhere after its start, or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import Model

_TURN = 20_000
_MOST_CACHED = 4_000_000


class LinearizabilityVerdict(StrEnum):
    """``unknown`` means that the bound on steps or memory was reached: it is no ``ok``."""

    OK = "ok"
    VIOLATION = "violation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LinearizabilityResult:
    """What the search found.

    ``prefix`` is the longest order that explains a part of the failing partition, ``unplaced`` the calls that had to
    come next and cannot be placed, ``failing_operations`` the whole partition. All are empty where the verdict is ok.
    """

    verdict: LinearizabilityVerdict
    prefix: tuple[Operation, ...] = ()
    unplaced: tuple[Operation, ...] = ()
    failing_operations: tuple[Operation, ...] = ()


def check_linearizable(
    operations: Sequence[Operation],
    model: Model[Any],
    *,
    partition: Callable[[Operation], Hashable] | None = None,
    max_steps: int | None = None,
) -> LinearizabilityResult:
    """Search for an order that explains a history.

    ``partition`` gives the part of the state an operation belongs to, where parts are independent. ``max_steps`` bounds
    the steps of the whole search.
    """
    parts: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(partition(operation) if partition else None, []).append(operation)
    searches = [_Search(part, model) for part in sorted(parts.values(), key=len)]
    steps = 0
    while searches:
        for search in list(searches):
            verdict = search.go_on(_TURN)
            steps += _TURN
            if verdict is LinearizabilityVerdict.VIOLATION:
                return search.result(verdict)
            if verdict is LinearizabilityVerdict.OK:
                searches.remove(search)
        cached = sum(search.cached for search in searches)
        if searches and (cached > _MOST_CACHED or (max_steps is not None and steps >= max_steps)):
            return searches[0].result(LinearizabilityVerdict.UNKNOWN)
    return LinearizabilityResult(LinearizabilityVerdict.OK)


@dataclass(slots=True)
class _Placed:
    """One call on the stack: what is needed to take it back, and the outcomes of it not yet tried."""

    number: int
    state: Hashable
    others: Iterator[Hashable]


class _Search:
    """The search of one partition, in turns.

    Calls and returns form a doubly linked list in the order of time: entry ``2n`` is the call of operation ``n`` and
    ``2n + 1`` its return. Placing a call takes both out of the list; the entry before the first one is the head.
    """

    def __init__(self, operations: Sequence[Operation], model: Model[Any]) -> None:
        self._model = model
        self._operations = sorted(model.prepare(operations), key=lambda operation: operation.start)
        self._shown = tuple(operations)
        self._head = 2 * len(self._operations)
        self._next, self._previous = self._linked()
        self._twin_before = self._twins()
        self._left = sum(operation.end is not None for operation in self._operations)
        self._state: Any = model.initial()
        self._placed = 0
        self._stack: list[_Placed] = []
        self._cache: set[tuple[int, Hashable]] = set()
        self._at = self._next[self._head]
        self._best: tuple[int, ...] = ()
        self._blocked: set[int] = set()

    @property
    def cached(self) -> int:
        """How many configurations are remembered."""
        return len(self._cache)

    def go_on(self, steps: int) -> LinearizabilityVerdict:
        """So many more steps; ``unknown`` where they were not enough."""
        for _ in range(steps):
            if not self._left:
                return LinearizabilityVerdict.OK
            if self._at != self._head and self._at % 2 == 0:
                if not self._place(self._at // 2):
                    self._at = self._next[self._at]
            elif not self._take_back():
                return LinearizabilityVerdict.VIOLATION
        return LinearizabilityVerdict.UNKNOWN

    def result(self, verdict: LinearizabilityVerdict) -> LinearizabilityResult:
        """What is known now, without the virtual operations."""
        real = set(self._shown)
        return LinearizabilityResult(
            verdict,
            tuple(self._operations[number] for number in self._best if self._operations[number] in real),
            tuple(self._operations[number] for number in sorted(self._blocked) if self._operations[number] in real),
            self._shown,
        )

    def _linked(self) -> tuple[list[int], list[int]]:
        events = [(operation.start, 0, 2 * n) for n, operation in enumerate(self._operations)]
        events += [(op.end, 1, 2 * n + 1) for n, op in enumerate(self._operations) if op.end is not None]
        order = [self._head, *[entry for _, _, entry in sorted(events)], self._head]
        following, before = [0] * (self._head + 1), [0] * (self._head + 1)
        for one, other in pairwise(order):
            following[one], before[other] = other, one
        return following, before

    def _twins(self) -> list[int | None]:
        """For each call that never returned, the one before it with the same input: they are placed in that order."""
        last: dict[Any, int] = {}
        twins: list[int | None] = [None] * len(self._operations)
        for number, operation in enumerate(self._operations):
            if operation.end is None:
                twins[number] = last.get(operation.input)
                last[operation.input] = number
        return twins

    def _place(self, number: int) -> bool:
        twin = self._twin_before[number]
        if twin is not None and not self._placed >> twin & 1:
            return False
        outcomes = iter(self._model.step(self._state, self._operations[number]))
        return self._try(number, outcomes)

    def _try(self, number: int, outcomes: Iterator[Any]) -> bool:
        placed = self._placed | 1 << number
        for state in outcomes:
            if (placed, state) in self._cache:
                continue
            self._cache.add((placed, state))
            self._stack.append(_Placed(number, self._state, outcomes))
            self._placed, self._state = placed, state
            self._lift(number)
            self._at = self._next[self._head]
            return True
        return False

    def _take_back(self) -> bool:
        """Undo the last placement and go on with what else it could have been; False where nothing is left to undo."""
        self._remember()
        if not self._stack:
            return False
        last = self._stack.pop()
        self._placed &= ~(1 << last.number)
        self._state = last.state
        self._unlift(last.number)
        if not self._try(last.number, last.others):
            self._at = self._next[2 * last.number]
        return True

    def _remember(self) -> None:
        if len(self._stack) > len(self._best) or not self._blocked:
            self._best, self._blocked = tuple(placed.number for placed in self._stack), set()
        if len(self._stack) == len(self._best) and self._at != self._head:
            self._blocked.add(self._at // 2)

    def _lift(self, number: int) -> None:
        for entry in self._entries(number):
            self._next[self._previous[entry]] = self._next[entry]
            self._previous[self._next[entry]] = self._previous[entry]
        self._left -= self._operations[number].end is not None

    def _unlift(self, number: int) -> None:
        for entry in reversed(self._entries(number)):
            self._next[self._previous[entry]] = entry
            self._previous[self._next[entry]] = entry
        self._left += self._operations[number].end is not None

    def _entries(self, number: int) -> tuple[int, ...]:
        return (2 * number,) if self._operations[number].end is None else (2 * number, 2 * number + 1)
