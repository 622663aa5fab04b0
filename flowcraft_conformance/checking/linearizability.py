"""Is there an order of the calls, each at some moment between its start and its end, that explains every output?

Partitions (keys) are searched in turns, so that a violation in one is found though another is hard. Intervals are
closed: a call that starts when another returns may come before it. A call that never returned may be placed anywhere
after its start, or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import ForeseeingModel, Model
from flowcraft_conformance.checking.partition_search import Attempt, PartitionSearch

_TURN = 1_000
"""Steps of one partition before the next one has its turn."""
_MOST_BYTES = 500_000_000
"""What all searches together may hold, as they estimate it; then the largest is given up."""
_EVIDENCE_STEPS = 10_000
"""Steps spent on the evidence of a violation that was foreseen."""


class LinearizabilityVerdict(StrEnum):
    """``unknown`` means that the bound on steps or memory was reached: it is no ``ok``."""

    OK = "ok"
    VIOLATION = "violation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LinearizabilityResult:
    """What the search found.

    ``prefix`` is the longest order that explains a part of the failing partition, ``unplaced`` the calls that had to
    come next and cannot be placed, ``failing_operations`` the whole partition. Where the verdict is unknown they tell
    how far the search has come in a partition that it did not finish; where it is ok all are empty.
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
    how often the model is applied in the whole search; a few hundred steps and a row of calls that overlap none are not
    interrupted.

    Raises:
        ValueError: a call ends before it starts.
    """
    unfinished = [PartitionSearch(part, model) for part in sorted(_parts(operations, partition), key=len)]
    given_up: list[PartitionSearch] = []
    left = float("inf") if max_steps is None else max_steps
    while unfinished and left > 0:
        for search in list(unfinished):
            before = search.steps
            found = search.run(int(min(_TURN, left)))
            left -= search.steps - before
            if found is False:
                return _violation(search, model)
            if found:
                unfinished.remove(search)
                search.forget()
            if left <= 0:
                break
        if sum(search.held for search in unfinished) > _MOST_BYTES:
            largest = max(unfinished, key=attrgetter("held"))
            unfinished.remove(largest)
            largest.forget()
            given_up.append(largest)
    for search in [*given_up, *unfinished]:
        return _result(LinearizabilityVerdict.UNKNOWN, search.operations, search.attempt())
    return LinearizabilityResult(LinearizabilityVerdict.OK)


def _parts(
    operations: Sequence[Operation], partition: Callable[[Operation], Hashable] | None
) -> list[Sequence[Operation]]:
    if partition is None:
        return [operations]
    parts: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(partition(operation), []).append(operation)
    return list(parts.values())


def _violation(search: PartitionSearch, model: Model[Any]) -> LinearizabilityResult:
    """The violation with the order that came furthest, which a search that foresees its end would not have gone."""
    attempts = [search.attempt()]
    search.forget()
    if isinstance(model, ForeseeingModel):
        patient = PartitionSearch(search.operations, model, foresees=False)
        patient.run(_EVIDENCE_STEPS + 4 * len(search.operations))
        attempts.append(patient.attempt())
    furthest = max(attempts, key=attrgetter("reached"))
    return _result(LinearizabilityVerdict.VIOLATION, search.operations, furthest)


def _result(
    verdict: LinearizabilityVerdict, operations: Sequence[Operation], attempt: Attempt
) -> LinearizabilityResult:
    return LinearizabilityResult(verdict, attempt.placed, attempt.blocked, tuple(operations))
