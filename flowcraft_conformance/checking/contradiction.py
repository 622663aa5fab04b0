"""The few calls of a history that contradict each other, whatever all the others did.

A history can be told with less in two ways that never make a contradiction out of none: it is cut off at a moment, and
what a call returned is forgotten, as if it had never come back (it may then have taken effect at any time after its
start, or not at all). What still cannot be explained after that is in the calls that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import LinearizabilityVerdict, check_linearizable
from flowcraft_conformance.checking.models import Model

_MOST_STEPS = 5_000
"""Of one search: the histories that are tried are small, or the evidence is not worth the time."""
_MOST_SEARCHES = 200


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``calls`` cannot all be explained, whatever ``others`` did; both in the order of their starts."""

    calls: tuple[Operation, ...]
    others: tuple[Operation, ...]


def smallest_contradiction(operations: Sequence[Operation], model: Model[Any]) -> Contradiction:
    """The calls of one partition without which, taken one by one, an order could be found.

    ``operations`` have no explanation. The search for fewer is bounded: then more are left than need be, never too few.
    """
    return _Reduction(operations, model).run()


class _Reduction:
    def __init__(self, operations: Sequence[Operation], model: Model[Any]) -> None:
        self._all = sorted(operations, key=lambda operation: operation.start)
        self._model = model
        self._left = _MOST_SEARCHES

    def run(self) -> Contradiction:
        """Cut the history off, then forget what was returned, many calls at a time and then single ones."""
        returned = sorted((one for one in self._all if one.end is not None), key=_end)
        low, high = 1, len(returned)
        while low < high:  # the earliest return after which there is no order any more
            middle = (low + high) // 2
            if self._contradict(returned[:middle]):
                high = middle
            else:
                low = middle + 1
        kept = self._without_needless(returned[:high])
        chosen = set(map(id, kept))
        others = [one for one in self._all if id(one) not in chosen and one.start <= max(map(_end, kept))]
        return Contradiction(tuple(one for one in self._all if id(one) in chosen), tuple(others))

    def _without_needless(self, kept: list[Operation]) -> list[Operation]:
        size = len(kept) // 2
        while size:
            at = 0
            while at < len(kept):
                fewer = kept[:at] + kept[at + size :]
                if fewer and self._contradict(fewer):
                    kept = fewer
                else:
                    at += size
            size //= 2
        return kept

    def _contradict(self, kept: Sequence[Operation]) -> bool:
        """Whether these cannot be explained while the others that began in time may have done anything."""
        if self._left <= 0:
            return False
        self._left -= 1
        last = max(map(_end, kept))
        chosen = set(map(id, kept))
        history = [
            one if id(one) in chosen else replace(one, end=None, output=None) for one in self._all if one.start <= last
        ]
        result = check_linearizable(history, self._model, max_steps=_MOST_STEPS)
        return result.verdict is LinearizabilityVerdict.VIOLATION


def _end(operation: Operation) -> float:
    return operation.start if operation.end is None else operation.end
