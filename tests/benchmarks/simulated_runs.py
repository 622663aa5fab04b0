"""Long histories of a right object behind many clients, some of whose calls never return."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flowcraft_conformance.checking.coordination_model import StoreCall
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import ValueCall
from tests.checking.random_histories import Step, key_value_step, store_step

_CALL_SECONDS = 0.002
_TIMEOUT_SECONDS = 0.5
_LATEST_SECONDS = 5.0
"""How long after its start a call that never returned may still take effect."""


@dataclass(frozen=True)
class Load:
    """What the clients of a run do; a call that never returns happens with probability ``lost``."""

    calls: int
    clients: int
    keys: int
    lost: float
    draw: Callable[[random.Random, str, int], Any]
    step: Step


def clean_key_value_run() -> Load:
    """20,000 calls on 20 keys, all of which return."""
    return Load(20_000, 10, 20, 0.0, _value_call, key_value_step)


def faulty_store_run(keys: int) -> Load:
    """45,000 calls of a coordination store with leases of seconds, one in fifty never returned."""
    return Load(45_000, 20, keys, 0.02, _store_call, store_step)


def simulate(load: Load, *, seed: int) -> list[Operation]:
    """The history of a run. A client whose call is lost waits for its timeout and goes on under a new number."""
    dice = random.Random(seed)
    ready = [(dice.random() * _CALL_SECONDS, client) for client in range(load.clients)]
    new_client = load.clients
    calls: list[Operation] = []
    moments: list[tuple[float, int]] = []
    for number in range(load.calls):
        start, client = min(ready)
        ready.remove((start, client))
        call = load.draw(dice, f"k{dice.randrange(load.keys)}", number)
        if dice.random() < load.lost:
            calls.append(Operation(client, call, start, None))
            if dice.random() < 0.5:
                moments.append((start + _LATEST_SECONDS * dice.random() ** 4, number))
            ready.append((start + _TIMEOUT_SECONDS, new_client))
            new_client += 1
        else:
            end = start + dice.expovariate(1 / _CALL_SECONDS)
            calls.append(Operation(client, call, start, end))
            moments.append((dice.uniform(start, end), number))
            ready.append((end + dice.random() * _CALL_SECONDS, client))
    states: dict[str, Any] = {}
    for moment, number in sorted(moments):
        key = calls[number].input.key
        states[key], output = load.step(states.get(key), calls[number].input, moment)
        if calls[number].end is not None:
            calls[number] = replace(calls[number], output=output)
    return calls


def with_a_value_before_its_time(operations: list[Operation], *, after: float) -> list[Operation]:
    """The same history where, after a part of the run, a get has returned a text that was only set later."""
    changed = list(operations)
    for number in range(int(len(operations) * after), len(operations)):
        look = operations[number]
        if look.input.name != "get" or look.end is None:
            continue
        for later in operations[number:]:
            setting = later.input.name == "set_if_not_exist" and later.input.key == look.input.key
            if setting and later.start > look.end:
                changed[number] = replace(look, output=later.input.value)
                return changed
    raise AssertionError("no get before a set_if_not_exist")


def _value_call(dice: random.Random, key: str, number: int) -> ValueCall:
    name = dice.choice(("get", "get", "get", "has", "set", "set", "delete"))
    return ValueCall(name, key, f"v{number}" if name == "set" else None)


def _store_call(dice: random.Random, key: str, number: int) -> StoreCall:
    what = dice.random()
    if what < 0.35:
        return StoreCall("increment", key, ttl=dice.choice((1, 2, 60)))
    if what < 0.5:
        return StoreCall("set_if_not_exist", key, f"v{number}", dice.choice((1, 2, 60)))
    if what < 0.65:
        return StoreCall("delete", key)
    if what < 0.75:
        return StoreCall("extend_ttl", key, ttl=dice.choice((1, 2, 60)))
    return StoreCall("get", key)
