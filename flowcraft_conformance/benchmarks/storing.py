"""A coordination store's operations, one at a time and many in flight."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from flowcraft_conformance.benchmarks.plan import Rounds
from flowcraft_conformance.benchmarks.rounds import Lane, Now, Series, measure
from flowcraft_conformance.contract.protocols import ICoordinationStore
from flowcraft_conformance.harness.bench import clean_quietly

OPERATIONS = ("get", "set_if_not_exist", "increment", "extend_ttl", "delete")
IN_FLIGHT = (1, 64)
_TTL_SECONDS = 600


async def measure_store(
    open_store: Callable[[AsyncExitStack], Awaitable[ICoordinationStore]],
    rounds: Rounds,
    *,
    now: Now,
    call_within: float,
    seed: int,
) -> dict[tuple[str, int], Series]:
    """Every operation with so many calls in flight, on keys of their own; (operation, in flight) -> its series."""
    async with AsyncExitStack() as stack:
        store = await open_store(stack)
        lanes = {(name, count): _lane(store, name, count) for name in OPERATIONS for count in IN_FLIGHT}
        stack.push_async_callback(
            clean_quietly, [partial(store.delete, key) for _, keys in lanes.values() for key in keys]
        )
        measured = await measure(
            [lane for lane, _ in lanes.values()], rounds, now=now, call_within=call_within, dice=random.Random(seed)
        )
        return {which: measured[lane.name] for which, (lane, _) in lanes.items()}


def _lane(store: ICoordinationStore, name: str, count: int) -> tuple[Lane, list[str]]:
    keys = [f"fc-bench:{uuid.uuid4().hex[:12]}:{number}" for number in range(count)]
    call = _CALLS[name]

    async def once(_number: int) -> None:
        if count == 1:
            await call(store, keys[0])
        else:
            await _all(call, store, keys)

    before = _BEFORE.get(name)
    return Lane(f"{name}, {count} in flight", once, count, partial(_all, before, store, keys) if before else None), keys


async def _all(
    call: Callable[[ICoordinationStore, str], Awaitable[Any]], store: ICoordinationStore, keys: list[str]
) -> None:
    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(_one(call, store, key))


async def _one(call: Callable[[ICoordinationStore, str], Awaitable[Any]], store: ICoordinationStore, key: str) -> None:
    await call(store, key)


async def _put(store: ICoordinationStore, key: str) -> None:
    await store.set_if_not_exist(key, "value", _TTL_SECONDS)


_CALLS: dict[str, Callable[[ICoordinationStore, str], Awaitable[Any]]] = {
    "get": lambda store, key: store.get(key),
    "set_if_not_exist": lambda store, key: store.set_if_not_exist(key, "value", _TTL_SECONDS),
    "increment": lambda store, key: store.increment(key, _TTL_SECONDS),
    "extend_ttl": lambda store, key: store.extend_ttl(key, _TTL_SECONDS),
    "delete": lambda store, key: store.delete(key),
}
_BEFORE: dict[str, Callable[[ICoordinationStore, str], Awaitable[Any]]] = {
    "get": _put,
    "set_if_not_exist": lambda store, key: store.delete(key),
    "extend_ttl": _put,
    "delete": _put,
}
"""What stands there before a call: a key to read, to extend or to delete, and none where it is to be set."""
