"""Small random histories: a right object behind clients that overlap, time out and now and then hear a wrong answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.coordination_model import CoordinationModel, Raised, StoreCall
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import (
    CasRegisterModel,
    KeyValueModel,
    Model,
    RegisterCall,
    RegisterModel,
    ValueCall,
)
from tests.checking.brute_force import StoreOrders, has_order

MOST_CALLS = 6
Step = Callable[[Any, Any, float], tuple[Any, Any]]
"""(state, input, moment) -> (state after, output)"""


@dataclass(frozen=True)
class Family:
    """Histories of one model: how calls are drawn, what a right object does, wrong answers, and the judges."""

    draw: Callable[[random.Random], Any]
    step: Step
    answers: Callable[[Any], Sequence[Any]]
    model: Model[Any]
    judge: Callable[[Sequence[Operation]], bool]


@dataclass(frozen=True)
class _Planned:
    client: int
    input: Any
    start: float
    end: float | None
    moment: float | None


def random_history(family: Family, dice: random.Random) -> list[Operation]:
    """Up to six calls; times are half seconds, so that many are equal."""
    planned = _planned(family, dice)
    happening = [number for number, call in enumerate(planned) if call.moment is not None]
    dice.shuffle(happening)  # what happens at one moment happens in any order
    happening.sort(key=lambda number: planned[number].moment or 0.0)
    state: Any = None
    outputs: dict[int, Any] = {}
    for number in happening:
        state, outputs[number] = family.step(state, planned[number].input, planned[number].moment or 0.0)
    wrong = [
        (number, answer)
        for number, output in outputs.items()
        for answer in family.answers(planned[number].input)
        if planned[number].end is not None and (type(answer), answer) != (type(output), output)
    ]
    if wrong and dice.random() < 0.5:
        number, answer = dice.choice(wrong)
        outputs[number] = answer
    return [
        Operation(call.client, call.input, call.start, call.end, None if call.end is None else outputs.get(number))
        for number, call in enumerate(planned)
    ]


def _planned(family: Family, dice: random.Random) -> list[_Planned]:
    calls = []
    free_from = [0.0] * dice.randint(2, 4)
    longest = dice.choice((1, 4, 10))
    for _ in range(dice.randint(2, MOST_CALLS)):
        client = dice.randrange(len(free_from))
        start = free_from[client] + dice.randint(0, 3) / 2
        end: float | None = start + dice.randint(0, longest) / 2
        moment: float | None = dice.randint(int(2 * start), int(2 * (end or 0))) / 2
        free_from[client] = end or 0
        if dice.random() < 0.2:
            end = None
            moment = start + dice.randint(0, 10) / 2 if dice.random() < 0.6 else None
            free_from[client] = start + 0.5
        calls.append(_Planned(client, family.draw(dice), start, end, moment))
    return calls


def _draw_register(dice: random.Random) -> RegisterCall:
    return RegisterCall("write", dice.randint(0, 2)) if dice.random() < 0.5 else RegisterCall("read")


def _draw_cas(dice: random.Random) -> RegisterCall:
    if dice.random() < 0.5:
        return RegisterCall("cas", dice.randint(0, 2), expected=dice.choice((None, 0, 1, 2)))
    return _draw_register(dice)


def _cas_register(state: Any, call: RegisterCall, _moment: float) -> tuple[Any, Any]:
    if call.name == "read":
        return state, state
    if call.name == "write":
        return call.value, None
    return (call.value, True) if state == call.expected else (state, False)


def _register_answers(call: RegisterCall) -> Sequence[Any]:
    return {"read": (None, 0, 1, 2), "write": (), "cas": (True, False)}[call.name]


def _draw_value_call(dice: random.Random) -> ValueCall:
    name = dice.choice(("get", "get", "set", "set", "has", "delete", "append"))
    return ValueCall(name, "k", dice.choice("ab") if name in ("set", "append") else None)


def key_value_step(state: str | None, call: ValueCall, _moment: float) -> tuple[str | None, Any]:
    if call.name == "get":
        return state, state
    if call.name == "has":
        return state, state is not None
    if call.name == "delete":
        return None, state is not None
    return ((state or "") + call.value if call.name == "append" else call.value), None


def _value_answers(call: ValueCall) -> Sequence[Any]:
    return {
        "get": (None, "a", "b", "ab"), "has": (True, False), "delete": (True, False), "set": (None, 0),
        "append": (None, 0),
    }[call.name]  # fmt: skip


def _draw_store_call(dice: random.Random) -> StoreCall:
    name = dice.choice(("increment", "increment", "set_if_not_exist", "get", "get", "delete", "extend_ttl"))
    value = dice.choice(("x", "y", "7")) if name == "set_if_not_exist" else None
    ttl = dice.randint(1, 4) if name in ("increment", "set_if_not_exist", "extend_ttl") else None
    return StoreCall(name, "k", value, ttl)


def store_step(state: tuple[Any, float] | None, call: StoreCall, moment: float) -> tuple[Any, Any]:
    if state is not None and state[1] <= moment:
        state = None
    value = None if state is None else state[0]
    deadline = moment + (call.ttl or 0)
    if call.name == "get":
        return state, None if value is None else str(value)
    if call.name == "delete":
        return None, None
    if call.name == "extend_ttl":
        return (None, False) if state is None else ((value, deadline), True)
    if call.name == "set_if_not_exist":
        return ((call.value, deadline), True) if state is None else (state, False)
    if isinstance(value, str) and not value.isdigit():
        return state, Raised("ValueError", "holds no number")
    return (int(value or 0) + 1, deadline), int(value or 0) + 1


def _store_answers(call: StoreCall) -> Sequence[Any]:
    return {
        "increment": (1, 2, 3, 8, Raised("OSError"), True), "set_if_not_exist": (True, False),
        "extend_ttl": (True, False), "get": (None, "x", "y", "1", "2", "7", "8"), "delete": (None, True),
    }[call.name]  # fmt: skip


def _untimed(draw: Any, step: Step, answers: Any, model: Model[Any]) -> Family:
    return Family(draw, step, answers, model, lambda operations: has_order(operations, model))


def _timed(granularity: float, lag: float) -> Family:
    judge = StoreOrders(granularity + 1e-6, lag + 1e-6).has_order  # the model leaves a microsecond for rounding
    return Family(_draw_store_call, store_step, _store_answers, CoordinationModel(granularity, lag), judge)


FAMILIES = {
    "register": _untimed(_draw_register, _cas_register, _register_answers, RegisterModel()),
    "cas register": _untimed(_draw_cas, _cas_register, _register_answers, CasRegisterModel()),
    "key-value": _untimed(_draw_value_call, key_value_step, _value_answers, KeyValueModel()),
    "exact store": _timed(0, 0),
    "store in whole seconds": _timed(1, 1),
    "slow store": _timed(0.5, 3),
}
