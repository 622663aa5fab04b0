"""Patches of several clients at once: none is lost, none is mixed with another, none is seen by half."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.process_races import show_race
from flowcraft_conformance.harness.races import start_together
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.expect import expect_json
from flowcraft_conformance.suites.patch_watched import SHARED, Watched, needs_guard, needs_snapshots, offers_guard
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.survivors import require_survivors

_OTHERS = 200
"""Keys that stand between those that are watched: more than a page of most backends."""

_WRITERS = 4
_IN_A_ROW = 150
_LEAST_IN_A_ROW = 20
_OWN_KEYS = 7


class PatchRaces:
    """What must hold of patches however the calls of several clients interleave."""

    @checks("PATCH-ATOM-02")
    def test_no_reader_sees_half_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        needs_snapshots(flowcraft_context_bench)

        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            watched = Watched()
            clients = {others: await space.clients(4, space.run_id(f"n{others}")) for others in (0, _OTHERS)}
            for others, of_one_run in clients.items():
                await watched.prepare(of_one_run[0], others=others)
            for number in range(space.profile.rounds):
                one, two, *readers = clients[_OTHERS if number % 2 else 0]
                space.recorder.records.clear()
                await start_together(
                    [
                        _patches_all(one, watched, f"r{number}-one", guarded=False),
                        _patches_all(two, watched, f"r{number}-two", guarded=offers_guard(two) and number % 4 < 2),
                        *[_watches(space, reader, watched, dice) for reader in readers],
                    ],
                    dice=dice,
                )

        flowcraft_context_bench.run(body)

    @checks("PATCH-RACE-01")
    def test_concurrent_patches_on_different_keys_all_survive(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(4, space.run_id(f"r{number}"))
                existing = number % 2 == 1
                await write(clients[0], {"old": 1} if existing else {})
                space.recorder.records.clear()
                writers = range(space.profile.racers // 2)
                await start_together([_patch_own(clients[writer % 4], writer) for writer in writers], dice=dice)
                want = {f"{name}{writer}": writer for writer in writers for name in ("one", "two", "three", "four")}
                calls = [*space.recorder.records]
                await clients[0].to_dict()
                run = "an existing run" if existing else "a new run"
                require_survivors(space, calls, space.recorder.records[-1], want, "clients", run)

        flowcraft_context_bench.run(body)

    @checks("PATCH-RACE-01")
    def test_hundreds_of_patches_of_one_run_all_survive(self, flowcraft_context_bench: ContextBench) -> None:
        """What is kept as a log of changes is made shorter now and then, and then it is read and written as a whole."""

        async def body(space: ContextSpace) -> None:
            clients = await space.clients(_WRITERS, space.run_id())
            until = time.monotonic() + space.profile.search_seconds
            wrote = await start_together(
                [_patch_again_and_again(client, until) for client in clients], dice=flowcraft_context_bench.random()
            )
            patches = len(space.recorder.records)
            space.recorder.records.clear()
            got = await clients[0].to_dict()
            want = {key: value for written in wrote for key, value in written.items()}
            lost = [key for key in want if got.get(key) != want[key]]
            if lost or len(got) != len(want):
                key = next(iter(lost), None) or min(set(got) - set(want))
                raise ClauseViolation(
                    f"after {patches} patches of {_WRITERS} clients on keys of their own, {len(lost)} of {len(want)} "
                    f"keys do not have what was written last: {key!r} is {got.get(key)!r}, want {want.get(key)!r}"
                )

        flowcraft_context_bench.run(body)

    @checks("PATCH-RACE-01")
    def test_concurrent_patches_on_the_same_keys_end_in_some_order(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(4, space.run_id(f"r{number}"))
                space.recorder.records.clear()
                await start_together([_patch_shared(client, client.number, dice) for client in clients], dice=dice)
                got = await clients[0].to_dict()
                possible = [dict.fromkeys(SHARED, client.number) for client in clients]
                if got not in possible:
                    raise space.violated(f"concurrent patches of the same keys left {got!r}, want those of one patch")

        flowcraft_context_bench.run(body)

    @checks("PATCH-GUARD-01")
    def test_of_concurrent_guarded_patches_one_is_applied(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(6, space.run_id(f"r{number}"))
                needs_guard(clients[0])
                await write(clients[0], {"old": 1} if number % 2 else {})
                space.recorder.records.clear()
                applied = await start_together([_guarded(client) for client in clients], dice=dice)
                if applied.count(True) != 1 or applied.count(False) != len(clients) - 1:
                    raise space.violated(f"concurrent patch_if_absent returned {applied!r}, want True exactly once")
                winner = applied.index(True)
                want = {"guard": winner, f"own{winner}": winner} | ({"old": 1} if number % 2 else {})
                expect_json(space, await clients[0].to_dict(), want, "to_dict after the race")

        flowcraft_context_bench.run(body)


async def write(context: ContextClient, state: dict[str, Any]) -> None:
    for key, value in state.items():
        await context.set(key, value)


def _patches_all(client: ContextClient, watched: Watched, name: str, *, guarded: bool) -> Callable[[], Awaitable[None]]:
    async def calls() -> None:
        for number in range(5):
            value = f"{name}{number}"
            if guarded:
                await client.patch_if_absent(watched.guard(value), watched.guarded(value))
            else:
                await client.patch(watched.plain(value))

    return calls


def _watches(
    space: ContextSpace, client: ContextClient, watched: Watched, dice: random.Random
) -> Callable[[], Awaitable[None]]:
    looks = dice.randint(4, 8)

    async def calls() -> None:
        for _ in range(looks):
            if (half := watched.half(await client.to_dict())) is not None:
                look = next(record for record in reversed(space.recorder.records) if record.client == client.number)
                patches = watched.involved(look.output, space.recorder.records)
                records = [watched.short(record) for record in patches]
                raise ClauseViolation(
                    f"a reader saw half a patch: {half}", show_race(space, watched.short(look), records)
                )

    return calls


def _patch_again_and_again(client: ContextClient, until: float) -> Callable[[], Awaitable[dict[str, int]]]:
    """So many patches of few keys, as long as there is time; what was written last."""

    async def calls() -> dict[str, int]:
        written: dict[str, int] = {}
        for number in range(_IN_A_ROW):
            if number >= _LEAST_IN_A_ROW and time.monotonic() > until:
                break
            key = f"w{client.number}k{number % _OWN_KEYS}"
            await client.patch([SetOp(key, number)])
            written[key] = number
        return written

    return calls


def _patch_own(client: ContextClient, writer: int) -> Callable[[], Awaitable[Any]]:
    """Patches keys of its own twice: it comes back while others still write."""

    async def calls() -> None:
        await client.patch([SetOp(f"one{writer}", writer), SetOp(f"two{writer}", writer), DeleteOp("old")])
        await client.patch([SetOp(f"three{writer}", writer), SetOp(f"four{writer}", writer)])

    return calls


def _patch_shared(client: ContextClient, value: int, dice: random.Random) -> Callable[[], Awaitable[Any]]:
    keys_in_any_order = dice.sample(SHARED, len(SHARED))
    return lambda: client.patch([SetOp(key, value) for key in keys_in_any_order])


def _guarded(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    operations = [SetOp("guard", client.number), SetOp(f"own{client.number}", client.number)]
    return lambda: client.patch_if_absent("guard", operations)
