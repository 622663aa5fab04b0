"""What the models promise the search, tried on every state and call that small histories meet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from flowcraft_conformance.checking.coordination_model import CoordinationModel, StoreCall
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import (
    ForeseeingModel,
    KeyValueModel,
    Model,
    ObservingModel,
    Present,
    RegisterCall,
    RegisterModel,
    TimedModel,
    ValueCall,
)
from tests.checking.random_histories import FAMILIES, Family


def met(family: Family, dice: random.Random) -> Iterator[tuple[Any, Operation]]:
    """States on the way of random walks, each with an operation: its output right, wrong, or never seen."""
    state = family.model.initial()
    for _ in range(4000):
        call = family.draw(dice)
        start = dice.randint(0, 20) / 2
        end = None if dice.random() < 0.1 else start + dice.randint(0, 4) / 2
        for output in (None, True, False, *family.answers(call)):
            operation = Operation(0, call, start, end, output)
            yield state, operation
            following = list(family.model.step(state, operation))
            if following and dice.random() < 0.3:
                state = dice.choice(following)
        if dice.random() < 0.2:
            state = family.model.initial()


@pytest.mark.parametrize("name", FAMILIES)
def test_what_only_looks_changes_no_state(name: str) -> None:
    family, looks = FAMILIES[name], 0
    model = family.model
    assert isinstance(model, ObservingModel)
    for state, operation in met(family, random.Random(name)):
        if operation.end is not None and model.only_looks(operation):
            following = set(model.step(state, operation))
            allowed = {state, model.initial()} if isinstance(model, TimedModel) else {state}  # it may have expired
            assert following <= allowed, (state, operation)
            looks += len(following)
    assert looks > 100


def test_what_comes_about_was_foreseen() -> None:
    model, family, dice = KeyValueModel(), FAMILIES["key-value"], random.Random(1)
    assert isinstance(model, ForeseeingModel)
    pairs, denied = list(met(family, dice)), 0
    looks = [operation for _, operation in pairs if operation.end is not None and model.only_looks(operation)]
    for state, operation in pairs:
        look = dice.choice(looks)
        for after in model.step(state, operation):
            if model.may_become(after, look):
                assert model.may_become(state, look) or model.may_bring_about(operation, look), (state, operation, look)
            else:
                denied += 1
                assert not list(model.step(after, look))
    assert denied > 100


@pytest.mark.parametrize("name", ["exact store", "store in whole seconds", "slow store"])
def test_a_later_bound_allows_at_least_as_much(name: str) -> None:
    model, dice, more = FAMILIES[name].model, random.Random(name), 0
    assert isinstance(model, TimedModel)
    for state, operation in met(FAMILIES[name], dice):
        early = operation.start + dice.randint(0, 3) / 2
        earlier = set(model.step_by(state, operation, early))
        later = set(model.step_by(state, operation, early + dice.randint(0, 8) / 2))
        assert earlier <= later, (state, operation)
        more += earlier != later
    assert more > 50


def test_a_lease_that_cannot_end_within_the_history_makes_no_state_of_its_own() -> None:
    calls = [Operation(0, StoreCall("increment", "k", ttl=60), number, number + 0.5, number + 1) for number in range(5)]
    model = CoordinationModel(1, 1).prepare(calls)
    (once,) = model.step(model.initial(), calls[0])
    (again,) = model.step(model.initial(), Operation(0, calls[0].input, 3, 3.5, 1))
    assert once == again
    unprepared = CoordinationModel(1, 1)
    (once,) = unprepared.step(unprepared.initial(), calls[0])
    (again,) = unprepared.step(unprepared.initial(), Operation(0, calls[0].input, 3, 3.5, 1))
    assert once != again


@pytest.mark.parametrize(
    ("value", "output", "fits"),
    [
        (1, 1, True), (1, 1.0, True), (1, True, False), (True, 1, False), (True, True, True), (0, False, False),
        ("1", 1, False), ("", None, False), ("a", "a", True),
    ],
)  # fmt: skip
def test_a_key_value_model_keeps_bools_and_numbers_apart(value: Any, output: object, fits: bool) -> None:
    model = KeyValueModel()
    (state,) = model.step(model.initial(), Operation(0, ValueCall("set", "k", value), 0, 1))
    assert bool(model.step(state, Operation(0, ValueCall("get", "k"), 2, 3, output))) is fits
    given = KeyValueModel(Present(value)).initial()
    assert given == state


def test_equal_states_cannot_be_told_apart() -> None:
    model = KeyValueModel()
    states = [model.step(None, Operation(0, ValueCall("set", "k", value), 0, 1))[0] for value in (1, True, 0, False)]
    assert len(set(states)) == 4


@pytest.mark.parametrize(
    ("model", "call"),
    [
        (RegisterModel(), RegisterCall("cas", 1)),
        (KeyValueModel(), ValueCall("pop", "k")),
        (CoordinationModel(1, 1), StoreCall("incr", "k")),
    ],
)
def test_a_call_that_does_not_exist_is_an_error(model: Model[Any], call: object) -> None:
    with pytest.raises(ValueError, match="no such call"):
        list(model.step(model.initial(), Operation(0, call, 0, 1)))


def test_a_ttl_that_should_have_been_refused_promises_only_an_end() -> None:
    model = CoordinationModel(0, 0)
    taken = Operation(0, StoreCall("set_if_not_exist", "k", "x", -5), 1, 2, True)
    (state,) = model.step(model.initial(), taken)
    gone = Operation(0, StoreCall("get", "k"), 1.5, 1.6, None)
    there = Operation(0, StoreCall("get", "k"), 3.5, 3.6, "x")
    assert [after.value for after in model.step(state, gone)] == [None]
    assert list(model.step(state, there)) == []
