"""Sequential models: what one caller alone would see."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flowcraft_conformance.checking.history import Operation

State = TypeVar("State", bound=Hashable)


class Model(Generic[State]):
    """A sequential model. States are hashable; a step may have several outcomes."""

    def initial(self) -> State:
        """The state before the first operation."""
        raise NotImplementedError

    def step(self, state: State, operation: Operation) -> Iterable[State]:
        """The states after the operation that its output allows; of a call that never returned, any output will do."""
        raise NotImplementedError

    def prepare(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The operations to be placed, virtual ones such as an expiry added."""
        return operations


@dataclass(frozen=True, slots=True)
class ValueCall:
    """A call on one key of a context: ``get``, ``set``, ``has`` or ``delete``."""

    name: str
    key: str
    value: Any = None

    def __str__(self) -> str:
        """The call as it would be written."""
        return f"{self.name}({self.key!r}, {self.value!r})" if self.name == "set" else f"{self.name}({self.key!r})"


@dataclass(frozen=True, slots=True)
class Present:
    """A key that holds a value; an absent key is None."""

    value: Hashable


class KeyValueModel(Model["Present | None"]):
    """One key of a context (CTX-GET-01, CTX-DEL-01): values must be hashable."""

    def initial(self) -> Present | None:
        """The key is absent."""
        return None

    def step(self, state: Present | None, operation: Operation) -> Iterable[Present | None]:
        """The state after the call."""
        call: ValueCall = operation.input
        expected, after = _value_step(state, call)
        if operation.end is None or (type(expected) is type(operation.output) and expected == operation.output):
            yield after


def _value_step(state: Present | None, call: ValueCall) -> tuple[Any, Present | None]:
    if call.name == "set":
        return None, Present(call.value)
    if call.name == "delete":
        return state is not None, None
    if call.name == "has":
        return state is not None, state
    if call.name == "get":
        return None if state is None else state.value, state
    raise ValueError(f"no such call: {call.name}")
