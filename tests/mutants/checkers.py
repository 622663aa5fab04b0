"""Wrong linearizability checkers, named by what they do: comparison with brute force must catch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

from flowcraft_conformance.checking import linearizability
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import LinearizabilityResult, check_linearizable
from flowcraft_conformance.checking.models import Model
from flowcraft_conformance.checking.partition_search import Configuration, PartitionSearch

Checker = Callable[[Sequence[Operation], Model[Any]], LinearizabilityResult]


def _ignores_real_time_order(operations: Sequence[Operation], model: Model[Any]) -> LinearizabilityResult:
    return check_linearizable([replace(one, start=0.0) for one in operations], model)


def _drops_open_calls(operations: Sequence[Operation], model: Model[Any]) -> LinearizabilityResult:
    return check_linearizable([one for one in operations if one.end is not None], model)


def _takes_open_calls_for_finished_ones(operations: Sequence[Operation], model: Model[Any]) -> LinearizabilityResult:
    return check_linearizable([replace(one, end=one.end or one.start) for one in operations], model)


def _takes_intervals_for_half_open(operations: Sequence[Operation], model: Model[Any]) -> LinearizabilityResult:
    shorter = [one if one.end is None else replace(one, end=max(one.start, one.end - 0.1)) for one in operations]
    return check_linearizable(shorter, model)


class _KeyWithoutState(PartitionSearch):
    def _is_new(self, here: Configuration) -> bool:
        return super()._is_new(here._replace(state=None))


class _KeyWithoutPlacedCalls(PartitionSearch):
    def _is_new(self, here: Configuration) -> bool:
        return super()._is_new(here._replace(mask=0))


class _PlacesWhateverChangesNothingHere(PartitionSearch):
    def __init__(self, operations: Sequence[Operation], model: Model[Any], *, foresees: bool = True) -> None:
        super().__init__(operations, model, foresees=foresees)
        self._looks = bytearray(b"\1" * len(self._looks))


class _ForeseesTooMuch(PartitionSearch):
    def _is_hopeless(self, here: Configuration) -> bool:
        foresight = self._foresight
        if foresight is None:
            return False
        everything = sum(1 << number for number in range(16))  # as if all pending calls were placed
        return not foresight.sees_a_way(here.at, everything, here.state)


class _SkipsNeverReturnedTwins(PartitionSearch):
    def __init__(self, operations: Sequence[Operation], model: Model[Any], *, foresees: bool = True) -> None:
        super().__init__(operations, model, foresees=foresees)
        self._order.open_classes = [(numbers[:1], members) for numbers, members in self._order.open_classes]


def _with_search(search: type[PartitionSearch]) -> Checker:
    def check(operations: Sequence[Operation], model: Model[Any]) -> LinearizabilityResult:
        with mock.patch.object(linearizability, "PartitionSearch", search):
            return check_linearizable(operations, model)

    return check


CHECKERS: dict[str, Checker] = {
    "ignores real-time order": _ignores_real_time_order,
    "drops open calls": _drops_open_calls,
    "takes open calls for finished ones": _takes_open_calls_for_finished_ones,
    "takes intervals for half open": _takes_intervals_for_half_open,
    "cache key without the state": _with_search(_KeyWithoutState),
    "cache key without the placed calls": _with_search(_KeyWithoutPlacedCalls),
    "places whatever changes nothing here": _with_search(_PlacesWhateverChangesNothingHere),
    "foresees too much": _with_search(_ForeseesTooMuch),
    "skips never-returned twins": _with_search(_SkipsNeverReturnedTwins),
}
