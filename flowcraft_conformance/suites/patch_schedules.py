"""Patches on contexts of this process under chosen schedules, and cut off at every await."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.schedules import after, cut_off, race, search_schedules
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.patch_watched import Watched, needs_guard, needs_snapshots, offers_guard
from flowcraft_conformance.suites.suite import checks

_APART = 0.01
"""Virtual seconds between the starts of callers: in asyncio's own order they never meet."""
_CUTS = 9


class PatchSchedules:
    """What must hold of patches in whatever order the loop takes the steps of tasks; for contexts of this process."""

    @checks("PATCH-ATOM-01")
    def test_a_patch_cut_off_at_any_await_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            writer, reader = await space.clients(2)
            guarded = program > _CUTS and offers_guard(writer)
            watched = Watched(3)
            await watched.prepare(writer, "old")

            def patch() -> Awaitable[Any]:
                if guarded:
                    return writer.patch_if_absent(watched.guard("new"), watched.guarded("new"))
                return writer.patch(watched.plain("new"))

            await (race([cut_off(patch, (program - 1) % _CUTS)]) if program else patch())
            if (half := watched.half(await reader.to_dict())) is not None:
                raise space.violated(f"a patch that was cancelled left a part of itself: {half}")

        search_schedules(flowcraft_context_bench, body, programs=1 + 2 * _CUTS)

    @checks("PATCH-ATOM-02")
    def test_no_schedule_shows_half_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        needs_snapshots(flowcraft_context_bench)

        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            writer, reader = await space.clients(2)
            guarded = program // 4 == 1 and offers_guard(writer)
            watched = Watched(12 if program // 4 == 2 else 3)
            await watched.prepare(writer, "old")

            def patch() -> Awaitable[Any]:
                if guarded:
                    return writer.patch_if_absent(watched.guard("new"), watched.guarded("new"))
                return writer.patch(watched.plain("new"))

            seen: list[Any] = await race(
                [after(_APART * (program // 2 % 2), patch), after(_APART * (program % 2), reader.to_dict)]
            )
            if (half := watched.half(seen[1])) is not None:
                raise space.violated(f"a reader saw half a patch: {half}")

        search_schedules(flowcraft_context_bench, body, programs=12)

    @checks("PATCH-RACE-01")
    def test_no_schedule_loses_or_mixes_patches(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2)
            if program >= 2:
                await clients[0].set("old", 1)
            await race([after(_APART * (program % 2) * client.number, _patch_own(client)) for client in clients])
            got = await clients[0].to_dict()
            possible = [{"own0": 0, "own1": 1, "a": last, "b": last} for last in (0, 1)]
            if got not in possible:
                raise space.violated(
                    f"two concurrent patches left {got!r}, want both keys of their own and one's a and b"
                )

        search_schedules(flowcraft_context_bench, body, programs=4)

    @checks("PATCH-GUARD-01")
    def test_no_schedule_lets_two_guarded_patches_through(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program // 2)
            needs_guard(clients[0])
            applied = await race(
                [after(_APART * (program % 2) * client.number, _patch_guarded(client)) for client in clients]
            )
            got = await clients[0].to_dict()
            winners = [number for number, result in enumerate(applied) if result is True]
            possible = [{"guard": winner, f"own{winner}": winner} for winner in winners]
            if len(winners) != 1 or applied.count(False) != len(clients) - 1 or got != possible[0]:
                raise space.violated(
                    f"concurrent patch_if_absent returned {applied!r} and left {got!r}, want one True and its keys only"
                )

        search_schedules(flowcraft_context_bench, body, programs=4)


def _patch_own(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    number = client.number
    operations: list[PatchOperation] = [
        SetOp(f"own{number}", number),
        DeleteOp("old"),
        SetOp("a", number),
        SetOp("b", number),
    ]
    return lambda: client.patch(operations)


def _patch_guarded(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    operations = [SetOp("guard", client.number), SetOp(f"own{client.number}", client.number)]
    return lambda: client.patch_if_absent("guard", operations)
