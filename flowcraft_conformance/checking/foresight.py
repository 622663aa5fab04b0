"""Seeing from afar that a configuration leads nowhere.

A write placed in the wrong order is otherwise noticed only at the read that contradicts it, after all orders of what
lies between have been tried.
"""

from __future__ import annotations

from typing import Any

from flowcraft_conformance.checking.call_order import CallOrder
from flowcraft_conformance.checking.models import ForeseeingModel

_FAR = 100
"""Returns: what lies further ahead is not worth the look."""


class Foresight:
    """Looks ahead, in one partition, to the next returned call that only looks and is not placed yet."""

    def __init__(self, order: CallOrder, model: ForeseeingModel[Any], looks: bytearray) -> None:
        self._order = order
        self._model = model
        self._looks = looks
        self._open_may_help: dict[int, bool] = {}

    def sees_a_way(self, at: int, mask: int, state: Any) -> bool:
        """Whether that call may still be possible from a configuration; True where in doubt."""
        look = self._next_look(at, mask)
        if look < 0 or look - at > _FAR or self._model.may_become(state, self._order.returned[look]):
            return True
        order, seen = self._order, self._order.returned[look]
        if look not in self._open_may_help:
            self._open_may_help[look] = self._may_an_open_call_help(look)
        return self._open_may_help[look] or any(
            not self._is_placed(number, at, mask) and self._model.may_bring_about(order.returned[number], seen)
            for number in (*range(at, look), *order.pending[look])
        )

    def _next_look(self, at: int, mask: int) -> int:
        look = self._looks.find(1, at)
        while look >= 0 and self._is_placed(look, at, mask):
            look = self._looks.find(1, look + 1)
        return look

    def _is_placed(self, number: int, at: int, mask: int) -> bool:
        order = self._order
        return number < at or (order.starts[number] <= order.ends[at] and bool(mask & order.bits[number]))

    def _may_an_open_call_help(self, look: int) -> bool:
        order, seen = self._order, self._order.returned[look]
        started = order.open[: order.open_by(order.ends[look])]
        return any(self._model.may_bring_about(operation, seen) for operation in started)
