"""Sequential models: what one caller alone would see."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from flowcraft_conformance.checking.history import Operation

State = TypeVar("State", bound=Hashable)


class Model(Protocol[State]):
    """A sequential model. States are hashable, and equal only where no call can tell them apart."""

    def initial(self) -> State:
        """The state before the first operation."""
        ...

    def step(self, state: State, operation: Operation) -> Iterable[State]:
        """The states after the operation that its output allows: none where the output is impossible.

        Of a call that never returned (``end`` None) any output will do.
        """
        ...


@runtime_checkable
class ObservingModel(Model[State], Protocol[State]):
    """A model that tells which operations only look, which makes the search much shorter."""

    def only_looks(self, operation: Operation) -> bool:
        """Whether this operation, with this output, leaves every state as it is wherever it is possible.

        A write of the value that is there already does not only look: elsewhere in the order it would change it. A
        compare-and-set that failed does.
        """
        ...


@runtime_checkable
class ForeseeingModel(ObservingModel[State], Protocol[State]):
    """A model that can tell from afar that what a call has seen will not come about: wrong orders end early."""

    def may_become(self, state: State, look: Operation) -> bool:
        """Whether ``look``, which only looks, may be possible later, after calls that do not make it so themselves."""
        ...

    def may_bring_about(self, operation: Operation, look: Operation) -> bool:
        """Whether the operation may lead from any other state to one that may become what ``look`` has seen."""
        ...


@runtime_checkable
class TimedModel(Model[State], Protocol[State]):
    """A model where time counts: things may also happen between operations, such as an expiry.

    The search relies on two rules. A later bound allows at least what an earlier one does. What may have happened
    between two operations may as well be left until the next one that can tell.
    """

    def prepare(self, operations: Sequence[Operation]) -> TimedModel[State]:
        """The model for one partition of a history, all of whose operations are given."""
        ...

    def step_by(self, state: State, operation: Operation, latest: float) -> Iterable[State]:
        """As ``step``, where the operation takes effect at some moment from its start to ``latest`` (seconds)."""
        ...


@dataclass(frozen=True, slots=True)
class RegisterCall:
    """A call on a register: ``read``, ``write`` of ``value``, or ``cas``, which writes ``value`` over ``expected``."""

    name: str
    value: Hashable = None
    expected: Hashable = None

    def __str__(self) -> str:
        """The call as it would be written."""
        if self.name == "read":
            return "read()"
        return f"cas({self.expected!r}, {self.value!r})" if self.name == "cas" else f"{self.name}({self.value!r})"


class RegisterModel(ObservingModel[Hashable]):
    """One register, read and written: a read returns the value, a write's output does not matter."""

    def __init__(self, initial: Hashable = None) -> None:
        self._initial = initial

    def initial(self) -> Hashable:
        """The value given."""
        return self._initial

    def step(self, state: Hashable, operation: Operation) -> tuple[Hashable, ...]:
        """The value after the call.

        Raises:
            ValueError: there is no such call.
        """
        call: RegisterCall = operation.input
        if call.name == "write":
            return (call.value,)
        if call.name == "read":
            return (state,) if operation.end is None or operation.output == state else ()
        raise ValueError(f"no such call: {call.name}")

    def only_looks(self, operation: Operation) -> bool:
        """Whether it is a read."""
        return bool(operation.input.name == "read")


class CasRegisterModel(RegisterModel):
    """A register with compare-and-set too, which returns whether it has written."""

    def step(self, state: Hashable, operation: Operation) -> tuple[Hashable, ...]:
        """The value after the call.

        Raises:
            ValueError: there is no such call.
        """
        call: RegisterCall = operation.input
        if call.name != "cas":
            return super().step(state, operation)
        swapped = state == call.expected
        if operation.end is None or operation.output is swapped:
            return (call.value if swapped else state,)
        return ()

    def only_looks(self, operation: Operation) -> bool:
        """Whether it is a read, or a compare-and-set that failed."""
        name = operation.input.name
        return bool(name == "read" or (name == "cas" and operation.end is not None and operation.output is False))


@dataclass(frozen=True, slots=True)
class ValueCall:
    """A call on one key of a context, ``get``, ``set``, ``has`` or ``delete``; or ``append`` of a text to a text."""

    name: str
    key: str
    value: Any = None

    def __str__(self) -> str:
        """The call as it would be written."""
        if self.name in ("set", "append"):
            return f"{self.name}({self.key!r}, {self.value!r})"
        return f"{self.name}({self.key!r})"


@dataclass(frozen=True, slots=True)
class Present:
    """A key that holds a value; an absent key is None."""

    value: Hashable


ValueState = tuple[bool, Hashable] | None
"""Whether the value is a bool, which is no number though it compares equal to one, and the value; None: absent."""


class KeyValueModel(ForeseeingModel[ValueState]):
    """One key of a context (CTX-GET-01, CTX-SET-01, CTX-DEL-01). Values must be hashable; numbers compare by value."""

    def __init__(self, initial: Present | None = None) -> None:
        self._initial = None if initial is None else _present(initial.value)

    def initial(self) -> ValueState:
        """The key is absent, or holds what was given."""
        return self._initial

    def step(self, state: ValueState, operation: Operation) -> tuple[ValueState, ...]:
        """The state after the call.

        Raises:
            ValueError: there is no such call.
        """
        call: ValueCall = operation.input
        name, output, is_open = call.name, operation.output, operation.end is None
        if name == "get":
            return (state,) if is_open or _reads(state, output) else ()
        if name == "append":
            text = "" if state is None else str(state[1])
            return ((False, text + call.value),) if is_open or output is None else ()
        if name == "set":
            return (_present(call.value),) if is_open or output is None else ()
        if name == "has":
            return (state,) if is_open or output is (state is not None) else ()
        if name == "delete":
            return (None,) if is_open or output is (state is not None) else ()
        raise ValueError(f"no such call: {name}")

    def only_looks(self, operation: Operation) -> bool:
        """Whether it is a get or a has, or a delete that found nothing."""
        name = operation.input.name
        if name == "delete":
            return operation.end is not None and operation.output is False
        return name in ("get", "has")

    def may_become(self, state: ValueState, look: Operation) -> bool:
        """Whether the state is what a get has returned, or a text that appending makes into it."""
        if look.input.name != "get" or _reads(state, look.output):
            return True
        return isinstance(look.output, str) and look.output.startswith("" if state is None else str(state[1]))

    def may_bring_about(self, operation: Operation, look: Operation) -> bool:
        """Whether the operation sets what a get has returned or the beginning of it, or deletes the key."""
        call: ValueCall = operation.input
        if call.name == "set":
            return self.may_become(_present(call.value), look)
        return call.name == "delete" and self.may_become(None, look)


def _present(value: Hashable) -> tuple[bool, Hashable]:
    return isinstance(value, bool), value


def _reads(state: ValueState, output: Any) -> bool:
    if state is None:
        return output is None
    return isinstance(output, bool) is state[0] and bool(output == state[1])
