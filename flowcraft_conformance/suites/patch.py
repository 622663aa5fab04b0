"""The patch suite: a delta equals a full write, all of it or nothing."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.json_values import (
    KEYS,
    NO_JSON,
    apply,
    difference,
    keys,
    patches,
    small_values,
    states,
)
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import Unsupported
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.races import start_together
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.expect import expect, expect_json, expect_raises
from flowcraft_conformance.suites.patch_schedules import PatchSchedules
from flowcraft_conformance.suites.suite import Suite, checks

_SIZES = (0, 1, 10, 11, 25, 26, 100, 101, 500, 1000)
_WATCHED = ("a", "b.c", "d/e", "f")


_ODD_CHANGES: list[tuple[dict[str, Any], list[PatchOperation]]] = [
    ({"a": {"a": 1}}, [SetOp("a", {"b": 2})]),
    ({"a": {"a": 1}}, [SetOp("a", {})]),
    ({"a": [1, 2]}, [SetOp("a", [3])]),
    ({"a": 1}, [SetOp("a", None)]),
    ({"a": 1}, [SetOp("a", 0), SetOp("b", ""), SetOp("c", False), SetOp("d", [])]),
    ({"a": 1, "a.b": 2}, [DeleteOp("a")]),
    ({"a": {"b": 1}}, [SetOp("a.b", 2)]),
    ({"a": {"b": 1}}, [DeleteOp("a.b")]),
    ({"a": 1}, [DeleteOp("a"), SetOp("a", 2), DeleteOp("a"), SetOp("a", 3)]),
]


class PatchSuite(PatchSchedules, Suite):
    """Checks ``patch`` and ``patch_if_absent``; override the fixture ``flowcraft_context_factory`` in a subclass."""

    part: ClassVar[Target] = Target.CONTEXT

    @checks("PATCH-EQ-01")
    def test_a_patch_equals_its_operations_one_by_one(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], list[PatchOperation]]) -> None:
            start, operations = example
            patched = await space.client(space.run_id("patched"))
            single = await space.client(space.run_id("single"))
            await _write(patched, start)
            await _write(single, start)
            await patched.patch(operations)
            for operation in operations:
                if isinstance(operation, SetOp):
                    await single.set(operation.key, operation.value)
                else:
                    await single.delete(operation.key)
            want = apply(start, operations)
            expect_json(space, await single.to_dict(), want, "to_dict after the operations one by one")
            expect_json(space, await patched.to_dict(), want, "to_dict after the patch")

        flowcraft_context_bench.explore(st.tuples(states(max_keys=5), patches()), body, first=_ODD_CHANGES)

    @checks("PATCH-EQ-02")
    def test_patching_the_difference_equals_writing_in_full(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], dict[str, Any]]) -> None:
            old, new = example
            context, reader = await space.clients(2)
            await _write(context, old)
            await context.patch(difference(old, new))
            expect_json(space, await reader.to_dict(), new, "to_dict after the difference was patched")

        flowcraft_context_bench.explore(st.tuples(states(), states()), body)

    @checks("PATCH-ORD-01")
    def test_the_later_operation_on_a_key_wins(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[bool, list[PatchOperation]]) -> None:
            existing, operations = example
            context = await space.client()
            start = {"k": "before"} if existing else {}
            await _write(context, start)
            await context.patch(operations)
            expect_json(space, await context.to_dict(), apply(start, operations), "to_dict after the patch")

        key = st.sampled_from(("k", "k", "k.x"))
        operation = st.one_of(st.builds(SetOp, key, small_values()), st.builds(DeleteOp, key))
        operations = st.lists(operation, min_size=2, max_size=6)
        flowcraft_context_bench.explore(st.tuples(st.booleans(), operations), body)

    @checks("PATCH-NEW-01")
    def test_a_patch_creates_a_run_without_state(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, operations: list[PatchOperation]) -> None:
            context, reader = await space.clients(2)
            await context.patch(operations)
            expect_json(space, await reader.to_dict(), apply({}, operations), "to_dict after the first patch of a run")

        absent: SearchStrategy[list[PatchOperation]] = st.lists(st.builds(DeleteOp, keys()), max_size=3)
        flowcraft_context_bench.explore(st.one_of(patches(max_operations=5), absent), body)

    @checks("PATCH-NEW-01")
    def test_an_empty_patch_and_absent_keys_do_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], str]) -> None:
            state, key = example
            context = await space.client()
            await _write(context, state)
            await context.patch([])
            expect_json(space, await context.to_dict(), state, "to_dict after an empty patch")
            absent = [DeleteOp(name) for name in (key, f"{key[:200]}-absent") if name not in state]
            await context.patch(absent)
            expect_json(space, await context.to_dict(), state, "to_dict after absent keys were deleted")

        flowcraft_context_bench.explore(st.tuples(states(max_keys=3), keys()), body)

    @checks("PATCH-ATOM-01")
    def test_one_bad_operation_leaves_no_part_of_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[list[PatchOperation], int, Any]) -> None:
            operations, position, bad = example
            context = await space.client()
            start = {"a": 1, "b": {"c": 2}, "a.b": 3}
            await _write(context, start)
            broken = [*operations]
            broken.insert(min(position, len(broken)), SetOp("bad", bad))
            await expect_raises(space, lambda: context.patch(broken), f"a patch with a value {bad!r}")
            expect_json(space, await context.to_dict(), start, "to_dict after the refused patch")

        bad_values = st.sampled_from(NO_JSON)
        some = patches(max_operations=30).filter(bool)
        flowcraft_context_bench.explore(st.tuples(some, st.integers(0, 30), bad_values), body)

    @checks("PATCH-ATOM-02")
    def test_no_reader_sees_half_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            if not space.capabilities.snapshot_reads:
                raise Unsupported("snapshot_reads is declared absent")
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(4, space.run_id(f"r{number}"))
                await clients[0].patch([SetOp(key, 0) for key in _WATCHED])
                space.recorder.records.clear()
                await start_together(
                    [
                        *[_patches_all(clients[writer], writer, dice) for writer in (0, 1)],
                        *[_watches(space, clients[reader], dice) for reader in (2, 3)],
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
                await _write(clients[0], {"old.0": 1} if existing else {})
                space.recorder.records.clear()
                writers = range(space.profile.racers // 2)
                await start_together([_patch_own(clients[writer % 4], writer) for writer in writers], dice=dice)
                want = {f"{name}.{writer}": writer for writer in writers for name in ("one", "two")}
                got = await clients[0].to_dict()
                lost = [key for key, value in want.items() if not isinstance(got, dict) or got.get(key) != value]
                if lost:
                    space.recorder.records[:] = space.recorder.records[-6:]
                    raise space.violated(
                        f"{len(lost)} of {len(want)} keys of concurrent patches were lost, first {lost[0]!r}"
                    )
                expect_json(space, got, want, "to_dict after concurrent patches")

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
                possible = [dict.fromkeys(_WATCHED, client.number) for client in clients]
                if got not in possible:
                    raise space.violated(f"concurrent patches of the same keys left {got!r}, the work of more than one")

        flowcraft_context_bench.run(body)

    @checks("PATCH-MANY-01")
    def test_patches_of_many_operations(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            most = space.capabilities.max_patch_operations
            for size in _SIZES:
                context = await space.client(space.run_id(f"n{size}"))
                operations: list[PatchOperation] = [SetOp(f"k.{number}", number) for number in range(size)]
                if most is not None and size > most:
                    await expect_raises(space, partial(context.patch, operations), f"a patch of {size} operations")
                    expect_json(space, await context.to_dict(), {}, f"to_dict after a refused patch of {size}")
                else:
                    await context.patch(operations)
                    want = {f"k.{number}": number for number in range(size)}
                    expect_json(space, await context.to_dict(), want, f"to_dict after a patch of {size} operations")
                    await context.patch([DeleteOp(key) for key in want])
                    expect_json(space, await context.to_dict(), {}, f"to_dict after {size} deletions in one patch")

        flowcraft_context_bench.run(body)

    @checks("PATCH-GUARD-01")
    def test_a_guard_that_is_present_changes_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[str, Any, list[PatchOperation]]) -> None:
            guard, value, operations = example
            context, other = await space.clients(2)
            _needs_guard(context)
            expect(space, await context.patch_if_absent(guard, [*operations, SetOp(guard, value)]), True, "the first")
            want = apply({}, [*operations, SetOp(guard, value)])
            expect_json(space, await other.to_dict(), want, "to_dict after the first")
            second = [SetOp("other", 1), SetOp(guard, "second")]
            expect(space, await other.patch_if_absent(guard, second), False, "the second")
            expect_json(space, await context.to_dict(), want, "to_dict after the second")

        guards = st.sampled_from(KEYS)
        flowcraft_context_bench.explore(st.tuples(guards, small_values(), patches(max_operations=4)), body)

    @checks("PATCH-GUARD-01")
    def test_of_concurrent_guarded_patches_one_is_applied(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            for number in range(space.profile.rounds):
                clients = await space.clients(6, space.run_id(f"r{number}"))
                _needs_guard(clients[0])
                await _write(clients[0], {"old": 1} if number % 2 else {})
                space.recorder.records.clear()
                applied = await start_together([_guarded(client) for client in clients], dice=dice)
                if applied.count(True) != 1 or applied.count(False) != len(clients) - 1:
                    raise space.violated(f"concurrent patch_if_absent returned {applied!r}, want True exactly once")
                winner = applied.index(True)
                want = {"guard": winner, f"own.{winner}": winner} | ({"old": 1} if number % 2 else {})
                expect_json(space, await clients[0].to_dict(), want, "to_dict after the race")

        flowcraft_context_bench.run(body)


async def _write(context: ContextClient, state: dict[str, Any]) -> None:
    for key, value in state.items():
        await context.set(key, value)


def _needs_guard(context: ContextClient) -> None:
    if not callable(getattr(context.target, "patch_if_absent", None)):
        raise Unsupported("the context offers no patch_if_absent")


def _patches_all(client: ContextClient, writer: int, dice: random.Random) -> Callable[[], Awaitable[None]]:
    values = [dice.randrange(1000) for _ in range(5)]

    async def calls() -> None:
        for value in values:
            await client.patch([SetOp(key, [writer, value]) for key in _WATCHED])

    return calls


def _watches(space: ContextSpace, client: ContextClient, dice: random.Random) -> Callable[[], Awaitable[None]]:
    looks = dice.randint(4, 8)

    async def calls() -> None:
        for _ in range(looks):
            seen = await client.to_dict()
            values = [seen.get(key) for key in _WATCHED]
            if any(value != values[0] for value in values):
                space.recorder.records[:] = space.recorder.records[-6:]
                raise space.violated(f"a reader saw half a patch: {dict(zip(_WATCHED, values, strict=True))!r}")

    return calls


def _patch_own(client: ContextClient, writer: int) -> Callable[[], Awaitable[Any]]:
    return lambda: client.patch([SetOp(f"one.{writer}", writer), SetOp(f"two.{writer}", writer), DeleteOp("old.0")])


def _patch_shared(client: ContextClient, value: int, dice: random.Random) -> Callable[[], Awaitable[Any]]:
    keys_in_any_order = dice.sample(_WATCHED, len(_WATCHED))
    return lambda: client.patch([SetOp(key, value) for key in keys_in_any_order])


def _guarded(client: ContextClient) -> Callable[[], Awaitable[Any]]:
    operations = [SetOp("guard", client.number), SetOp(f"own.{client.number}", client.number)]
    return lambda: client.patch_if_absent("guard", operations)
