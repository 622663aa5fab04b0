"""The sequential coordination store with time: for programs of one client, and for histories of many.

A lease is known by a window: the earliest and the latest moment at which it may end. For a call between ``start`` and
``end`` that arms a TTL the window is [start + ttl - granularity, end + ttl + lag].
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.history import Operation, Raised
from flowcraft_conformance.checking.models import ObservingModel, TimedModel

__all__ = [
    "CoordinationModel",
    "Effect",
    "KeyState",
    "KeyTimeline",
    "Mismatch",
    "Raised",
    "StoreCall",
    "effects",
    "is_canonical",
]

_ARMING = ("increment", "set_if_not_exist", "extend_ttl")
_DECIMAL = re.compile(r"-?[1-9][0-9]*|0")
_MOST_DIGITS = 4000
"""Python itself refuses to read longer numbers."""
_EXACT = 2**53
"""Counters beyond this size may overflow, or lose digits, in a right store."""
_ROUNDING = 1e-6
"""Seconds: a store may count the same time in whole nanoseconds or microseconds, or add it up in another order."""
_REFUSED = Raised("an error")


@dataclass(frozen=True, slots=True)
class StoreCall:
    """One call of a coordination store; ``ttl`` in seconds, of any type: a caller may pass nonsense."""

    name: str
    key: str
    value: str | None = None
    ttl: Any = None

    def __str__(self) -> str:
        """The call as it would be written."""
        arguments = [repr(part) for part in (self.key, self.value, self.ttl) if part is not None]
        return f"{self.name}({', '.join(arguments)})"


class Effect(NamedTuple):
    """One thing a call may do: what it returns, the value afterwards (None: absent), and whether it arms the expiry.

    A counter is an int, a text that set_if_not_exist stored is a str: they differ in what an increment may do.
    """

    output: Any
    value: str | int | None
    arms: bool = False


def effects(value: str | int | None, call: StoreCall) -> tuple[Effect, ...]:
    """What the contract allows a call to do where the key holds ``value``, or is absent (None).

    Clauses COORD-INC-01, 02 and 06, COORD-SET-01, 02 and 05, COORD-EXT-01 and 03, COORD-DEL-01, COORD-GET-01,
    COORD-TTL-04 and COORD-KEY-01.

    Raises:
        ValueError: there is no such call.
    """
    allowed = _effects(value, call)
    if _may_be_refused(call) and not any(effect.output is _REFUSED for effect in allowed):
        return (*allowed, Effect(_REFUSED, value))
    return allowed


def _effects(value: str | int | None, call: StoreCall) -> tuple[Effect, ...]:
    if call.name == "get":
        return (Effect(None if value is None else str(value), value),)
    if call.name == "increment":
        return _increments(value)
    if call.name == "set_if_not_exist":
        return (Effect(True, call.value, arms=True),) if value is None else (Effect(False, value),)
    if call.name == "extend_ttl":
        return (Effect(value is not None, value, arms=value is not None),)
    if call.name == "delete":
        return (Effect(None, None),)
    raise ValueError(f"no such call: {call.name}")


def _increments(value: str | int | None) -> tuple[Effect, ...]:
    if value is None:
        return (Effect(1, 1, arms=True),)
    if isinstance(value, str) and not is_canonical(value):
        return (Effect(_REFUSED, value),)
    count = int(value) + 1
    counted_on = Effect(count, count, arms=True)
    may_refuse = isinstance(value, str) or abs(count) > _EXACT
    return (counted_on, Effect(_REFUSED, value)) if may_refuse else (counted_on,)


def is_canonical(text: str) -> bool:
    """Whether a text is a decimal as a counter would write it."""
    return len(text) <= _MOST_DIGITS and _DECIMAL.fullmatch(text) is not None


def _may_be_refused(call: StoreCall) -> bool:
    """Whether a right store may raise at such arguments in any state (COORD-TTL-04, COORD-SET-05, COORD-KEY-01)."""
    if call.name in _ARMING and not _is_valid(call.ttl):
        return True
    return any(text is not None and _is_broken(text) for text in (call.key, call.value))


def _is_valid(ttl: Any) -> bool:
    return isinstance(ttl, int) and not isinstance(ttl, bool) and ttl >= 1


def _is_broken(text: str) -> bool:
    """Whether a text holds U+0000 or a lone surrogate, which some backends cannot store."""
    return "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text))


def _explains(effect: Effect, output: Any) -> bool:
    expected = effect.output
    if isinstance(expected, bool) or expected is None:
        return output is expected
    if isinstance(expected, int):
        return isinstance(output, int) and not isinstance(output, bool) and output == expected
    return isinstance(output, type(expected)) and (expected is _REFUSED or bool(output == expected))


class _Window(NamedTuple):
    """The earliest and the latest moment at which a lease may end, in seconds."""

    earliest: float
    latest: float


def _window(ttl: Any, start: float, end: float, granularity: float, lag: float) -> _Window:
    """The window of a lease armed between ``start`` and ``end`` (COORD-TTL-01, COORD-TTL-02, COORD-TTL-05).

    A TTL that should have been refused promises nothing but an end.
    """
    if not _is_valid(ttl):
        number = isinstance(ttl, int | float) and math.isfinite(ttl)
        return _Window(start, end + max(math.ceil(ttl), 1) + lag if number else math.inf)
    return _Window(start + ttl - granularity - _ROUNDING, end + ttl + lag + _ROUNDING)


class KeyState(NamedTuple):
    """A key in the model of histories: its value, and when its lease may end (None: not within the history)."""

    value: str | int | None
    lease: _Window | None = None


_ABSENT = KeyState(None)


class CoordinationModel(TimedModel[KeyState], ObservingModel[KeyState]):
    """One key of a coordination store (COORD-LIN-01). A call that arms an expiry gives the key a lease, which ends at
    some moment of the window [start + ttl - granularity, end + ttl + lag]; what ends a lease that does not own the key
    any more has no effect. ``granularity`` and ``lag`` in seconds, as declared.

    Of a call that never returned the window has no end. Where it is placed after another one with the same input its
    lease counts from the later start of the two.
    """

    def __init__(self, granularity: float, lag: float, *, ends_by: float = math.inf) -> None:
        self._granularity = granularity
        self._lag = lag
        self._ends_by = ends_by

    def initial(self) -> KeyState:
        """The key is absent."""
        return _ABSENT

    def prepare(self, operations: Sequence[Operation]) -> CoordinationModel:
        """The model in which a lease that cannot end before the last call returns is none."""
        last = max((operation.end for operation in operations if operation.end is not None), default=-math.inf)
        return CoordinationModel(self._granularity, self._lag, ends_by=last)

    def step(self, state: KeyState, operation: Operation) -> Sequence[KeyState]:
        """The states after the call, whenever within its interval it took effect."""
        end = math.inf if operation.end is None else operation.end
        return self.step_by(state, operation, end)

    def step_by(self, state: KeyState, operation: Operation, latest: float) -> Sequence[KeyState]:
        """The states after the call; the lease may have ended before it."""
        lease = state.lease
        if lease is None or latest < lease.earliest:
            return self._after(state, operation)
        gone = self._after(_ABSENT, operation)
        if operation.start > lease.latest:
            return gone
        present = self._after(state, operation)
        return [*present, *(after for after in gone if after not in present)]

    def only_looks(self, operation: Operation) -> bool:
        """Whether it is a get, or a call that said it did nothing."""
        if operation.end is None:
            return False
        name, output = operation.input.name, operation.output
        said_no = output is False and name in ("set_if_not_exist", "extend_ttl")
        return name == "get" or said_no or isinstance(output, Raised)

    def _after(self, state: KeyState, operation: Operation) -> list[KeyState]:
        call: StoreCall = operation.input
        following = []
        # Of a call that did not raise it need not be asked whether it might have: that costs a quarter of the search.
        for effect in (effects if isinstance(operation.output, Raised) else _effects)(state.value, call):
            if operation.end is None or _explains(effect, operation.output):
                after = KeyState(effect.value, self._lease(state, effect, operation))
                if after not in following:
                    following.append(after)
        return following

    def _lease(self, state: KeyState, effect: Effect, operation: Operation) -> _Window | None:
        if effect.value is None:
            return None
        if not effect.arms:
            return state.lease
        end = math.inf if operation.end is None else operation.end
        window = _window(operation.input.ttl, operation.start, end, self._granularity, self._lag)
        if state.value is not None and not _is_valid(operation.input.ttl):  # it may have left the old expiry alone
            kept = math.inf if state.lease is None else state.lease.latest
            window = window._replace(latest=max(window.latest, kept))
        return window if window.earliest <= self._ends_by else None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An output that no reading of time explains: the outputs that were allowed, what came, and why it cannot be.

    ``expected`` holds a ``Raised`` where the call was allowed to raise.
    """

    expected: tuple[object, ...]
    got: object
    explanation: str


