"""The sequential coordination store with time: for histories of many clients, and for programs of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import Model

_ARMING = ("increment", "set_if_not_exist", "extend_ttl")


@dataclass(frozen=True, slots=True)
class Raised:
    """The outcome of a call that raised."""

    type_name: str
    message: str = ""

    def __repr__(self) -> str:
        """As evidence shows it."""
        return f"raised {self.type_name}: {self.message}" if self.message else f"raised {self.type_name}"


@dataclass(frozen=True, slots=True)
class StoreCall:
    """One call of a coordination store; ``ttl`` in seconds."""

    name: str
    key: str
    value: str | None = None
    ttl: Any = None

    def __str__(self) -> str:
        """The call as it would be written."""
        arguments = [repr(part) for part in (self.key, self.value, self.ttl) if part is not None]
        return f"{self.name}({', '.join(arguments)})"


class Effect(NamedTuple):
    """One thing a call may do: what it returns, the value afterwards, and whether it armed the expiry."""

    output: Any
    value: str | None
    arms: bool = False


def effects(value: str | None, call: StoreCall) -> tuple[Effect, ...]:
    """What the contract allows a call to do where the key holds ``value``, or is absent (None)."""
    if call.name == "get":
        return (Effect(value, value),)
    if call.name == "delete":
        return (Effect(None, None),)
    if call.name == "extend_ttl":
        return (Effect(value is not None, value, arms=value is not None),)
    if call.name == "set_if_not_exist":
        return (Effect(False, value),) if value is not None else (Effect(True, call.value, arms=True),)
    if call.name == "increment":
        return _increments(value)
    raise ValueError(f"no such call: {call.name}")


def _increments(value: str | None) -> tuple[Effect, ...]:
    if value is None:
        return (Effect(1, "1", arms=True),)
    refused = Effect(Raised("an error"), value)
    if not is_canonical(value):
        return (refused,)
    count = int(value) + 1
    return (Effect(count, str(count), arms=True), refused)


def is_canonical(text: str) -> bool:
    """Whether a text is a decimal as a counter would write it."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and str(int(digits)) == digits and text != "-0"


def _explains(effect: Effect, output: Any) -> bool:
    if isinstance(effect.output, Raised):
        return isinstance(output, Raised)
    return type(effect.output) is type(output) and bool(effect.output == output)


class KeyState(NamedTuple):
    """A key in the model of histories: its value, and the lease that will end it (0: none that matters)."""

    value: str | None
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Expiry:
    """The virtual call that ends one lease."""

    key: str
    lease: int


class CoordinationModel(Model[KeyState]):
    """One key of a coordination store. Each call that may have armed an expiry adds a virtual call ``expire`` with the
    window [start + ttl - granularity, end + ttl + lag], which deletes only if that lease still owns the key.
    """

    def __init__(self, granularity: float, lag: float) -> None:
        self._granularity = granularity
        self._lag = lag
        self._leases: dict[Operation, int] = {}

    def initial(self) -> KeyState:
        """The key is absent."""
        return KeyState(None)

    def prepare(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The operations, with an expiry for every lease that can end while they run."""
        last = max((operation.end or operation.start for operation in operations), default=0.0)
        self._leases = {}
        expiries = []
        for operation in operations:
            call: StoreCall = operation.input
            if call.name not in _ARMING or not isinstance(call.ttl, int | float):
                continue
            start = operation.start + call.ttl - self._granularity
            if start <= last:
                lease = self._leases[operation] = len(self._leases) + 1
                end = None if operation.end is None else operation.end + call.ttl + self._lag
                expiries.append(Operation(-1, Expiry(call.key, lease), start, end if end and end <= last else None))
        return [*operations, *expiries]

    def step(self, state: KeyState, operation: Operation) -> Iterable[KeyState]:
        """The states after the call, or after an expiry."""
        call: StoreCall | Expiry = operation.input
        if isinstance(call, Expiry):
            yield KeyState(None) if state.lease == call.lease else state
            return
        for effect in effects(state.value, call):
            if operation.end is None or _explains(effect, operation.output):
                lease = self._leases.get(operation, 0) if effect.arms else state.lease
                yield KeyState(effect.value, lease if effect.value is not None else 0)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An output that no reading of time explains."""

    expected: tuple[object, ...]
    got: object
    explanation: str


class _Lease(NamedTuple):
    """A value with the earliest and the latest moment of its end."""

    value: str
    earliest: float
    latest: float


class KeyTimeline:
    """One key as one client sees it: all states it may be in, given what was observed.

    ``granularity`` and ``lag`` in seconds, as declared. ``certain`` tells whether presence was beyond doubt at the last
    observation, so that it could have caught a wrong answer.
    """

    def __init__(self, granularity: float, lag: float) -> None:
        self._granularity = granularity
        self._lag = lag
        self._states: set[_Lease | None] = {None}
        self.certain = True

    def observe(self, call: StoreCall, start: float, end: float, output: object) -> Mismatch | None:
        """Take one call with its output; a Mismatch where no possible state explains it."""
        possible = {after for state in self._states for after in _aged(state, start, end)}
        self.certain = len({state is None for state in possible}) == 1
        following: set[_Lease | None] = set()
        expected: list[object] = []
        for state in possible:
            for effect in effects(None if state is None else state.value, call):
                if effect.output not in expected:
                    expected.append(effect.output)
                if _explains(effect, output):
                    following.add(self._after(state, effect, call, start, end))
        if not following:
            wanted = " or ".join(map(repr, expected))
            return Mismatch(tuple(expected), output, f"got {output!r}, want {wanted}")
        self._states = following
        return None

    def _after(self, state: _Lease | None, effect: Effect, call: StoreCall, start: float, end: float) -> _Lease | None:
        if effect.value is None:
            return None
        if effect.arms:
            ttl = float(call.ttl)
            return _Lease(effect.value, start + ttl - self._granularity, end + ttl + self._lag)
        if state is None:
            return _Lease(effect.value, math.inf, math.inf)
        return state._replace(value=effect.value)


def _aged(state: _Lease | None, start: float, end: float) -> Iterable[_Lease | None]:
    """What a state may have become when a call looks at it between ``start`` and ``end``."""
    if state is None:
        return (None,)
    if end < state.earliest:
        return (state,)
    if start > state.latest:
        return (None,)
    return (state, None)
