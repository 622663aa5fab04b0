"""Several clients of one run at once: no update is lost, every history of a key has an explanation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import KeyValueModel, ValueCall
from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.harness.calls import CallRecord, ContextClient
from flowcraft_conformance.harness.races import judge_history, start_together
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.survivors import require_survivors

_TURNS = 2


class ContextRaces:
    """What must hold however the calls of several clients interleave."""

    @checks("CTX-RACE-01")
    def test_concurrent_writes_to_different_keys_all_survive(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(4, space.run_id(f"r{number}"))
                if existing := number % 2 == 1:
                    await clients[0].set("before", 1)
                space.recorder.records.clear()
                writers = range(space.profile.racers // 2)
                await start_together([_writer(clients[writer % 4], writer, dice) for writer in writers], dice=dice)
                want = {f"k{writer}n{turn}": writer for writer in writers for turn in range(_TURNS)}
                calls = [*space.recorder.records]
                await clients[0].to_dict()
                run = "an existing run" if existing else "a new run"
                want |= {"before": 1} if existing else {}
                require_survivors(space, calls, space.recorder.records[-1], want, "clients", run)

        flowcraft_context_bench.run(body)

    @checks("CTX-RACE-02")
    def test_histories_of_one_key_are_linearizable(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(dice.choice((3, 5)), space.run_id(f"r{number}"))
                space.recorder.records.clear()
                await start_together([_random_calls(client, dice) for client in clients], dice=dice)
                operations = [operation_of(record) for record in space.recorder.records]
                judge_history(space, operations, KeyValueModel())

        flowcraft_context_bench.run(body)

    @checks("CTX-RACE-03")
    def test_of_two_that_write_and_look_one_sees_the_other(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(2 * space.profile.rounds):
                one, other = await space.clients(2, space.run_id(f"r{number}"))
                space.recorder.records.clear()
                look = dice.choice(("get", "has", "to_dict"))
                seen = await start_together(
                    [_write_and_look(one, "x", "y", look, dice), _write_and_look(other, "y", "x", look, dice)],
                    dice=dice,
                )
                if not any(seen):
                    raise space.violated("each of two clients wrote its key and then did not see the other's")

        flowcraft_context_bench.run(body)


def _writer(client: ContextClient, number: int, dice: random.Random) -> Callable[[], Awaitable[None]]:
    """Writes keys of its own, one after the other: it comes back while others still write."""
    by_patch = [dice.random() < 0.5 for _ in range(_TURNS)]

    async def calls() -> None:
        for turn, patches in enumerate(by_patch):
            key = f"k{number}n{turn}"
            await (client.patch([SetOp(key, number)]) if patches else client.set(key, number))

    return calls


def _random_calls(client: ContextClient, dice: random.Random) -> Callable[[], Awaitable[None]]:
    chosen = [(dice.random(), dice.randint(0, 3)) for _ in range(dice.randint(2, 5))]

    async def calls() -> None:
        for number, (what, pause) in enumerate(chosen):
            for _ in range(pause):
                await asyncio.sleep(0)
            if what < 0.4:
                await client.set("k", f"c{client.number}.{number}")
            elif what < 0.6:
                await client.delete("k")
            elif what < 0.75:
                await client.has("k")
            else:
                await client.get("k")

    return calls


def operation_of(record: CallRecord) -> Operation:
    """A recorded call on one key of a context as the checker of histories takes it."""
    value = record.arguments[1] if record.name == "set" else None
    return Operation(record.client, ValueCall(record.name, "k", value), record.start, record.end, record.output)


def _write_and_look(
    client: ContextClient, own: str, others: str, look: str, dice: random.Random
) -> Callable[[], Awaitable[bool]]:
    by_patch = dice.random() < 0.5

    async def calls() -> bool:
        await (client.patch([SetOp(own, 1)]) if by_patch else client.set(own, 1))
        if look == "get":
            return bool(await client.get(others) == 1)
        if look == "has":
            return bool(await client.has(others))
        return others in await client.to_dict()

    return calls
