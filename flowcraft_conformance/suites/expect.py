"""What checks say when the target does not do what it should: always with the value, the wish and the calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.json_values import same_json
from flowcraft_conformance.harness.bench import Space
from flowcraft_conformance.harness.calls import TargetRaised


def expect(space: Space, got: Any, want: Any, about: str) -> None:
    """The value is ``want``, of the same type: True is not 1.

    Raises:
        ClauseViolation: it is something else.
    """
    __tracebackhide__ = True
    if type(got) is not type(want) or got != want:
        raise space.violated(f"{about}: got {shorten(got)}, want {shorten(want)}")


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> tuple[Any, BaseException | None]:
    """What a call returned, or what it raised."""
    try:
        return await call(), None
    except TargetRaised as raised:
        return None, raised.error


async def expect_raises(space: Space, call: Callable[[], Awaitable[Any]], about: str) -> None:
    """The call raises, whatever it raises.

    Raises:
        ClauseViolation: it returned.
    """
    __tracebackhide__ = True
    value, error = await outcome_of(call)
    if error is None:
        raise space.violated(f"{about}: returned {shorten(value)}, want an error")


def expect_json(space: Space, got: Any, want: Any, about: str) -> None:
    """The value is the same JSON as ``want``; for a state, the keys that differ are named.

    Raises:
        ClauseViolation: it is something else.
    """
    __tracebackhide__ = True
    if same_json(got, want):
        return
    if isinstance(got, dict) and isinstance(want, dict):
        missing = [key for key in want if key not in got]
        extra = [key for key in got if key not in want]
        changed = [key for key in want if key in got and not same_json(got[key], want[key])]
        parts = [
            *[f"{shorten(key, 30)} is missing" for key in missing[:2]],
            *[f"{shorten(key, 30)} should not be there" for key in extra[:2]],
            *[f"{shorten(key, 30)} is {shorten(got[key], 40)}, want {shorten(want[key], 40)}" for key in changed[:2]],
        ]
        raise space.violated(f"{about}: {'; '.join(parts)}")
    raise space.violated(f"{about}: got {shorten(got)}, want {shorten(want)}")
