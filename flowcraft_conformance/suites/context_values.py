"""What one caller sees of a context: presence, values, keys, runs, copies and sizes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.json_values import (
    FALSY,
    NO_JSON,
    ODD_VALUES,
    apply,
    exactly_same_json,
    json_values,
    keys,
    same_json,
    small_values,
)
from flowcraft_conformance.checking.texts import BROKEN_TEXTS, look_alike_families, look_alikes
from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.harness.calls import ContextClient
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.suites.expect import expect, expect_json, expect_raises, outcome_of
from flowcraft_conformance.suites.suite import checks

_LARGE_VALUE = 1024 * 1024
_SMALLEST_LIMIT = 64 * 1024
_AT_ONCE = 24
"""Values that one run holds."""
_ABSENT = "never written"
_TEXT_SIZES = (0, 5_000, 50_000)
"""A client may keep what was costly to parse; below the smallest limit of a value."""
_REPLACED: list[list[Any]] = [
    [{"a": 1}, {}],
    [{"a": 1}, {"b": 2}],
    [{"a": {"b": 1}}, {"a": {"c": 2}}],
    [[1], [2]],
    [[1, 2], []],
    ["long text", "short"],
    [{"a": 1}, 1, [1], None],
]
"""Values one after the other, where a merge would show."""
_PLAIN = st.sampled_from("abcd")
_MOST_KEYS = {"quick": 200, "standard": 1000, "thorough": 5000}


class ContextValues:
    """Sequential rules of get, set, has, delete and to_dict."""

    @checks("CTX-GET-01")
    def test_absent_and_none_are_told_apart(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, names: list[str]) -> None:
            context = await space.client()
            for key in names:
                expect(space, await context.get(key), None, f"get of the absent key {key!r}")
                expect(space, await context.has(key), False, f"has of the absent key {key!r}")
            expect_json(space, await context.to_dict(), {}, "to_dict of a run without state")
            for key in names:
                await context.set(key, None)
                expect(space, await context.get(key), None, "get of a stored None")
                expect(space, await context.has(key), True, "has of a stored None")
            expect_json(space, await context.to_dict(), dict.fromkeys(names), "to_dict with a stored None")
            expect(space, await context.has(_ABSENT), False, "has of another key")

        several = st.lists(keys().filter(lambda key: key != _ABSENT), min_size=1, max_size=4, unique=True)
        flowcraft_context_bench.explore(several, body, share=3)

    @checks("CTX-SET-01")
    def test_set_replaces_the_whole_value(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: list[Any]) -> None:
            context = await space.client()
            for value in example:
                await context.set("k", value)
                expect_json(space, await context.get("k"), value, "the value after set")
            expect_json(space, await context.to_dict(), {"k": example[-1]}, "to_dict after the last set")

        nested = st.dictionaries(st.sampled_from("abc"), st.sampled_from(({"a": 1}, {"b": 2}, 1, [1], {})), max_size=3)
        flowcraft_context_bench.explore(st.lists(nested, min_size=2, max_size=6), body, first=_REPLACED, share=3)

    @checks("CTX-SET-02")
    def test_falsy_values_are_kept(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: list[Any]) -> None:
            context, reader = await space.clients(2)
            await context.set("k", "something")
            for value in example:
                await context.set("k", value)
                expect(space, await reader.has("k"), True, f"has after set to {value!r}")
                expect_json(space, await reader.get("k"), value, f"get after set to {value!r}")
                expect_json(space, await reader.to_dict(), {"k": value}, f"to_dict after set to {value!r}")

        flowcraft_context_bench.explore(
            st.lists(st.sampled_from(FALSY), min_size=1, max_size=4), body, first=[list(FALSY)], share=3
        )

    @checks("CTX-SET-03")
    def test_a_json_value_comes_back_equal(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, values: list[Any]) -> None:
            context, reader = await space.clients(2)
            for number, value in enumerate(values):
                await context.set(f"k{number}", value)
                expect_json(space, await reader.get(f"k{number}"), value, "the value read back")
            expect_json(
                space, await reader.to_dict(), {f"k{number}": value for number, value in enumerate(values)}, "to_dict"
            )

        odd = [list(ODD_VALUES[start : start + _AT_ONCE]) for start in range(0, len(ODD_VALUES), _AT_ONCE)]
        flowcraft_context_bench.explore(st.lists(json_values(), min_size=1, max_size=4), body, first=odd, share=2)

    @checks("CTX-SET-04")
    def test_what_is_no_json_is_refused_and_changes_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, value: Any) -> None:
            context = await space.client()
            await context.set("old", 1)
            await expect_raises(space, lambda: context.set("old", value), f"set to {value!r}")
            await expect_raises(space, lambda: context.set("new", value), f"set of a new key to {value!r}")
            expect_json(space, await context.to_dict(), {"old": 1}, "to_dict after the refused set")

        flowcraft_context_bench.explore(st.sampled_from(NO_JSON), body, first=NO_JSON)

    @checks("CTX-SET-04")
    def test_broken_text_in_a_value_comes_back_or_is_refused(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, value: Any) -> None:
            context = await space.client()
            await context.set("k", "before")
            _, error = await outcome_of(lambda: context.set("k", value))
            expect_json(
                space, await context.get("k"), value if error is None else "before", f"get after set to {value!r}"
            )

        wrapped = [value for text in BROKEN_TEXTS for value in (text, [text], {"a": text})]
        flowcraft_context_bench.explore(st.sampled_from(wrapped), body, first=wrapped)

    @checks("CTX-SET-04")
    def test_a_value_above_the_declared_limit_is_refused(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            limit = space.capabilities.max_value_bytes
            if limit is None:
                return  # nothing is declared too large: CTX-SIZE-01 looks at what must fit
            context = await space.client()
            await context.set("k", "before")
            await expect_raises(
                space, lambda: context.set("k", "x" * (limit + 1024)), f"set to more than {limit} bytes"
            )
            expect_json(space, await context.to_dict(), {"k": "before"}, "to_dict after the refused set")

        flowcraft_context_bench.run(body)

    @checks("CTX-SET-05")
    def test_what_is_stored_is_a_copy(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[str, int]) -> None:
            how, size = example
            context, reader = await space.clients(2)
            value: dict[str, Any] = {"list": [1, {"deep": 2}], "dict": {"a": 1}, "text": "x" * size}
            want = copy.deepcopy(value)
            await (context.set("k", value) if how == "set" else context.patch([SetOp("k", value)]))
            _disturb(space, value)
            for client in (context, reader):
                got = await client.get("k")
                expect_json(space, got, want, f"get after the object passed to {how} was changed")
                _disturb(space, got)
                expect_json(space, await client.get("k"), want, "get after an object handed out by get was changed")
                everything = await client.to_dict()
                expect_json(space, everything, {"k": want}, "to_dict after an object handed out by get was changed")
                _disturb(space, everything["k"])
                everything["other"] = 1
                expect_json(space, await client.to_dict(), {"k": want}, "to_dict after its own dict was changed")

        ways = [(how, size) for how in ("set", "patch") for size in _TEXT_SIZES]
        flowcraft_context_bench.explore(st.sampled_from(ways), body, first=ways)

    @checks("CTX-SET-06")
    def test_int_and_float_stay_apart(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, values: list[Any]) -> None:
            context = await space.client()
            for value in (*values, values):
                await context.set("k", value)
                got = await context.get("k")
                if not exactly_same_json(got, value):
                    raise space.violated(f"the value read back: got {got!r}, want {value!r}")

        numbers = (1, 1.0, 0, 0.0, -0.0, -1, -1.0, 2**53, float(2**53), 1e22, 10**15, 1.5)
        several = st.lists(st.sampled_from(numbers), min_size=1, max_size=3)
        flowcraft_context_bench.explore(several, body, first=[list(numbers)], share=4)

    @checks("CTX-DEL-01")
    def test_delete_tells_whether_the_key_existed(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[str, Any]) -> None:
            key, value = example
            context, other = await space.clients(2)
            expect(space, await context.delete(key), False, "delete in a run without state")
            await context.set(key, value)
            await context.set("kept", 1)
            expect(space, await other.delete(key), True, f"delete of a key that holds {value!r}")
            expect(space, await context.delete(key), False, "delete once more")
            expect(space, await context.has(key), False, "has after delete")
            expect_json(space, await context.to_dict(), {"kept": 1}, "to_dict after delete")

        examples = st.tuples(keys().filter(lambda key: key != "kept"), st.one_of(st.sampled_from(FALSY), json_values()))
        flowcraft_context_bench.explore(examples, body, share=2)

    @checks("CTX-ALL-01")
    def test_runs_do_not_see_each_other(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, names: list[str]) -> None:
            runs = [await space.client(space.run_id(name)) for name in names]
            for number, run in enumerate(runs):
                await run.set("same", number)
                await run.patch([SetOp(f"own{number}", number), SetOp("both", [number])])
            for number, run in enumerate(runs):
                want = {"same": number, f"own{number}": number, "both": [number]}
                expect_json(space, await run.to_dict(), want, f"to_dict of run {shorten(names[number])}")
            await runs[0].patch([DeleteOp("same"), DeleteOp("both"), DeleteOp("own0")])
            for number, run in enumerate(runs[1:], 1):
                about = f"same of run {shorten(names[number])} after run {shorten(names[0])} was emptied"
                expect_json(space, await run.get("same"), number, about)

        families = look_alike_families(max_bytes=100)
        flowcraft_context_bench.explore(look_alikes(max_bytes=100), body, first=families, share=4)

    @checks("CTX-KEY-01")
    def test_keys_are_opaque_and_the_same_everywhere(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, names: list[str]) -> None:
            context, reader = await space.clients(2)
            want: dict[str, Any] = {name: {"set": number} for number, name in enumerate(names)}
            for name, value in want.items():
                await context.set(name, value)
            await _expect_state(space, reader, want)
            want = {name: {"patched": number} for number, name in enumerate(names)}
            for name, value in want.items():
                await context.patch([SetOp(name, value)])
                expect_json(space, await reader.get(name), value, f"get of {name!r} after it was patched")
            expect_json(space, await reader.to_dict(), want, "to_dict after each key was patched")
            await context.patch([DeleteOp(names[0])])
            del want[names[0]]
            expect_json(space, await reader.to_dict(), want, f"to_dict after {names[0]!r} was deleted by patch")
            expect(space, await reader.has(names[0]), False, f"has of {names[0]!r} after it was deleted by patch")
            if len(names) > 2:
                expect(space, await context.delete(names[1]), True, f"delete of {names[1]!r}")
                del want[names[1]]
                expect_json(space, await reader.to_dict(), want, f"to_dict after {names[1]!r} was deleted")

        several = st.lists(keys(), min_size=2, max_size=6, unique=True)
        families = look_alike_families(max_bytes=255)
        flowcraft_context_bench.explore(st.one_of(look_alikes(max_bytes=255), several), body, first=families, share=3)

    @checks("CTX-KEY-01")
    def test_broken_text_in_a_key_works_or_is_refused(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[str, str]) -> None:
            name, how = example
            context = await space.client()
            await context.set("plain", 1)
            _, error = await outcome_of(
                lambda: context.set(name, 2) if how == "set" else context.patch([SetOp(name, 2)])
            )
            want = {"plain": 1} if error is not None else {"plain": 1, name: 2}
            expect_json(space, await context.to_dict(), want, f"to_dict after {how} of the key {name!r}")
            if error is None:
                expect_json(space, await context.get(name), 2, f"get of {name!r}")

        names = st.sampled_from([f"k{text}k" for text in BROKEN_TEXTS])
        flowcraft_context_bench.explore(st.tuples(names, st.sampled_from(("set", "patch"))), body)

    @checks("CTX-RUN-01")
    def test_a_second_client_sees_each_completed_write(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace, example: tuple[dict[str, Any], list[tuple[int, Any]]]) -> None:
            start, turns = example
            clients = await space.clients(3)
            model = dict(start)
            for key, value in start.items():
                await clients[0].set(key, value)
            for turn, operations in turns:
                if len(operations) == 1:
                    await _write_singly(space, clients[turn], operations[0], model)
                else:
                    await clients[turn].patch(operations)
                model = apply(model, operations)
                await _expect_changes(space, clients[(turn + 1) % 3], operations, model)

        # Which keys there are, and in which order a patch has them, is the matter of other clauses.
        start = st.dictionaries(_PLAIN, small_values(), max_size=3)
        operation = st.one_of(st.builds(SetOp, _PLAIN, small_values()), st.builds(DeleteOp, _PLAIN))
        operations = st.lists(operation, min_size=1, max_size=3, unique_by=lambda operation: operation.key)
        turns = st.lists(st.tuples(st.integers(0, 2), operations), min_size=1, max_size=8)
        flowcraft_context_bench.explore(st.tuples(start, turns), body, share=2)

    @checks("CTX-SIZE-01")
    def test_large_values_round_trip(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            context, reader = await space.clients(2)
            limit = space.capabilities.max_value_bytes
            for size in (_SMALLEST_LIMIT, min(limit or _LARGE_VALUE, 8 * _LARGE_VALUE)):
                for value in ("x" * (size - 2), _nested_of_size(size)):
                    await context.set("large", value)
                    if not same_json(await reader.get("large"), value):
                        raise space.violated(f"a value of {size} bytes came back changed")
            await context.patch([SetOp("large", "small"), SetOp("other", "x" * (_SMALLEST_LIMIT - 2))])
            expect_json(space, await reader.get("large"), "small", "the value after a small one replaced it")

        flowcraft_context_bench.run(body)

    @checks("CTX-SIZE-01")
    def test_a_state_of_many_keys_round_trips(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            context, reader = await space.clients(2)
            count = _MOST_KEYS[space.profile.name]
            want = {f"key{number}": {"number": number} for number in range(count)}
            at_once = space.capabilities.max_patch_operations or 500
            operations = [SetOp(key, value) for key, value in want.items()]
            await context.set("key0", "there is a state")
            for start in range(0, count, at_once):
                await context.patch(operations[start : start + at_once])
            await _expect_state(space, reader, want, sample=5)

        flowcraft_context_bench.run(body)


def _disturb(space: ContextSpace, value: Any) -> None:
    """Change it at every depth. What was recorded stays as it was at its call: it is told in a failure."""
    for record in space.recorder.records:
        record.arguments, record.output = copy.deepcopy((record.arguments, record.output))
    value["list"].append("changed")
    value["list"][1]["deep"] = "changed"
    value["dict"].clear()
    value["new"] = "changed"


async def _write_singly(space: ContextSpace, client: ContextClient, operation: Any, model: Mapping[str, Any]) -> None:
    if isinstance(operation, SetOp):
        await client.set(operation.key, operation.value)
    else:
        expect(space, await client.delete(operation.key), operation.key in model, f"delete of {operation.key!r}")


async def _expect_changes(
    space: ContextSpace, client: ContextClient, operations: Sequence[PatchOperation], model: Mapping[str, Any]
) -> None:
    for key in dict.fromkeys(operation.key for operation in operations):
        expect_json(space, await client.get(key), model.get(key), f"get of {key!r}")
        expect(space, await client.has(key), key in model, f"has of {key!r}")
    expect_json(space, await client.to_dict(), dict(model), "to_dict")


async def _expect_state(
    space: ContextSpace, client: ContextClient, want: Mapping[str, Any], sample: int | None = None
) -> None:
    for key in list(want)[:sample]:
        expect_json(space, await client.get(key), want[key], f"get of {key!r}")
        expect(space, await client.has(key), True, f"has of {key!r}")
    expect_json(space, await client.to_dict(), dict(want), "to_dict")


def _nested_of_size(size: int) -> Any:
    value: list[Any] = []
    unit = {"name": "é", "numbers": [1, 2.5, -3], "flag": True, "none": None}
    # Measured as the limit is declared: the length of the JSON text in UTF-8.
    room = len(json.dumps(unit, ensure_ascii=False).encode()) + 2
    while (len(value) + 1) * room + 2 <= size:
        value.append(dict(unit))
    return value