class _Lease(NamedTuple):
    """A value and the window of its end."""

    value: str | int
    window: _Window


@dataclass(frozen=True, slots=True)
class _Arming:
    """The last call that armed the key, for the explanation."""

    ttl: Any
    start: float


class KeyTimeline:
    """One key under calls that follow one another: all states it may be in, given what was observed.

    ``granularity`` and ``lag`` in seconds, as declared. With both 0 and calls that take no time it is exact: a key
    armed with ttl 5 at t is present before t + 5 and absent after; at t + 5 (a microsecond more or less) either is
    right. ``certain`` tells whether presence was beyond doubt at the last observation, so that it could have caught a
    wrong answer.
    """

    def __init__(self, granularity: float, lag: float) -> None:
        self._granularity = granularity
        self._lag = lag
        self._states: set[_Lease | None] = {None}
        self._armed: _Arming | None = None
        self.certain = True

    def observe(self, call: StoreCall, start: float, end: float, output: object) -> Mismatch | None:
        """Take one call, made after all earlier ones had ended, with its output (a ``Raised`` where it raised).

        Returns a Mismatch, and takes the call for not made, where no possible state explains the output.
        """
        possible = {after for state in self._states for after in _aged(state, start, end)}
        self.certain = len({state is None for state in possible}) == 1
        following: set[_Lease | None] = set()
        expected: dict[_Typed, None] = {}
        armed = False
        for state in possible:
            for effect in effects(None if state is None else state.value, call):
                expected[_Typed(effect.output, type(effect.output))] = None
                if _explains(effect, output):
                    following.add(self._after(state, effect, call, start, end))
                    armed = armed or effect.arms
        if not following:
            allowed = tuple(typed.value for typed in expected)
            return Mismatch(allowed, output, self._explain(allowed, output, possible, start))
        self._states = following
        if armed:
            self._armed = _Arming(call.ttl, start)
        return None

    def _after(self, state: _Lease | None, effect: Effect, call: StoreCall, start: float, end: float) -> _Lease | None:
        if effect.value is None:
            return None
        if effect.arms:
            window = _window(call.ttl, start, end, self._granularity, self._lag)
            if state is not None and not _is_valid(call.ttl):  # it may also have left the old expiry alone
                window = window._replace(latest=max(window.latest, state.window.latest))
            return _Lease(effect.value, window)
        return state

    def _explain(self, allowed: tuple[object, ...], got: object, possible: set[_Lease | None], start: float) -> str:
        said = f"got {shorten(got)}, want {' or '.join(map(shorten, allowed))}"
        if self._armed is None:
            return f"{said} (nothing has set the key)"
        armed = f"armed with a TTL of {self._armed.ttl} s, {start - self._armed.start:.3g} s earlier"
        if len({state is None for state in possible}) == 2:
            return f"{said} ({armed}: it may or may not have expired)"
        if None not in possible:
            return f"{said} ({armed}: the key is present)"
        return f"{said} (the key is absent; last {armed})"


class _Typed(NamedTuple):
    """An output in a set where True is not 1."""

    value: object
    kind: type[object]


def _aged(state: _Lease | None, start: float, end: float) -> Iterable[_Lease | None]:
    """What a state may have become when a call looks at it between ``start`` and ``end``."""
    if state is None:
        return (None,)
    if end < state.window.earliest:
        return (state,)
    if start > state.window.latest:
        return (None,)
    return (state, None)
