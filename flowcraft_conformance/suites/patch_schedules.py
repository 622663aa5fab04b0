"""Patches on contexts of this process under chosen schedules, and cut off at every await."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import Unsupported
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.schedules import after, cut_off, race, search_schedules
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.suite import checks

_APART = 0.01
"""Virtual seconds between the starts of callers: in asyncio's own order they never meet."""
_CUTS = 9
_KEYS = ("a", "b.c", "d")


class PatchSchedules:
    """What must hold of patches in whatever order the loop takes the steps of tasks; for contexts of this process."""

    @checks("PATCH-ATOM-01")
    def test_a_patch_cut_off_at_any_await_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            writer, reader = await space.clients(2)
            await writer.patch(_all_keys("old"))
            if program == 0:
                await writer.patch(_all_keys("new"))
            else:
                await race([cut_off(lambda: writer.patch(_all_keys("new")), program - 1)])
            got = await reader.to_dict()
            if got not in [dict.fromkeys(_KEYS, "old"), dict.fromkeys(_KEYS, "new")]:
                raise space.violated(f"a patch that was cancelled left {got!r}, neither all of it nor nothing")

        search_schedules(flowcraft_context_bench, body, programs=1 + _CUTS)

    @checks("PATCH-ATOM-02")
    def test_no_schedule_shows_half_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        if not flowcraft_context_bench.settings.capabilities.snapshot_reads:
            raise Unsupported("snapshot_reads is declared absent")

        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            writer, reader = await space.clients(2)
            await writer.patch(_all_keys("old"))
            seen: list[Any] = await race(
                [
                    after(_APART * (program // 2), lambda: writer.patch(_all_keys("new"))),
                    after(_APART * (program % 2), reader.to_dict),
                ]
            )
            if seen[1] not in [dict.fromkeys(_KEYS, "old"), dict.fromkeys(_KEYS, "new")]:
                raise space.violated(f"a reader saw {seen[1]!r}, half of a patch")

        search_schedules(flowcraft_context_bench, body, programs=4)

    @checks("PATCH-RACE-01")
    def test_no_schedule_loses_or_mixes_patches(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2)
            if program >= 2:
                await clients[0].set("old", 1)
            await race([after(_APART * (program % 2) * client.number, _patch_own(client)) for client in clients])
            got = await clients[0].to_dict()
            possible = [{"own.0": 0, "own.1": 1, "a": last, "b": last} for last in (0, 1)]
            if got not in possible:
                raise space.violated(
                    f"two concurrent patches left {got!r}, want both keys of their own and one's a and b"
                )

        search_schedules(flowcraft_context_bench, body, programs=4)

    @checks("PATCH-GUARD-01")
    def test_no_schedule_lets_two_guarded_patches_through(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, _dice: random.Random, program: int) -> None:
            clients = await space.clients(2 + program // 2)
            if not callable(getattr(clients[0].target, "patch_if_absent", None)):
                raise Unsupported("the context offers no patch_if_absent")
            applied = await race(
                [after(_APART * (program % 2) * client.number, _patch_guarded(client)) for client in clients]
            )
            got = await clients[0].to_dict()
            winners = [number for number, result in enumerate(applied) if result is True]
            possible = [{"guard": winner, f"own.{winner}": winner} for winner in winners]
            if len(winners) != 1 or applied.count(False) != len(clients) - 1 or got != possible[0]:
                raise space.violated(
                    f"concurrent patch_if_absent returned {applied!r} and left {got!r}, want one True and its keys only"
                )

        search_schedules(flowcraft_context_bench, body, programs=4)


def _all_keys(value: str) -> list[PatchOperation]:
    return [SetOp(key, value) for key in _KEYS]


def _patch_own(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    number = client.number
    operations: list[PatchOperation] = [
        SetOp(f"own.{number}", number),
        DeleteOp("old"),
        SetOp("a", number),
        SetOp("b", number),
    ]
    return lambda: client.patch(operations)


def _patch_guarded(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    operations = [SetOp("guard", client.number), SetOp(f"own.{client.number}", client.number)]
    return lambda: client.patch_if_absent("guard", operations)
