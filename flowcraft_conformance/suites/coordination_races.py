"""Many callers at once: each race is recorded and judged as a history, never by its timing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flowcraft_conformance.checking.coordination_model import CoordinationModel, Raised, StoreCall
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import CallRecord, StoreClient, TargetRaised
from flowcraft_conformance.harness.races import judge_history, start_together
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.suites.suite import checks

_LONG_TTL = 600
"""Seconds: no key of a race expires while it runs."""


class CoordinationRaces:
    """What must hold however the calls of several clients interleave."""

    @checks("COORD-INC-03")
    def test_concurrent_increments_are_all_counted(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            racers = space.profile.racers
            clients = await space.clients(4)
            for number in range(space.profile.rounds):
                key = space.key(f"k{number}")
                space.recorder.records.clear()
                got = await start_together(
                    [_incrementer(clients[racer % 4], key) for racer in range(racers)],
                    dice=flowcraft_store_bench.random(),
                )
                if sorted(got, key=repr) != sorted(range(1, racers + 1), key=repr):
                    raise _duplicates(space, got)

        flowcraft_store_bench.run(body)

    @checks("COORD-SET-03")
    def test_exactly_one_of_many_setters_wins(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            racers = space.profile.racers
            clients = await space.clients(4)
            for number in range(space.profile.rounds):
                space.recorder.records.clear()
                await _one_winner(space, clients, racers, space.key(f"k{number}"), flowcraft_store_bench.random())

        flowcraft_store_bench.run(body)

    @checks("COORD-SET-04")
    def test_after_a_delete_exactly_one_wins_again(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            clients = await space.clients(4)
            for number in range(space.profile.rounds):
                key = space.key(f"k{number}")
                await clients[0].set_if_not_exist(key, "first", _LONG_TTL)
                await clients[1].delete(key)
                space.recorder.records.clear()
                await _one_winner(space, clients, space.profile.racers, key, flowcraft_store_bench.random())

        flowcraft_store_bench.run(body)

    @checks("COORD-LIN-01")
    def test_every_history_is_linearizable(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            dice = flowcraft_store_bench.random()
            clients = await space.clients(8)
            for number in range(4 * space.profile.rounds):
                keys = [space.key(f"r{number}-{name}") for name in ("a", "b")[: dice.randint(1, 2)]]
                space.recorder.records.clear()
                chosen = clients[: dice.choice((2, 3, 5, 8))]
                await start_together([_random_calls(client, keys, dice) for client in chosen], dice=dice)
                operations = [operation_of(record) for record in space.recorder.records]
                judge_history(
                    space,
                    operations,
                    CoordinationModel(space.capabilities.ttl_granularity, space.capabilities.ttl_lag),
                    partition=lambda operation: operation.input.key,
                )

        flowcraft_store_bench.run(body)


def _incrementer(client: StoreClient, key: str) -> Callable[[], Awaitable[Any]]:
    return lambda: client.increment(key, _LONG_TTL)


def _duplicates(space: StoreSpace, got: Sequence[Any]) -> ClauseViolation:
    repeated = sorted({value for value in got if list(got).count(value) > 1}, key=repr)
    missing = [value for value in range(1, len(got) + 1) if value not in got]
    said = f"{len(got)} concurrent increments"
    if repeated:
        said += f" returned {', '.join(map(repr, repeated[:4]))} more than once"
    if missing:
        said += f" and never {', '.join(map(str, missing[:4]))}"
    involved = [record for record in space.recorder.records if record.output in repeated]
    space.recorder.records[:] = involved[:8] or space.recorder.records
    return space.violated(said)


async def _one_winner(
    space: StoreSpace, clients: Sequence[StoreClient], racers: int, key: str, dice: random.Random
) -> None:
    def setter(racer: int) -> Callable[[], Awaitable[Any]]:
        return lambda: clients[racer % len(clients)].set_if_not_exist(key, f"v{racer}", _LONG_TTL)

    won = await start_together([setter(racer) for racer in range(racers)], dice=dice)
    stored = await clients[0].get(key)
    winners = [racer for racer, result in enumerate(won) if result is True]
    odd = [result for result in won if not isinstance(result, bool)]
    if odd:
        raise space.violated(f"set_if_not_exist returned {odd[0]!r}, want True or False")
    if len(winners) != 1:
        raise space.violated(f"{len(winners)} of {racers} concurrent callers were told that they won, want exactly 1")
    if stored != f"v{winners[0]}":
        raise space.violated(f"the key holds {stored!r}, want the winner's {f'v{winners[0]}'!r}")


def _random_calls(client: StoreClient, keys: Sequence[str], dice: random.Random) -> Callable[[], Awaitable[None]]:
    chosen = [(dice.choice(keys), dice.random(), dice.randint(0, 3)) for _ in range(dice.randint(3, 7))]

    async def calls() -> None:
        for number, (key, what, pause) in enumerate(chosen):
            for _ in range(pause):
                await asyncio.sleep(0)
            try:
                await _one_call(client, key, what, f"c{client.number}.{number}")
            except TargetRaised:  # it is in the history; an increment of text may raise
                continue

    return calls


async def _one_call(client: StoreClient, key: str, what: float, value: str) -> None:
    if what < 0.4:
        await client.increment(key, _LONG_TTL)
    elif what < 0.6:
        await client.set_if_not_exist(key, value, _LONG_TTL)
    elif what < 0.75:
        await client.delete(key)
    elif what < 0.85:
        await client.extend_ttl(key, _LONG_TTL)
    else:
        await client.get(key)


def operation_of(record: CallRecord) -> Operation:
    """A recorded call of a store as the checker of histories takes it."""
    key, *rest = record.arguments
    call = StoreCall(
        record.name,
        key,
        value=rest[0] if record.name == "set_if_not_exist" else None,
        ttl=rest[-1] if record.name in ("increment", "set_if_not_exist", "extend_ttl") else None,
    )
    output = record.output if record.error is None else Raised(type(record.error).__name__, str(record.error))
    return Operation(record.client, call, record.start, record.end, output)
