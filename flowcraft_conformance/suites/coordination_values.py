"""What one caller sees of a coordination store: return values, presence, keys and values."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial

from hypothesis import strategies as st

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.texts import BROKEN_TEXTS, look_alike_families, look_alikes, texts
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import StoreClient
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.suites.expect import expect, expect_raises, outcome_of
from flowcraft_conformance.suites.suite import checks

_NO_NUMBERS = ("x", "007", " 5", "5 ", "1_0", "", "+5", "1.0", "1e3", "0x10", "٣", "--1", "-0", "9" * 40 + "x")
_ODD_VALUES = (
    "", "0", "1", "007", "1.0", "true", "null", "None", " ", " padded ", "line\nbreak", "tab\t", "\r\n", "'", '"', "\\",
    "{}", "[]", '{"a": 1}', "é", "e\u0301", "日本語", "🙂", "\u200b", "%s", "a=b&c", "<x/>", "-1", "1e400", "NaN",
)  # fmt: skip
_LOOK_ABSENT = ("", "0", "false", "null", "None")
"""Values that a careless look takes for no value."""
_LARGEST_VALUE = 64 * 1024
_LONG_TTL = 600
_LANES = 8
_INVALID_TTLS = (0, -1, -3600, 1.5, 0.0, float("nan"), True, "60", None)

values = st.one_of(st.sampled_from(_ODD_VALUES), texts(max_size=40))


class CoordinationValues:
    """Sequential rules of the five operations."""

    @checks("COORD-INC-01")
    def test_an_absent_key_counts_from_one(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, name: str) -> None:
            store = await space.client()
            expect(space, await store.increment(space.key(name)), 1, "increment of an absent key")

        flowcraft_store_bench.explore(st.text("abc:{}-_", min_size=1, max_size=6), body)

    @checks("COORD-INC-02")
    def test_each_increment_adds_one(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, turns: list[int]) -> None:
            clients = await space.clients(3)
            for count, turn in enumerate(turns, 1):
                expect(space, await clients[turn].increment(space.key()), count, f"increment number {count}")

        # 300 is more than one byte can count.
        flowcraft_store_bench.explore(st.lists(st.integers(0, 2), min_size=1, max_size=24), body, first=([0] * 300,))

    @checks("COORD-INC-06")
    def test_a_value_that_is_no_number_cannot_be_incremented(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str) -> None:
            store = await space.client()
            key = space.key()
            await store.set_if_not_exist(key, value)
            await expect_raises(space, lambda: store.increment(key), f"increment of a key that holds {value!r}")
            expect(space, await store.get(key), value, "the value after the refused increment")

        flowcraft_store_bench.explore(st.sampled_from(_NO_NUMBERS), body, first=_NO_NUMBERS)

    @checks("COORD-INC-06")
    def test_a_canonical_decimal_counts_on_or_is_refused(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, number: int) -> None:
            store = await space.client()
            key = space.key()
            await store.set_if_not_exist(key, str(number))
            value, error = await outcome_of(lambda: store.increment(key))
            if error is None:
                expect(space, value, number + 1, f"increment of a key that holds {str(number)!r}")
            expect(space, await store.get(key), str(number + 1 if error is None else number), "the value after it")

        flowcraft_store_bench.explore(st.integers(0, 10**12), body)

    @checks("COORD-SET-01")
    def test_an_absent_key_is_set(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str) -> None:
            store, reader = await space.clients(2)
            expect(space, await store.set_if_not_exist(space.key(), value), True, "set_if_not_exist on an absent key")
            expect(space, await reader.get(space.key()), value, "the value read by another client")

        flowcraft_store_bench.explore(values, body)

    @checks("COORD-SET-02")
    def test_a_present_key_is_left_alone(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, example: tuple[str, str]) -> None:
            first, second = example
            store, other = await space.clients(2)
            await store.set_if_not_exist(space.key(), first)
            expect(space, await other.set_if_not_exist(space.key(), second), False, "set_if_not_exist on a present key")
            expect(space, await store.get(space.key()), first, "the value after it")

        known = [(value, "second") for value in _LOOK_ABSENT]
        flowcraft_store_bench.explore(st.tuples(values, values), body, first=known)

    @checks("COORD-SET-02")
    def test_a_counter_counts_as_present(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, count: int) -> None:
            store = await space.client()
            for _ in range(count):
                await store.increment(space.key())
            expect(space, await store.set_if_not_exist(space.key(), "x"), False, "set_if_not_exist on a counter")
            expect(space, await store.increment(space.key()), count + 1, "the counter after it")

        flowcraft_store_bench.explore(st.integers(1, 4), body)

    @checks("COORD-SET-05")
    def test_a_value_comes_back_unchanged(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str) -> None:
            store = await space.client()
            await store.set_if_not_exist(space.key(), value)
            expect(space, await store.get(space.key()), value, "the value read back")

        flowcraft_store_bench.explore(values, body, first=_ODD_VALUES)

    @checks("COORD-SET-05")
    def test_a_value_of_64_kib_comes_back_unchanged(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            store = await space.client()
            for number, unit in enumerate(("a", "é", "🙂")):
                value = unit * (_LARGEST_VALUE // len(unit.encode()))
                key = space.key(f"k{number}")
                expect(space, await store.set_if_not_exist(key, value), True, "set_if_not_exist with 64 KiB")
                expect(space, await store.get(key), value, "the value of 64 KiB read back")

        flowcraft_store_bench.run(body)

    @checks("COORD-SET-05")
    def test_broken_text_comes_back_or_is_refused(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str) -> None:
            store = await space.client()
            _, error = await outcome_of(lambda: store.set_if_not_exist(space.key(), value))
            want = value if error is None else None
            expect(space, await store.get(space.key()), want, f"the value after set_if_not_exist with {value!r}")

        flowcraft_store_bench.explore(st.sampled_from(BROKEN_TEXTS), body, first=BROKEN_TEXTS)

    @checks("COORD-EXT-01")
    def test_extension_tells_whether_the_key_is_present(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str | None) -> None:
            store, other = await space.clients(2)
            key = space.key()
            expect(space, await store.extend_ttl(key, 60), False, "extend_ttl of a key that never was")
            await (store.increment(key) if value is None else store.set_if_not_exist(key, value))
            expect(space, await other.extend_ttl(key, 60), True, "extend_ttl of a present key")
            await store.delete(key)
            expect(space, await other.extend_ttl(key, 60), False, "extend_ttl of a deleted key")
            expect(space, await store.get(key), None, "the deleted key after that")

        flowcraft_store_bench.explore(st.one_of(st.none(), values), body, first=(None, "v", *_LOOK_ABSENT))

    @checks("COORD-EXT-01")
    def test_whoever_set_a_key_is_told_that_another_has_deleted_it(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, armed_by: str) -> None:
            holder, other = await space.clients(2)
            key = space.key()
            await (holder.set_if_not_exist(key, "v") if armed_by == "set_if_not_exist" else holder.increment(key))
            expect(space, await holder.extend_ttl(key, 60), True, "extend_ttl by the client that made the key")
            await other.delete(key)
            about = "extend_ttl by the client that made the key, after another client has deleted it"
            expect(space, await holder.extend_ttl(key, 60), False, about)

        ways = ("set_if_not_exist", "increment")
        flowcraft_store_bench.explore(st.sampled_from(ways), body, first=ways)

    @checks("COORD-EXT-03")
    def test_extension_creates_nothing_and_changes_no_value(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, value: str) -> None:
            store = await space.client()
            absent, text, counter = space.key("absent"), space.key("text"), space.key("counter")
            await store.extend_ttl(absent, 60)
            expect(space, await store.get(absent), None, "an absent key after extend_ttl")
            expect(space, await store.set_if_not_exist(absent, "x"), True, "set_if_not_exist after that")
            await store.set_if_not_exist(text, value)
            await store.extend_ttl(text, 90)
            expect(space, await store.get(text), value, "the value after extend_ttl")
            await store.increment(counter)
            await store.extend_ttl(counter, 90)
            expect(space, await store.increment(counter), 2, "a counter after extend_ttl")

        flowcraft_store_bench.explore(values, body, first=_ODD_VALUES)

    @checks("COORD-DEL-01")
    def test_delete_removes_and_forgives(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, before: list[tuple[str, ...]]) -> None:
            store, other = await space.clients(2)
            key = space.key()
            expect(space, await store.delete(key), None, "delete of an absent key")
            for name, *arguments in before:
                await outcome_of(partial(getattr(store, name), key, *arguments))  # to count a text may be refused
            expect(space, await other.delete(key), None, "delete of a present key")
            expect(space, await store.get(key), None, "the key after delete")
            expect(space, await store.delete(key), None, "delete once more")

        count: tuple[str, ...] = ("increment",)
        extend: tuple[str, ...] = ("extend_ttl",)
        falsy: list[list[tuple[str, ...]]] = [[("set_if_not_exist", value)] for value in _LOOK_ABSENT]
        known = ([count], [count, count], [count, extend], *falsy)
        touch: st.SearchStrategy[tuple[str, ...]] = st.one_of(
            st.sampled_from((count, extend)), values.map(lambda value: ("set_if_not_exist", value))
        )
        flowcraft_store_bench.explore(st.lists(touch, max_size=4), body, first=known)

    @checks("COORD-DEL-02")
    def test_a_deleted_counter_starts_again(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, count: int) -> None:
            store = await space.client()
            for _ in range(count):
                await store.increment(space.key())
            await store.delete(space.key())
            expect(space, await store.increment(space.key()), 1, "increment after delete")

        flowcraft_store_bench.explore(st.integers(1, 5), body)

    @checks("COORD-GET-01")
    def test_get_gives_text_or_none(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, example: tuple[str, int]) -> None:
            value, count = example
            store = await space.client()
            expect(space, await store.get(space.key("absent")), None, "get of an absent key")
            await store.set_if_not_exist(space.key("text"), value)
            expect(space, await store.get(space.key("text")), value, "get of a value")
            for _ in range(count):
                await store.increment(space.key("counter"))
            expect(space, await store.get(space.key("counter")), str(count), f"get of a counter at {count}")

        flowcraft_store_bench.explore(st.tuples(values, st.integers(1, 12)), body)

    @checks("COORD-TTL-01")
    def test_many_keys_live_at_once(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            clients = await space.clients(_LANES)
            keys = [space.key(f"k{number}") for number in range(space.profile.keys)]

            async def lane(client: StoreClient, call: str, *arguments: object) -> list[object]:
                return [await getattr(client, call)(key, *arguments) for key in keys[client.number :: _LANES]]

            await asyncio.gather(*[lane(client, "set_if_not_exist", "v", _LONG_TTL) for client in clients])
            found = await asyncio.gather(*[lane(client, "get") for client in clients])
            lost = sum(value != "v" for values in found for value in values)
            if lost:
                raise ClauseViolation(
                    f"{len(keys)} keys were set with a TTL of {_LONG_TTL} s, and {lost} of them were gone or changed "
                    "when all were set"
                )

        flowcraft_store_bench.run(body)

    @checks("COORD-TTL-04")
    def test_an_invalid_ttl_is_refused_and_writes_nothing(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, example: tuple[object, str | None]) -> None:
            ttl, held = example
            store = await space.client()
            key = space.key()
            if held is not None:
                await store.set_if_not_exist(key, held)
            arming = [
                ("set_if_not_exist", lambda: store.set_if_not_exist(key, "v", ttl)),
                ("extend_ttl", lambda: store.extend_ttl(key, ttl)),
            ]
            if held is None:  # else an increment may complain of the text first
                arming.append(("increment", lambda: store.increment(key, ttl)))
            for name, call in arming:
                _, error = await outcome_of(call)
                if not isinstance(error, ValueError | TypeError):
                    raised = f"raised {type(error).__name__}" if error is not None else "returned"
                    raise space.violated(f"{name} with a TTL of {ttl!r}: {raised}, want ValueError or TypeError")
                expect(space, await store.get(key), held, f"the key after the refused {name}")

        known = list(itertools.product(_INVALID_TTLS, (None, "5")))
        flowcraft_store_bench.explore(st.sampled_from(known), body, first=known)

    @checks("COORD-KEY-01")
    def test_no_two_keys_meet(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, names: list[str]) -> None:
            store, reader = await space.clients(2)
            for number, name in enumerate(names):
                expect(
                    space, await store.set_if_not_exist(space.key(name), f"v{number}"), True, f"setting {_shown(name)}"
                )
            for number, name in enumerate(names):
                expect(space, await reader.get(space.key(name)), f"v{number}", f"the value of {_shown(name)}")
            await store.delete(space.key(names[0]))
            for number, name in enumerate(names[1:], 1):
                about = f"the value of {_shown(name)} after {_shown(names[0])} was deleted"
                expect(space, await reader.get(space.key(name)), f"v{number}", about)

        flowcraft_store_bench.explore(look_alikes(max_bytes=496), body, first=look_alike_families(max_bytes=496))

    @checks("COORD-KEY-01")
    def test_broken_text_in_a_key_works_or_is_refused(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace, name: str) -> None:
            store = await space.client()
            plain = name.encode("utf-8", "replace").decode().replace("\x00", "")
            await store.set_if_not_exist(space.key(f"{plain}-plain"), "plain")
            key = space.key(name)
            made, error = await outcome_of(lambda: store.set_if_not_exist(key, "odd"))
            if error is None:
                expect(space, made, True, f"setting {name!r}")
                expect(space, await store.get(key), "odd", f"the value of {name!r}")

        flowcraft_store_bench.explore(st.sampled_from([f"k{text}k" for text in BROKEN_TEXTS]), body)


def _shown(name: str) -> str:
    """A key in a sentence: both of its ends, and where that is not all of it its length."""
    shown = shorten(name)
    return shown if shown == repr(name) else f"{shown} ({len(name.encode())} bytes)"
