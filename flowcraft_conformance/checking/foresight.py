"""Seeing from afar that a configuration leads nowhere.

A write placed in the wrong order is otherwise noticed only at the read that contradicts it, after all orders of what
lies between have been tried.
"""

from __future__ import annotations

from typing import Any

from flowcraft_conformance.checking.call_order import CallOrder
from flowcraft_conformance.checking.models import ForeseeingModel


class Foresight:
    """Looks ahead, in one partition, to the next returned call that only looks and is not placed yet."""

    def __init__(self, order: CallOrder, model: ForeseeingModel[Any], looks: bytearray) -> None:
        self._order = order
        self._model = model
        self._looks = looks
        self._bringing: dict[int, tuple[int, ...] | None] = {}

    def sees_a_way(self, at: int, mask: int, state: Any) -> bool:
        """Whether that call may still be possible from a configuration; True where in doubt."""
        look = self._next_look(at, mask)
        if look < 0 or self._model.may_become(state, self._order.returned[look]):
            return True
        if look not in self._bringing:
            self._bringing[look] = self._find_bringing(look)
        bringing = self._bringing[look]
        return bringing is None or any(not self._is_placed(number, at, mask) for number in bringing)

    def _next_look(self, at: int, mask: int) -> int:
        look = self._looks.find(1, at)
        while look >= 0 and self._is_placed(look, at, mask):
            look = self._looks.find(1, look + 1)
        return look

    def _is_placed(self, number: int, at: int, mask: int) -> bool:
        order = self._order
        return number < at or (order.starts[number] <= order.ends[at] and bool(mask & order.bits[number]))

    def _find_bringing(self, look: int) -> tuple[int, ...] | None:
        """The calls that may bring about what the call has seen; None where a never-returned one may."""
        order, model = self._order, self._model
        seen = order.returned[look]
        latest = order.ends[look]
        for operation in order.open[: order.open_by(latest)]:
            if model.may_bring_about(operation, seen):
                return None
        return tuple(
            number
            for number, operation in enumerate(order.returned)
            if order.starts[number] <= latest and model.may_bring_about(operation, seen)
        )
