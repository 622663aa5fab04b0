"""Small histories whose verdict is plain, and what a verdict says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from flowcraft_conformance.checking import linearizability
from flowcraft_conformance.checking.coordination_model import CoordinationModel, StoreCall
from flowcraft_conformance.checking.history import Operation, Raised
from flowcraft_conformance.checking.linearizability import check_linearizable
from flowcraft_conformance.checking.models import (
    CasRegisterModel,
    KeyValueModel,
    Model,
    RegisterCall,
    RegisterModel,
    ValueCall,
)

READ = RegisterCall("read")
STORE = CoordinationModel(0.5, 1)
GET, DELETE = StoreCall("get", "k"), StoreCall("delete", "k")


def write(value: object) -> RegisterCall:
    return RegisterCall("write", value)


def cas(expected: object, value: object) -> RegisterCall:
    return RegisterCall("cas", value, expected)


def increment(ttl: int = 600) -> StoreCall:
    return StoreCall("increment", "k", ttl=ttl)


def win(value: str, ttl: int = 600) -> StoreCall:
    return StoreCall("set_if_not_exist", "k", value, ttl)


def extend(ttl: int) -> StoreCall:
    return StoreCall("extend_ttl", "k", ttl=ttl)


def op(call: Any, start: float, end: float | None, output: object = None) -> Operation:
    return Operation(0, call, start, end, output)


def verdict(operations: Sequence[Operation], model: Model[Any]) -> str:
    """Of the history, which must not depend on the order of its records."""
    found = check_linearizable(operations, model).verdict
    assert check_linearizable(operations[::-1], model).verdict == found
    return found


@pytest.mark.parametrize("model", [RegisterModel(), KeyValueModel(), STORE])
def test_an_empty_history_is_explained(model: Model[Any]) -> None:
    assert verdict([], model) == "ok"


@pytest.mark.parametrize(("read_starts", "want"), [(2.0, "ok"), (2.001, "violation")])
def test_intervals_are_closed(read_starts: float, want: str) -> None:
    """A read that starts as the write returns may come before it."""
    assert verdict([op(write(1), 0, 2), op(READ, read_starts, 3, None)], RegisterModel()) == want


def test_a_call_may_take_no_time() -> None:
    together = [op(write(1), 1, 1), op(READ, 1, 1, None), op(READ, 1, 1, 1)]
    assert verdict(together, RegisterModel()) == "ok"


def test_a_stale_read_is_a_violation() -> None:
    assert verdict([op(write(1), 0, 1), op(write(2), 2, 3), op(READ, 4, 5, 1)], RegisterModel()) == "violation"


def test_two_readers_agree_on_the_order_of_concurrent_writes() -> None:
    writes = [op(write(1), 0, 10), op(write(2), 0, 10)]
    assert verdict([*writes, op(READ, 1, 2, 1), op(READ, 3, 4, 2)], RegisterModel()) == "ok"
    back_and_forth = [*writes, op(READ, 1, 2, 1), op(READ, 3, 4, 2), op(READ, 5, 6, 1)]
    assert verdict(back_and_forth, RegisterModel()) == "violation"


def test_a_write_of_the_value_that_is_there_may_be_needed_later() -> None:
    """The slow write changes nothing at first; only after the other one does it explain the read."""
    slow_and_fast = [op(write(3), 0, 1), op(write(3), 2, 9), op(write(4), 2, 3)]
    assert verdict([*slow_and_fast, op(READ, 4, 5, 3)], RegisterModel()) == "ok"


def test_a_call_that_never_returned_may_come_late() -> None:
    late = [op(write(1), 0, None), op(write(2), 1, 2), op(READ, 3, 4, 2), op(READ, 5, 6, 1)]
    assert verdict(late, RegisterModel()) == "ok"


def test_a_call_that_never_returned_may_never_come() -> None:
    assert verdict([op(write(1), 0, None), op(READ, 3, 4, None)], RegisterModel()) == "ok"


def test_a_call_that_never_returned_comes_once_and_not_before_its_start() -> None:
    twice = [op(write(1), 0, None), op(READ, 1, 2, 1), op(write(2), 3, 4), op(READ, 5, 6, 1)]
    assert verdict(twice, RegisterModel()) == "violation"
    assert verdict([op(READ, 0, 1, 1), op(write(1), 2, None)], RegisterModel()) == "violation"


@pytest.mark.parametrize(("lost", "want"), [(0, "violation"), (1, "violation"), (2, "ok"), (3, "ok")])
def test_of_identical_open_calls_as_many_as_needed_took_effect(lost: int, want: str) -> None:
    open_calls = [op(increment(), moment, None) for moment in range(lost)]
    assert verdict([*open_calls, op(increment(), 5, 6, 3)], STORE) == want


def test_the_open_call_that_started_later_is_no_substitute_for_an_earlier_one() -> None:
    """Two are needed by 2, but the second starts at 3."""
    early_and_late = [op(increment(), 0, None), op(increment(), 3, None)]
    assert verdict([*early_and_late, op(GET, 1, 2, "2")], STORE) == "violation"
    assert verdict([*early_and_late, op(GET, 1, 3, "2")], STORE) == "ok"


def test_a_lost_update_is_a_violation() -> None:
    both = [op(increment(), 0, 3, 1), op(increment(), 1, 4, 1)]
    assert verdict(both, STORE) == "violation"
    assert verdict([both[0], op(increment(), 1, 4, 2)], STORE) == "ok"


def test_one_of_two_winners_is_one_too_many() -> None:
    assert verdict([op(win("a"), 0, 3, True), op(win("b"), 1, 4, True)], STORE) == "violation"
    assert verdict([op(win("a"), 0, 3, True), op(win("b"), 1, 4, True), op(DELETE, 2, 3)], STORE) == "ok"


def test_a_compare_and_set_swaps_exactly_where_it_says_so() -> None:
    start = op(write(1), 0, 1)
    assert verdict([start, op(cas(1, 2), 2, 3, True), op(cas(1, 3), 2, 3, False)], CasRegisterModel()) == "ok"
    assert verdict([start, op(cas(1, 2), 2, 3, True), op(cas(1, 3), 2, 3, True)], CasRegisterModel()) == "violation"
    assert verdict([start, op(cas(1, 2), 2, 3, False)], CasRegisterModel()) == "violation"


def test_appended_texts_are_read_in_one_order() -> None:
    appended = [op(ValueCall("append", "k", text), 0, 5) for text in "abc"]
    reads = [op(ValueCall("get", "k"), 1, 2, "b"), op(ValueCall("get", "k"), 6, 7, "bca")]
    assert verdict([*appended, *reads], KeyValueModel()) == "ok"
    assert verdict([*appended, *reads, op(ValueCall("get", "k"), 8, 9, "bac")], KeyValueModel()) == "violation"


# Leases: armed in [1, 2] with a TTL of 5, granularity 0.5 and lag 1, the key may end within [5.5, 8].
ARMED = op(win("a", 5), 1, 2, True)


@pytest.mark.parametrize(
    ("start", "end", "output", "want"),
    [
        (3, 5.4, None, "violation"), (3, 5.5, None, "ok"), (5, 9, None, "ok"), (9, 10, None, "ok"),
        (3, 5.4, "a", "ok"), (8, 9, "a", "ok"), (8.1, 9, "a", "violation"),
    ],
)  # fmt: skip
def test_a_lease_ends_within_its_window(start: float, end: float, output: str | None, want: str) -> None:
    assert verdict([ARMED, op(GET, start, end, output)], STORE) == want


def test_an_expired_key_does_not_come_back() -> None:
    assert verdict([ARMED, op(GET, 6, 6.1, None), op(GET, 6.2, 6.3, "a")], STORE) == "violation"
    assert verdict([ARMED, op(GET, 6, 6.2, None), op(GET, 6.1, 6.3, "a")], STORE) == "ok"


def test_an_expiry_leaves_the_next_owner_alone() -> None:
    """The first lease ends while the second one owns the key: nothing happens."""
    taken_over = [ARMED, op(DELETE, 3, 3.5), op(win("b", 600), 4, 5, True)]
    assert verdict([*taken_over, op(GET, 20, 21, "b")], STORE) == "ok"
    assert verdict([*taken_over, op(GET, 20, 21, None)], STORE) == "violation"


def test_an_extension_re_arms() -> None:
    assert verdict([ARMED, op(extend(5), 4, 5, True), op(GET, 9, 9.1, "a")], STORE) == "ok"
    assert verdict([ARMED, op(extend(5), 4, 5, True), op(GET, 7, 7.1, None)], STORE) == "violation"
    assert verdict([ARMED, op(extend(5), 9, 9.1, True)], STORE) == "violation"


def test_a_lease_of_a_call_that_never_returned_may_last() -> None:
    lost = op(win("a", 5), 1, None)
    assert verdict([lost, op(GET, 100, 101, "a")], STORE) == "ok"
    assert verdict([lost, op(GET, 2, 3, "a"), op(GET, 4, 5.4, None)], STORE) == "violation"


def test_two_winners_with_an_expiry_between_them() -> None:
    assert verdict([ARMED, op(win("b", 5), 6, 7, True)], STORE) == "ok"
    assert verdict([ARMED, op(win("b", 5), 3, 4, True)], STORE) == "violation"


def test_a_call_that_was_allowed_to_raise_changed_nothing() -> None:
    raised = op(increment(), 3, 4, Raised("ValueError"))
    assert verdict([op(win("x"), 0, 1, True), raised, op(GET, 5, 6, "x")], STORE) == "ok"
    assert verdict([raised], STORE) == "violation"


def test_partitions_are_judged_apart() -> None:
    calls = [
        op(ValueCall("set", "a", 1), 0, 1), op(ValueCall("get", "b"), 2, 3, None), op(ValueCall("get", "a"), 2, 3, 1)
    ]  # fmt: skip
    assert check_linearizable(calls, KeyValueModel()).verdict == "violation"
    assert check_linearizable(calls, KeyValueModel(), partition=lambda one: one.input.key).verdict == "ok"


def test_a_call_that_ends_before_its_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="ends at 1, before its start at 2"):
        check_linearizable([op(READ, 2, 1)], RegisterModel())


# What a verdict tells.


def test_a_violation_shows_the_longest_prefix_and_what_cannot_follow() -> None:
    history = [
        op(write(1), 0, 1), op(READ, 2, 3, 1), op(write(2), 4, 5), op(READ, 6, 7, 1), op(write(3), 8, 9),
        op(READ, 10, 11, 3),
    ]  # fmt: skip
    result = check_linearizable(history[::-1], RegisterModel())
    assert result.verdict == "violation"
    assert result.prefix == tuple(history[:3])
    assert result.unplaced == (history[3],)
    assert sorted(result.failing_operations, key=lambda one: one.start) == history


def test_what_was_foreseen_does_not_shorten_the_evidence() -> None:
    """The first append after "x" already rules the last read out; the evidence goes on to that read."""
    history = [op(ValueCall("set", "k", "x"), 0, 1)]
    history += [op(ValueCall("append", "k", text), number + 1.1, number + 1.9) for number, text in enumerate("abc")]
    history.append(op(ValueCall("get", "k"), 10, 11, "x!"))
    result = check_linearizable(history, KeyValueModel())
    assert result.verdict == "violation"
    assert result.prefix == tuple(history[:-1])
    assert result.unplaced == (history[-1],)


def test_the_evidence_is_of_the_partition_that_fails() -> None:
    good = [op(ValueCall("get", "good"), number, number + 0.5) for number in range(5)]
    bad = [op(ValueCall("set", "bad", 1), 0, 1), op(ValueCall("get", "bad"), 2, 3, None)]
    result = check_linearizable([*good, *bad], KeyValueModel(), partition=lambda one: one.input.key)
    assert result.failing_operations == tuple(bad)
    assert result.prefix == (bad[0],)
    assert result.unplaced == (bad[1],)


def hard_history(clients: int = 12) -> list[Operation]:
    """Concurrent writes of different values, and a read that none of them explains."""
    return [op(write(number), 0, 10) for number in range(clients)] + [op(READ, 20, 21, "nothing of these")]


@dataclass(frozen=True)
class Log(Model[tuple[object, ...]]):
    """Remembers all that was written: no two orders lead to one state, and nothing is foreseen."""

    def initial(self) -> tuple[object, ...]:
        return ()

    def step(self, state: tuple[object, ...], operation: Operation) -> tuple[tuple[object, ...], ...]:
        if operation.input.name == "write":
            return ((*state, operation.input.value),)
        return (state,) if operation.output == state else ()


@pytest.mark.parametrize("steps", [1, 10, 1000, 5000])
def test_a_budget_that_is_too_small_is_unknown_and_never_ok(steps: int) -> None:
    result = check_linearizable(hard_history(), Log(), max_steps=steps)
    assert result.verdict == "unknown"
    assert set(result.failing_operations) == set(hard_history())


def test_a_larger_budget_finds_what_a_smaller_one_did_not() -> None:
    assert check_linearizable(hard_history(4), Log(), max_steps=20).verdict == "unknown"
    assert check_linearizable(hard_history(4), Log()).verdict == "violation"
    explained = [*hard_history(4)[:-1], op(READ, 20, 21, (3, 2, 1, 0))]
    assert check_linearizable(explained, Log(), max_steps=20).verdict == "unknown"
    assert check_linearizable(explained, Log()).verdict == "ok"


def test_a_budget_that_is_just_large_enough_is_enough() -> None:
    history = [op(write(number), number, number + 0.5) for number in range(10)]
    assert check_linearizable(history, RegisterModel(), max_steps=10).verdict == "ok"
    assert check_linearizable(history, RegisterModel(), max_steps=0).verdict == "unknown"


def test_memory_is_bounded_and_its_end_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "_MOST_BYTES", 1_000_000)
    result = check_linearizable(hard_history(), Log())
    assert result.verdict == "unknown"


def test_a_violation_beside_a_partition_that_is_too_hard_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = [Operation(0, one.input, one.start, one.end, one.output) for one in hard_history()]
    easy = [Operation(1, write(number), number, number + 0.5) for number in range(40)]
    wrong = Operation(1, READ, 50, 51, "stale")
    monkeypatch.setattr(linearizability, "_MOST_BYTES", 1_000_000)
    found = check_linearizable([*hard, *easy, wrong], Log(), partition=lambda one: one.client)
    assert found.verdict == "violation"
    assert found.unplaced == (wrong,)
    missing = check_linearizable([*hard, *easy], Log(), partition=lambda one: one.client)
    assert missing.verdict == "unknown"
    assert set(missing.failing_operations) == set(hard)


def test_a_model_need_not_say_what_only_looks() -> None:
    class Plain:
        """The register as the plainest model."""

        def initial(self) -> object:
            return None

        def step(self, state: object, operation: Operation) -> list[object]:
            if operation.input.name == "write":
                return [operation.input.value]
            return [state] if operation.end is None or operation.output == state else []

    history = [op(write(1), 0, 9), op(READ, 1, 2, 1), op(READ, 3, 4, 1), op(READ, 3, 5, None)]
    assert verdict(history, Plain()) == "violation"
    assert verdict([*history[:3], op(READ, 0, 5, None)], Plain()) == "ok"


def test_inputs_need_not_be_hashable() -> None:
    history = [op(ValueCall("set", "k", ["a", "list"]), 0, None), op(ValueCall("has", "k"), 1, 2, False)]
    assert verdict(history, KeyValueModel()) == "ok"
