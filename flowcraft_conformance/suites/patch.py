"""The patch suite: a delta equals a full write, all of it or nothing."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.json_values import (
    KEYS,
    NO_JSON,
    apply,
    difference,
    patches,
    small_values,
    states,
)
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.expect import expect, expect_json, expect_raises
from flowcraft_conformance.suites.patch_faults import PatchFaults
from flowcraft_conformance.suites.patch_processes import PatchProcesses
from flowcraft_conformance.suites.patch_races import PatchRaces, write
from flowcraft_conformance.suites.patch_schedules import PatchSchedules
from flowcraft_conformance.suites.patch_watched import needs_guard, offers_guard
from flowcraft_conformance.suites.suite import Suite, checks

_SIZES = (0, 1, 10, 11, 25, 26, 100, 101, 500, 1000)


_PLAIN = st.sampled_from("abcd")
_ODD_CHANGES: list[tuple[dict[str, Any], list[PatchOperation]]] = [
    ({"a": {"a": 1}}, [SetOp("a", {"b": 2})]),
    ({"a": {"a": 1}}, [SetOp("a", {})]),
    ({"a": [1, 2]}, [SetOp("a", [3])]),
    ({"a": 1}, [SetOp("a", None)]),
    ({"a": 1}, [SetOp("a", 0), SetOp("b", ""), SetOp("c", False), SetOp("d", [])]),
    ({"a": 1, "a.b": 2}, [DeleteOp("a")]),
    ({"a": {"b": 1}}, [SetOp("a.b", 2)]),
    ({"a": {"b": 1}}, [DeleteOp("a.b")]),
    ({"a": 1}, [DeleteOp("a"), SetOp("a", 2)]),
    ({"a": 1}, [SetOp("a", 2), DeleteOp("a")]),
    ({"a": 1}, [DeleteOp("a"), SetOp("a", 2), DeleteOp("a"), SetOp("a", 3)]),
]


_ODD_DIFFERENCES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1}, {"a": True}),
    ({"a": 0}, {"a": False}),
    ({"a": 1}, {"a": None}),
    ({"a": None}, {}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}),
    ({"a": [1, 2]}, {"a": [2]}),
    ({"a": {"b": 1}}, {"a": {"b": 1}, "a.b": 2}),
    ({"a": 1, "a.b": 2}, {"b": 1}),
    ({}, {"a": 1, "a.b": 2, "a.b.c": 3}),
]


class PatchSuite(PatchRaces, PatchSchedules, PatchProcesses, PatchFaults, Suite):
    """Checks ``patch`` and ``patch_if_absent``; override the fixture ``flowcraft_context_factory`` in a subclass."""

    part: ClassVar[Target] = Target.CONTEXT

    @checks("PATCH-EQ-01")
    def test_a_patch_equals_its_operations_one_by_one(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], list[PatchOperation]]) -> None:
            start, operations = example
            want = apply(start, operations)
            single = await space.client(space.run_id("single"))
            await write(single, start)
            for operation in operations:
                if isinstance(operation, SetOp):
                    await single.set(operation.key, operation.value)
                else:
                    await single.delete(operation.key)
            expect_json(space, await single.to_dict(), want, "to_dict after the operations one by one")
            space.recorder.records.clear()
            patched = await space.client(space.run_id("patched"))
            await write(patched, start)
            await patched.patch(operations)
            expect_json(space, await patched.to_dict(), want, "to_dict after the patch")

        flowcraft_context_bench.explore(st.tuples(states(max_keys=5), patches()), body, first=_ODD_CHANGES)

    @checks("PATCH-EQ-02")
    def test_patching_the_difference_equals_writing_in_full(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], dict[str, Any]]) -> None:
            old, new = example
            context, reader = await space.clients(2)
            await write(context, old)
            await context.patch(difference(old, new))
            expect_json(space, await reader.to_dict(), new, "to_dict after the difference was patched")

        flowcraft_context_bench.explore(st.tuples(states(), states()), body, first=_ODD_DIFFERENCES)

    @checks("PATCH-ORD-01")
    def test_the_later_operation_on_a_key_wins(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[bool, list[PatchOperation]]) -> None:
            existing, operations = example
            context = await space.client()
            start = {"k": "before"} if existing else {}
            await write(context, start)
            await context.patch(operations)
            expect_json(space, await context.to_dict(), apply(start, operations), "to_dict after the patch")

        key = st.sampled_from(("k", "k", "x"))
        operation = st.one_of(st.builds(SetOp, key, small_values()), st.builds(DeleteOp, key))
        operations = st.lists(operation, min_size=2, max_size=6)
        flowcraft_context_bench.explore(st.tuples(st.booleans(), operations), body)

    @checks("PATCH-NEW-01")
    def test_a_patch_creates_a_run_without_state(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, operations: list[PatchOperation]) -> None:
            context, reader = await space.clients(2)
            await context.patch(operations)
            expect_json(space, await reader.to_dict(), apply({}, operations), "to_dict after the first patch of a run")

        # Which keys there are, and in which order a patch has them, is the matter of other clauses.
        several: SearchStrategy[list[PatchOperation]] = st.lists(
            st.one_of(st.builds(SetOp, _PLAIN, small_values()), st.builds(DeleteOp, _PLAIN)),
            max_size=4,
            unique_by=lambda operation: operation.key,
        )
        flowcraft_context_bench.explore(several, body, share=2)

    @checks("PATCH-NEW-01")
    def test_an_empty_patch_and_absent_keys_do_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], str]) -> None:
            state, key = example
            context = await space.client()
            await write(context, state)
            await context.patch([])
            expect_json(space, await context.to_dict(), state, "to_dict after an empty patch")
            absent = [DeleteOp(name) for name in (key, f"{key[:200]}-absent") if name not in state]
            await context.patch(absent)
            expect_json(space, await context.to_dict(), state, "to_dict after absent keys were deleted")

        state = st.dictionaries(_PLAIN, small_values(), max_size=3)
        flowcraft_context_bench.explore(st.tuples(state, _PLAIN), body, share=3)

    @checks("PATCH-ATOM-01")
    def test_one_bad_operation_leaves_no_part_of_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[list[PatchOperation], int, Any]) -> None:
            operations, position, bad = example
            context = await space.client()
            start = {"a": 1, "b": {"c": 2}, "a.b": 3}
            await write(context, start)
            broken = [*operations]
            broken.insert(min(position, len(broken)), SetOp("bad", bad))
            await expect_raises(space, lambda: context.patch(broken), f"a patch with a value {bad!r}")
            expect_json(space, await context.to_dict(), start, "to_dict after the refused patch")
            await context.patch([SetOp("next", 1)])
            start["next"] = 1
            expect_json(space, await context.to_dict(), start, "to_dict after the client's next patch")
            if offers_guard(context):
                guarded = [SetOp("guard", 1), *broken]
                await expect_raises(
                    space, lambda: context.patch_if_absent("guard", guarded), f"a guarded patch with a value {bad!r}"
                )
                expect_json(space, await context.to_dict(), start, "to_dict after the refused guarded patch")
                await context.set("next", 2)
                start["next"] = 2
                expect_json(space, await context.to_dict(), start, "to_dict after the client's next set")

        bad_values = st.sampled_from(NO_JSON)
        some = patches(max_operations=30).filter(bool)
        flowcraft_context_bench.explore(st.tuples(some, st.integers(0, 30), bad_values), body, share=2)

    @checks("PATCH-ATOM-01")
    def test_a_bad_operation_at_the_end_leaves_no_part_of_a_large_patch(
        self, flowcraft_context_bench: ContextBench
    ) -> None:
        async def body(space: ContextSpace, size: int) -> None:
            size = min(size, space.capabilities.max_patch_operations or size)
            context = await space.client()
            await context.set("before", 1)
            operations: list[PatchOperation] = [SetOp(f"k{number}", number) for number in range(size - 1)]
            refused = partial(context.patch, [*operations, SetOp("bad", NO_JSON[0])])
            await expect_raises(space, refused, f"a patch of {size} operations, of which the last one cannot be stored")
            expect_json(space, await context.to_dict(), {"before": 1}, f"to_dict after a refused patch of {size}")

        large = [size + 1 for size in _SIZES if size >= 10]
        flowcraft_context_bench.explore(st.sampled_from(large[-1:]), body, first=large, share=4)

    @checks("PATCH-MANY-01")
    def test_patches_of_many_operations(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            most = space.capabilities.max_patch_operations
            for size in _SIZES:
                space.recorder.records.clear()
                context = await space.client(space.run_id(f"n{size}"))
                before = {"before": 1}
                await write(context, before)
                operations: list[PatchOperation] = [SetOp(f"k{number}", number) for number in range(size)]
                if most is not None and size > most:
                    await expect_raises(space, partial(context.patch, operations), f"a patch of {size} operations")
                    expect_json(space, await context.to_dict(), before, f"to_dict after a refused patch of {size}")
                else:
                    await context.patch(operations)
                    want = {f"k{number}": number for number in range(size)}
                    after = {**before, **want}
                    expect_json(space, await context.to_dict(), after, f"to_dict after a patch of {size} operations")
                    await context.patch([DeleteOp(key) for key in want])
                    expect_json(space, await context.to_dict(), before, f"to_dict after {size} deletions in one patch")

        flowcraft_context_bench.run(body)

    @checks("PATCH-GUARD-01")
    def test_a_guard_that_is_present_changes_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[str, Any, list[PatchOperation]]) -> None:
            guard, value, operations = example
            context, other = await space.clients(2)
            needs_guard(context)
            expect(space, await context.patch_if_absent(guard, [*operations, SetOp(guard, value)]), True, "the first")
            want = apply({}, [*operations, SetOp(guard, value)])
            expect_json(space, await other.to_dict(), want, "to_dict after the first")
            second = [SetOp("other", 1), SetOp(guard, "second")]
            expect(space, await other.patch_if_absent(guard, second), False, "the second")
            expect_json(space, await context.to_dict(), want, "to_dict after the second")

        guards = st.sampled_from(KEYS)
        flowcraft_context_bench.explore(st.tuples(guards, small_values(), patches(max_operations=4)), body, share=3)

    @checks("PATCH-GUARD-01")
    def test_a_guard_that_is_not_among_the_operations_stays_absent(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, others: list[PatchOperation]) -> None:
            context, other = await space.clients(2)
            needs_guard(context)
            want = apply({}, others)
            for client, what in ((context, "the first"), (other, "the second, with the guard still absent")):
                expect(space, await client.patch_if_absent("guard", others), True, what)
                expect_json(space, await other.to_dict(), want, f"to_dict after {what}")

        operation = st.one_of(st.builds(SetOp, _PLAIN, small_values()), st.builds(DeleteOp, _PLAIN))
        several: SearchStrategy[list[PatchOperation]] = st.lists(operation, max_size=4)
        known: list[list[PatchOperation]] = [[SetOp("a", 1)], [], [DeleteOp("guard")]]
        flowcraft_context_bench.explore(several, body, first=known, share=3)
