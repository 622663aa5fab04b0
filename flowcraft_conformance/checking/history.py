"""What was seen of a concurrent run: one record a call, and how much of it was concurrent at all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one client. Times in seconds on one clock; ``end`` None means it never returned.

    A call that never returned may have taken effect at any moment after ``start``, or never; ``output`` is then
    without meaning.
    """

    client: int
    input: Any
    start: float
    end: float | None
    output: Any = None


@dataclass(frozen=True, slots=True)
class Raised:
    """The output of a call that raised. No model expects a certain type: two of them differ for the reader only."""

    type_name: str
    message: str = ""

    def __repr__(self) -> str:
        """As evidence shows it."""
        return f"raised {self.type_name}: {self.message}" if self.message else f"raised {self.type_name}"


def without_raised(operations: Iterable[Operation]) -> list[Operation]:
    """The history where a call that raised is known to have had no effect: such calls explain and demand nothing."""
    return [operation for operation in operations if not isinstance(operation.output, Raised)]


def raised_as_open(operations: Iterable[Operation]) -> list[Operation]:
    """The history where a call that raised may have taken effect all the same, at once or later: as if it had never
    returned. A connection that was cut leaves its caller in this doubt.
    """
    return [
        replace(operation, end=None, output=None) if isinstance(operation.output, Raised) else operation
        for operation in operations
    ]


def count_overlapping(
    operations: Iterable[Operation], *, partition: Callable[[Operation], Hashable] | None = None
) -> int:
    """How many operations overlapped one of another client, within the same partition where one is given.

    Touching ends do not count. A call that never returned counts at its start only: nobody knows how long it lasted.
    """
    parts: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(partition(operation) if partition else None, []).append(operation)
    return sum(_overlapping(part) for part in parts.values())


def _overlapping(operations: list[Operation]) -> int:
    running: list[tuple[float, int, int]] = []  # (end, client, number)
    overlapped: set[int] = set()
    # Of calls that start together the longer comes first, so that a momentary one is seen inside it.
    for number, operation in enumerate(sorted(operations, key=lambda one: (one.start, -_seen_end(one)))):
        running = [entry for entry in running if entry[0] > operation.start]
        others = [entry[2] for entry in running if entry[1] != operation.client]
        if others:
            overlapped.add(number)
            overlapped.update(others)
        running.append((_seen_end(operation), operation.client, number))
    return len(overlapped)


def _seen_end(operation: Operation) -> float:
    return operation.start if operation.end is None else operation.end
