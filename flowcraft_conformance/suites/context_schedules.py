"""Contexts of this process under chosen schedules: what goes wrong only when a task is slow at one certain await."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.checking.models import KeyValueModel
from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.races import judge_history
from flowcraft_conformance.harness.schedules import after, race, search_schedules
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.context_races import operation_of
from flowcraft_conformance.suites.suite import checks

_APART = 0.01
"""Virtual seconds between the starts of callers: in asyncio's own order they never meet."""


class ContextSchedules:
    """What must hold in whatever order the loop takes the steps of its tasks; for contexts of this process."""

    @checks("CTX-RACE-01")
    def test_no_schedule_loses_a_write_to_another_key(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2)
            if existing := program >= 4:
                await clients[0].set("before", 1)
            await race(
                [
                    after(_APART * (program % 2) * client.number, _write(client, by_patch=program // 2 % 2 == 1))
                    for client in clients
                ]
            )
            want = {"k0": 0, "k1": 1} | ({"before": 1} if existing else {})
            got = await clients[0].to_dict()
            if got != want:
                raise space.violated(f"after concurrent writes to different keys to_dict gave {got!r}, want {want!r}")

        search_schedules(flowcraft_context_bench, body, programs=8)

    @checks("CTX-RACE-02")
    def test_every_history_of_a_key_under_every_schedule_is_linearizable(
        self, flowcraft_context_bench: ContextBench
    ) -> None:
        async def body(space: ContextSpace, dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program % 2)
            apart = _APART * dice.randint(0, 1)
            await race([after(apart * client.number, _random_calls(client, dice)) for client in clients])
            judge_history(space, [operation_of(record) for record in space.recorder.records], KeyValueModel())

        search_schedules(flowcraft_context_bench, body, programs=20)

    @checks("CTX-RACE-03")
    def test_no_schedule_hides_two_writers_from_each_other(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            one, other = await space.clients(2)
            look = ("get", "has", "to_dict")[program // 2]
            seen = await race(
                [
                    _write_and_look(one, "x", "y", look),
                    after(_APART * (program % 2), _write_and_look(other, "y", "x", look)),
                ]
            )
            if not any(seen):
                raise space.violated("each of two clients wrote its key and then did not see the other's")

        search_schedules(flowcraft_context_bench, body, programs=6)


def _write(client: ContextClient, *, by_patch: bool) -> Callable[[], Awaitable[Any]]:
    key, value = f"k{client.number}", client.number
    if by_patch:
        return lambda: client.patch([SetOp(key, value)])
    return lambda: client.set(key, value)


def _random_calls(client: ContextClient, dice: random.Random) -> Callable[[], Awaitable[None]]:
    chosen = dice.choices(("set", "delete", "has", "get"), (4, 2, 1, 3), k=dice.randint(1, 3))

    async def calls() -> None:
        for number, name in enumerate(chosen):
            arguments = ("k", f"v{client.number}.{number}") if name == "set" else ("k",)
            await getattr(client, name)(*arguments)

    return calls


def _write_and_look(client: ContextClient, own: str, others: str, look: str) -> Callable[[], Awaitable[bool]]:
    async def calls() -> bool:
        await client.set(own, 1)
        if look == "to_dict":
            return others in await client.to_dict()
        return bool(await getattr(client, look)(others))

    return calls
