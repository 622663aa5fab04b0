"""The calls shown as a contradiction are one, and none of them is needless."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from flowcraft_conformance.checking.contradiction import smallest_contradiction
from flowcraft_conformance.checking.coordination_model import CoordinationModel, StoreCall
from flowcraft_conformance.checking.history import Operation
from tests.checking.random_histories import FAMILIES, random_history


def _weakened(history: Sequence[Operation], kept: Sequence[Operation]) -> list[Operation]:
    last = max(one.start if one.end is None else one.end for one in kept)
    return [
        one if any(one is other for other in kept) else replace(one, end=None, output=None)
        for one in history
        if one.start <= last
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_no_order_explains_the_calls_and_one_explains_all_but_any_of_them(name: str) -> None:
    family, dice, found = FAMILIES[name], random.Random(name), 0
    while found < 100:
        history = random_history(family, dice)
        if family.judge(history):
            continue
        found += 1
        calls = smallest_contradiction(history, family.model).calls
        assert not family.judge(_weakened(history, calls)), history
        for needed in calls:
            fewer = [one for one in calls if one is not needed]
            assert not fewer or family.judge(_weakened(history, fewer)), (needed, history)


def test_a_lost_update_among_many_calls_is_two_calls() -> None:
    increments = [
        Operation(client, StoreCall("increment", "k", ttl=60), float(client), client + 1.5, client + 1)
        for client in range(20)
    ]
    increments[12] = replace(increments[12], output=12)
    model = CoordinationModel(granularity=0.0, lag=0.0)
    found = smallest_contradiction(increments, model)
    assert [one.client for one in found.calls] == [11, 12]
    assert [one.client for one in found.others] == [*range(11), 13]


def test_a_call_that_cannot_be_by_itself_stands_alone() -> None:
    history = [
        Operation(0, StoreCall("increment", "k", ttl=60), 0.0, 1.0, 1),
        Operation(1, StoreCall("increment", "k", ttl=60), 0.5, None),
        Operation(2, StoreCall("increment", "k", ttl=60), 2.0, 3.0, 4),
    ]
    found = smallest_contradiction(history, CoordinationModel(granularity=0.0, lag=0.0))
    assert [one.client for one in found.calls] == [2]
    assert [one.client for one in found.others] == [0, 1]
