"""Stores of this process under chosen schedules: what goes wrong only when a task is slow at one certain await."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

from flowcraft_conformance.checking.coordination_model import CoordinationModel
from flowcraft_conformance.checking.history import raised_as_open
from flowcraft_conformance.harness.calls import StoreClient, TargetRaised
from flowcraft_conformance.harness.races import judge_history
from flowcraft_conformance.harness.schedules import after, cut_off, race, search_schedules
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.suites.coordination_races import operation_of
from flowcraft_conformance.suites.suite import checks

_TTL = 600
_APART = 0.01
"""Virtual seconds between the starts of callers: in asyncio's own order they never meet."""
_CUTS = range(7)
_Call = tuple[str, tuple[Any, ...]]
_CALLS: tuple[_Call, ...] = (
    ("increment", (_TTL,)),
    ("set_if_not_exist", ("cut", _TTL)),
    ("extend_ttl", (_TTL,)),
    ("delete", ()),
    ("get", ()),
)
_PAIRS = list(combinations_with_replacement(_CALLS, 2))
"""Every two operations meet, on an absent and on a present key."""


class CoordinationSchedules:
    """What must hold in whatever order the loop takes the steps of its tasks; for stores of this process."""

    @checks("COORD-INC-03")
    def test_no_schedule_loses_an_increment(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program // 2)
            apart = _APART * (program % 2)
            got = await race(
                [after(apart * client.number, _increments(client, space.key(), 1 + program // 2)) for client in clients]
            )
            counts = [count for counted in got for count in counted]
            if sorted(counts, key=repr) != sorted(range(1, len(counts) + 1), key=repr):
                raise space.violated(
                    f"{len(counts)} increments by {len(clients)} clients returned {counts!r}, want each of 1 to "
                    f"{len(counts)} once"
                )

        search_schedules(flowcraft_store_bench, body, programs=4)

    @checks("COORD-SET-03")
    def test_no_schedule_has_two_winners(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program // 2)
            apart = _APART * (program % 2)
            won = await race([after(apart * client.number, _sets(client, space.key())) for client in clients])
            stored = await clients[0].get(space.key())
            winners = [f"v{number}" for number, result in enumerate(won) if result is True]
            if winners != [stored]:
                raise space.violated(
                    f"set_if_not_exist told {winners!r} that they won, and {stored!r} is stored: want one winner's"
                )

        search_schedules(flowcraft_store_bench, body, programs=4)

    @checks("COORD-LIN-01")
    def test_every_history_under_every_schedule_is_linearizable(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program % 2)
            plans = [dice.choices(_CALLS, (5, 3, 1, 2, 2), k=dice.randint(1, 3)) for _ in clients]
            if program < 2 * len(_PAIRS):
                present, pair = divmod(program, len(_PAIRS))
                plans = [[call] for call in _PAIRS[pair]]
                if present:
                    await clients[0].increment(space.key(), _TTL)
            apart = _APART * dice.randint(0, 1)
            await race(
                [after(apart * number, _plan(clients[number], space.key(), plan)) for number, plan in enumerate(plans)]
            )
            await clients[0].get(space.key())
            _judge(space)

        search_schedules(flowcraft_store_bench, body, programs=2 * len(_PAIRS) + 10)

    @checks("COORD-ERR-04")
    def test_a_call_cut_off_at_any_await_disturbs_no_other(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(3)
            if program == 0:
                await race([_plan(clients[0], space.key(), _CALLS)])
                return
            kind, steps = divmod(program - 1, len(_CUTS))
            name, arguments = _CALLS[kind]
            key = space.key()
            await clients[2].increment(key, _TTL)
            await race(
                [
                    cut_off(lambda: getattr(clients[0], name)(key, *arguments), steps),
                    lambda: clients[1].increment(key, _TTL),
                    _looks(clients[2], key),
                ]
            )
            for client in clients:
                await client.set_if_not_exist(space.key("after"), "v", _TTL)
                await client.increment(key, _TTL)
            _judge(space)

        search_schedules(flowcraft_store_bench, body, programs=1 + len(_CALLS) * len(_CUTS))


def _increments(client: StoreClient, key: str, times: int) -> Callable[[], Awaitable[list[Any]]]:
    async def calls() -> list[Any]:
        return [await client.increment(key, _TTL) for _ in range(times)]

    return calls


def _looks(client: StoreClient, key: str) -> Callable[[], Awaitable[None]]:
    async def calls() -> None:
        await client.get(key)
        await client.extend_ttl(key, _TTL)

    return calls


def _sets(client: StoreClient, key: str) -> Callable[[], Awaitable[Any]]:
    return lambda: client.set_if_not_exist(key, f"v{client.number}", _TTL)


def _plan(client: StoreClient, key: str, plan: Sequence[_Call]) -> Callable[[], Awaitable[None]]:
    async def calls() -> None:
        for name, arguments in plan:
            try:
                await getattr(client, name)(key, *arguments)
            except TargetRaised as raised:
                if name != "increment" or isinstance(raised.error, TimeoutError):
                    raise  # only an increment of a text may

    return calls


def _judge(space: StoreSpace) -> None:
    """The calls of this run have an order that explains them; one that raised or was cut off may have taken effect."""
    judge_history(
        space,
        raised_as_open([operation_of(record) for record in space.recorder.records]),
        CoordinationModel(space.capabilities.ttl_granularity, space.capabilities.ttl_lag),
        partition=lambda operation: operation.input.key,
    )
