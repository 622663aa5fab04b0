"""Linearizability by trying all orders: slow, short, and written without the search's tricks.

A call may come next if no other one that is still to come has ended before it started. The store with leases is written
out here a second time: every expiry is an event of its own that may come at any place its window allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowcraft_conformance.checking.coordination_model import Raised, StoreCall
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import Model

FOREVER = float("inf")


def has_order(operations: Sequence[Operation], model: Model[Any]) -> bool:
    """Whether some order explains the history."""
    return _has_order(list(operations), model, model.initial())


def _has_order(left: list[Operation], model: Model[Any], state: Any) -> bool:
    if all(operation.end is None for operation in left):
        return True
    deadline = min(_end(operation) for operation in left)
    for number, operation in enumerate(left):
        if operation.start <= deadline:
            rest = left[:number] + left[number + 1 :]
            if any(_has_order(rest, model, after) for after in model.step(state, operation)):
                return True
    return False


def _end(operation: Operation) -> float:
    return FOREVER if operation.end is None else operation.end


class _Key(NamedTuple):
    value: str | int | None
    owner: int | None


@dataclass(frozen=True)
class StoreOrders:
    """All orders of calls and expiries on one key of a coordination store."""

    granularity: float
    lag: float

    def has_order(self, operations: Sequence[Operation]) -> bool:
        """Whether some order explains the history."""
        return self._go_on(list(operations), _Key(None, None), (), (), -FOREVER)

    def _go_on(
        self,
        left: list[Operation],
        key: _Key,
        leases: tuple[tuple[float, float], ...],
        open_placed: tuple[Operation, ...],
        now: float,
    ) -> bool:
        """``now`` is the latest moment that anything placed has to come after."""
        if all(operation.end is None for operation in left):
            return True
        deadline = min(_end(operation) for operation in left)
        if key.owner is not None:
            earliest, latest = leases[key.owner]
            if (
                earliest <= deadline
                and now <= latest
                and self._go_on(left, _Key(None, None), leases, open_placed, max(now, earliest))
            ):
                return True
            deadline = min(deadline, latest)  # any other event has to come before this expiry
        if now > deadline:
            return False
        for number, operation in enumerate(left):
            if operation.start > deadline:
                continue
            rest = left[:number] + left[number + 1 :]
            opened = open_placed if operation.end is not None else (*open_placed, operation)
            for value, arms in _allowed(key.value, operation):
                owner, following = key.owner, leases
                if arms:
                    owner, following = len(leases), (*leases, self._window(operation, open_placed))
                after = _Key(value, None if value is None else owner)
                if self._go_on(rest, after, following, opened, max(now, operation.start)):
                    return True
        return False

    def _window(self, operation: Operation, open_placed: tuple[Operation, ...]) -> tuple[float, float]:
        twins = [one.start for one in open_placed if operation.end is None and one.input == operation.input]
        start = max([operation.start, *twins])
        return start + operation.input.ttl - self.granularity, _end(operation) + operation.input.ttl + self.lag


def _allowed(value: str | int | None, operation: Operation) -> list[tuple[str | int | None, bool]]:
    """The values after the call, each with whether it armed the expiry, where its output fits."""
    return [
        (after, arms)
        for output, after, arms in _answers(value, operation.input)
        if operation.end is None or _same(output, operation.output)
    ]


def _answers(value: str | int | None, call: StoreCall) -> list[tuple[Any, str | int | None, bool]]:
    if call.name == "get":
        return [(None if value is None else str(value), value, False)]
    if call.name == "delete":
        return [(None, None, False)]
    if call.name == "extend_ttl":
        return [(value is not None, value, value is not None)]
    if call.name == "set_if_not_exist":
        return [(False, value, False)] if value is not None else [(True, call.value, True)]
    if value is None:
        return [(1, 1, True)]
    if isinstance(value, int):
        return [(value + 1, value + 1, True)]
    refused = (Raised("ValueError"), value, False)
    return [(int(value) + 1, int(value) + 1, True), refused] if value.isdigit() else [refused]


def _same(expected: Any, output: Any) -> bool:
    return type(expected) is type(output) and (isinstance(output, Raised) or expected == output)
