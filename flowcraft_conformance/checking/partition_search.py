"""The search of one partition of a history, in turns.

Wing and Gong's search with Lowe's two improvements: configurations that were met before are not searched again, and a
call is placed only when a return asks for it. The search goes from end to end, and at each one looks for a *plan*: some
pending calls, then the one that returns there. The plans with the fewest never-returned calls come first.

Three rules make it short, none of which loses an order:

* A call that only looks, and has seen what is there now, is placed now: it keeps no other call from its place. (A call
  that merely changes nothing *here* is not: a write of the same value may be needed after another write.)
* Of never-returned calls with the same input the one that started first is placed first: they could change places.
* A configuration is left if another was searched with the same state and the same returned calls placed, and none but
  these of the never-returned ones: it could do whatever this one can.

A model that foresees what cannot come about any more (``foresight``) ends wrong orders earlier still.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from flowcraft_conformance.checking.call_order import CallOrder
from flowcraft_conformance.checking.foresight import Foresight
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import ForeseeingModel, Model, ObservingModel, TimedModel

_PAUSE = 500
"""Steps after which a search for plans lets its caller look at the budget."""
_ENTRY_BYTES = 300
"""What a remembered configuration takes, its state aside."""
_CALL_BYTES = 400
"""What the tables take for one call."""

_Path = tuple[Any, int] | None
"""The placed calls, last first: a chain of (the ones before, number); a never-returned call k is ~k."""
_Step = Callable[[Any, Operation, float], Sequence[Any]]


class Configuration(NamedTuple):
    """What has been placed, and the state after it.

    All returned calls before position ``at`` are placed, of the pending ones those with their bits in ``mask``, and of
    the never-returned calls the set ``used`` (bits too).
    """

    at: int
    mask: int
    state: Any
    used: int
    path: _Path


class Attempt(NamedTuple):
    """How far an order came: how many returns, its calls, and the call that had to be next and cannot be."""

    reached: int
    placed: tuple[Operation, ...]
    blocked: tuple[Operation, ...]


class _Choice:
    """A configuration on the stack, with what has not been tried from it: first the call that returns, then plans."""

    __slots__ = ("configuration", "outcomes", "plans")

    def __init__(self, configuration: Configuration, outcomes: list[Any]) -> None:
        self.configuration = configuration
        self.outcomes = outcomes
        self.plans: Iterator[Configuration | None] | None = None


class PartitionSearch:
    """The search of one partition. ``steps`` counts applications of the model, ``held`` estimates bytes of memory.

    With ``foresees`` it gives up an order as soon as the model foresees its end: the verdict comes earlier, but what it
    tells of the way there does not reach as far as could be.
    """

    def __init__(self, operations: Sequence[Operation], model: Model[Any], *, foresees: bool = True) -> None:
        self.operations = operations
        self.steps = 0
        self._order = order = CallOrder(operations)
        self.held = sum(_CALL_BYTES + 8 * len(pending) for pending in order.pending)
        self._step, self._is_timed = _stepper(operations, model)
        self._looks = _looks(order.returned, model)
        self._foresight: Foresight | None = None
        if foresees and isinstance(model, ForeseeingModel):
            self._foresight = Foresight(order, model, self._looks)
        self._forced = self._without_choice()
        self._explored: dict[tuple[int, int, Hashable], tuple[int, ...]] = {}
        self._stack: list[_Choice] = []
        self._here: Configuration | None = Configuration(0, 0, model.initial(), 0, None)
        self._furthest: Configuration | None = None

    def run(self, budget: int) -> bool | None:
        """Search for about so many more steps. True: there is an order; False: there is none; None: not yet known."""
        limit = self.steps + budget
        last = len(self._order.returned)
        while True:
            here = self._here
            if here is not None and here.at == last:
                return True
            if here is None and not self._stack:
                return False
            if self.steps >= limit:
                return None
            if here is None:
                self._here = self._resume()
            else:
                self._here = self._walk(here) if self._forced[here.at] else self._visit(here)

    def attempt(self) -> Attempt:
        """The order that came furthest of those that could not go on; before there is one, the order tried now."""
        order, configuration = self._order, self._furthest
        blocked: Sequence[Operation] = ()
        if configuration is not None:
            blocked = order.returned[configuration.at : configuration.at + 1]
        else:
            configuration = self._here
        if configuration is None:
            return Attempt(0, (), ())
        placed = []
        path = configuration.path
        while path is not None:
            path, number = path
            placed.append(order.returned[number] if number >= 0 else order.open[~number])
        return Attempt(configuration.at, tuple(reversed(placed)), tuple(blocked))

    def forget(self) -> None:
        """Free the memory; the search cannot go on."""
        self._explored, self._stack, self._here, self.held = {}, [], None, 0

    def _without_choice(self) -> bytearray:
        """1 at each position where no other call is pending than the one that returns; 0 after the last."""
        order = self._order
        first_open = order.open_starts[0] if order.open_starts else float("inf")
        forced = bytearray(
            not pending and end < first_open for pending, end in zip(order.pending, order.ends, strict=True)
        )
        forced.append(0)
        return forced

    # Moves: each returns the configuration to go on from, or None where the stack has to tell.

    def _walk(self, here: Configuration) -> Configuration | None:
        """Place calls that have no alternative."""
        if not self._is_new(here):
            return None
        at, mask, state, used, path = here
        first, step, forced = at, self._step, self._forced
        calls, ends = self._order.returned, self._order.ends
        while forced[at]:
            outcomes = step(state, calls[at], ends[at])
            if len(outcomes) != 1:
                self.steps += at - first + 1
                return self._branch(Configuration(at, mask, state, used, path), outcomes)
            state = outcomes[0]
            path = (path, at)
            at += 1
        self.steps += at - first
        return Configuration(at, mask, state, used, path)

    def _visit(self, here: Configuration) -> Configuration | None:
        """Place the call that returns next: outright if it only looks, else as the first of several choices."""
        outcomes = self._outcomes(here, here.at)
        if self._looks[here.at] and here.state in outcomes:
            return self._placed(here, here.at, here.state)
        here = self._absorbed(here)
        if self._is_hopeless(here) or not self._is_new(here):
            return None
        return self._branch(here, outcomes)

    def _branch(self, here: Configuration, outcomes: Sequence[Any]) -> Configuration | None:
        if not outcomes:
            self._note(here)
        self._stack.append(_Choice(here, list(reversed(outcomes))))
        return self._resume()

    def _resume(self) -> Configuration | None:
        """The next thing to try from the top of the stack."""
        choice = self._stack[-1]
        if choice.outcomes:
            return self._placed(choice.configuration, choice.configuration.at, choice.outcomes.pop())
        if choice.plans is None:
            choice.plans = self._plans(choice.configuration)
        for plan in choice.plans:
            return plan
        self._stack.pop()
        return None

    def _note(self, here: Configuration) -> None:
        if self._furthest is None or _reach(here) > _reach(self._furthest):
            self._furthest = here

    # Configurations.

    def _outcomes(self, here: Configuration, number: int) -> Sequence[Any]:
        """The states after the returned call ``number``."""
        self.steps += 1
        order = self._order
        return self._step(here.state, order.returned[number], order.ends[here.at])

    def _placed(self, here: Configuration, number: int, state: Any) -> Configuration:
        """The configuration with a returned call added, moved on to the next call that is not placed."""
        order = self._order
        at, bits = here.at, order.bits
        mask = here.mask | bits[number]
        while mask and mask & bits[at]:  # after the last one nothing is left in the mask
            mask ^= bits[at]
            at += 1
        return Configuration(at, mask, state, here.used, (here.path, number))

    def _absorbed(self, here: Configuration) -> Configuration:
        """The configuration with all pending calls placed that only look and have seen this state."""
        at, mask, state, used, path = here
        for number in self._order.pending[at]:
            bit = self._order.bits[number]
            if self._looks[number] and not mask & bit and state in self._outcomes(here, number):
                mask |= bit
                path = (path, number)
        return here if mask == here.mask else Configuration(at, mask, state, used, path)

    def _is_hopeless(self, here: Configuration) -> bool:
        """Whether what the next call that only looks has seen cannot come about any more."""
        foresight = self._foresight
        return foresight is not None and not foresight.sees_a_way(here.at, here.mask, here.state)

    def _is_new(self, here: Configuration) -> bool:
        """Whether no configuration that can do at least as much was searched; remembers this one."""
        key = (here.at, here.mask, here.state)
        known = self._explored.get(key)
        if known is None:
            self._explored[key] = (here.used,)
            self.held += _ENTRY_BYTES + _size(here.state)
            return True
        if any(used & ~here.used == 0 for used in known):
            return False
        self._explored[key] = (*known, here.used)
        self.held += _ENTRY_BYTES
        return True

    # Plans.

    def _plans(self, root: Configuration) -> Iterator[Configuration | None]:
        """All ways to place the call that returns at ``root`` after other pending ones; None asks for a pause."""
        level = [root]
        pause = self.steps + _PAUSE
        while level:
            following: list[Configuration] = []
            for here in level:  # grows while it is read
                yield from self._one_more(here, level, following)
                if self.steps > pause:
                    yield None
                    pause = self.steps + _PAUSE
            level = following

    def _one_more(
        self, here: Configuration, level: list[Configuration], following: list[Configuration]
    ) -> Iterator[Configuration]:
        """The plans with one call more than ``here``; the configurations before the return are added to the levels."""
        for number in self._order.pending[here.at]:
            if here.mask & self._order.bits[number] or (self._looks[number] and not self._is_timed):
                continue
            for state in self._outcomes(here, number):
                yield from self._then_the_returning(self._placed(here, number, state), level)
        for after in self._opened(here):
            yield from self._then_the_returning(after, following)

    def _opened(self, here: Configuration) -> Iterator[Configuration]:
        """The configurations with one never-returned call more that has an effect."""
        order, latest = self._order, self._order.ends[here.at]
        started = order.open_by(latest)
        for numbers, members in order.open_classes:
            count = (here.used & members).bit_count()
            if count < len(numbers) and numbers[count] < started:
                number = numbers[count]
                self.steps += 1
                for state in self._step(here.state, order.open[number], latest):
                    if state != here.state:
                        used = here.used | 1 << number
                        yield Configuration(here.at, here.mask, state, used, (here.path, ~number))

    def _then_the_returning(self, here: Configuration, queue: list[Configuration]) -> Iterator[Configuration]:
        """Place the call that returns, if it can be; and keep the configuration for plans with more calls before it."""
        outcomes = self._outcomes(here, here.at)
        if self._looks[here.at] and here.state in outcomes:
            yield self._placed(here, here.at, here.state)
            return
        here = self._absorbed(here)
        if not self._is_hopeless(here) and self._is_new(here):
            for state in outcomes:
                yield self._placed(here, here.at, state)
            queue.append(here)


def _reach(here: Configuration) -> tuple[int, int, int]:
    """How far an order came; of two that came equally far the one with fewer never-returned calls is easier to read."""
    return here.at, here.mask.bit_count(), -here.used.bit_count()


def _stepper(operations: Sequence[Operation], model: Model[Any]) -> tuple[_Step, bool]:
    """The model's step with a bound on the time, and whether that matters."""
    if isinstance(model, TimedModel):
        timed = model.prepare(operations).step_by
        return (lambda state, operation, latest: tuple(timed(state, operation, latest))), True
    step = model.step
    return (lambda state, operation, _latest: tuple(step(state, operation))), False


def _looks(calls: Sequence[Operation], model: Model[Any]) -> bytearray:
    if not isinstance(model, ObservingModel):
        return bytearray(len(calls))
    return bytearray(map(model.only_looks, calls))


def _size(state: Any) -> int:
    """About how many bytes a state takes."""
    if isinstance(state, tuple):
        return sys.getsizeof(state) + sum(map(sys.getsizeof, state))
    return sys.getsizeof(state)
