"""Where two states differ: the places, with what is there and what should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.harness.oracle import Outcome

_ABSENT = object()
_VALUE_WIDTH = 70


@dataclass(frozen=True, slots=True)
class Difference:
    """One place, written as a path into the state, and both values as text."""

    place: str
    got: str
    expected: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.place}: got {self.got}, expected {self.expected}"


def differences(got: Mapping[str, Any], expected: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The places where two states differ, as deep inside as they go, in the order of the keys."""
    return tuple(_within("", got, expected))


def nearest(state: Mapping[str, Any], outcomes: Iterable[Outcome]) -> tuple[Difference, ...]:
    """The differences from the outcome that has the fewest; no outcome, no differences."""
    return min((differences(state, outcome.state) for outcome in outcomes), key=len, default=())


def _within(place: str, got: Any, expected: Any) -> Iterator[Difference]:
    if isinstance(got, Mapping) and isinstance(expected, Mapping):
        for key in sorted({*got, *expected}):
            below = f"{place}.{key}" if place else str(key)
            yield from _within(below, got.get(key, _ABSENT), expected.get(key, _ABSENT))
    elif got is _ABSENT or expected is _ABSENT or type(got) is not type(expected) or got != expected:
        yield Difference(place, _told(got), _told(expected))


def _told(value: Any) -> str:
    return "nothing" if value is _ABSENT else shorten(value, _VALUE_WIDTH)
