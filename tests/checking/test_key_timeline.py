"""The model of one key under sequential calls, with and without tolerance."""

from __future__ import annotations

import random

import pytest

from flowcraft_conformance.checking.coordination_model import (
    KeyTimeline,
    Mismatch,
    Raised,
    StoreCall,
    effects,
    is_canonical,
)

BOOM = Raised("ValueError", "boom")


def exact() -> KeyTimeline:
    return KeyTimeline(0, 0)


def at(timeline: KeyTimeline, moment: float, name: str, output: object, **arguments: object) -> Mismatch | None:
    return timeline.observe(StoreCall(name, "k", **arguments), moment, moment, output)  # type: ignore[arg-type]


def test_a_key_is_present_before_its_deadline_and_absent_after_it() -> None:
    timeline = exact()
    assert at(timeline, 10, "set_if_not_exist", True, value="v", ttl=5) is None
    assert at(timeline, 14.999, "get", "v") is None
    wrong = at(timeline, 14.999, "get", None)
    assert wrong is not None
    assert wrong.expected == ("v",)
    assert wrong.got is None
    assert "TTL of 5 s" in wrong.explanation
    assert "5 s earlier" in wrong.explanation
    assert at(timeline, 15.001, "get", None) is None
    gone = at(timeline, 15.001, "get", "v")
    assert gone is not None
    assert gone.expected == (None,)


@pytest.mark.parametrize("output", ["v", None])
def test_at_the_deadline_itself_either_is_right(output: object) -> None:
    timeline = exact()
    at(timeline, 10, "set_if_not_exist", True, value="v", ttl=5)
    assert at(timeline, 15, "get", output) is None
    assert not timeline.certain


@pytest.mark.parametrize("off", [1e-9, -1e-9, 1e-12])
def test_a_store_may_count_the_same_time_in_other_units(off: float) -> None:
    for output in ("v", None):
        timeline, now = exact(), 1234.567
        at(timeline, now, "set_if_not_exist", True, value="v", ttl=5)
        assert at(timeline, now + 5 + off, "get", output) is None


def test_what_was_seen_to_be_gone_stays_gone() -> None:
    timeline = KeyTimeline(1, 1)
    at(timeline, 0, "set_if_not_exist", True, value="v", ttl=2)
    assert at(timeline, 1.5, "get", None) is None
    assert at(timeline, 1.6, "get", "v") is not None
    assert at(timeline, 1.7, "set_if_not_exist", True, value="w", ttl=2) is None


def test_tolerance_is_the_declared_one() -> None:
    allowed: dict[float, set[str | None]] = {0.99: {"v"}, 1.01: {"v", None}, 2.99: {"v", None}, 3.01: {None}}
    for moment, outputs in allowed.items():
        for output in ("v", None):
            timeline = KeyTimeline(1, 1)
            at(timeline, 0, "set_if_not_exist", True, value="v", ttl=2)
            assert (at(timeline, moment, "get", output) is None) == (output in outputs), (moment, output)


def test_the_length_of_a_call_widens_the_window() -> None:
    timeline = exact()
    assert timeline.observe(StoreCall("increment", "k", ttl=2), 0, 1, 1) is None
    assert timeline.observe(StoreCall("get", "k"), 1.5, 1.5, "1") is None
    assert timeline.observe(StoreCall("get", "k"), 1.5, 2.5, "1") is None
    assert timeline.observe(StoreCall("get", "k"), 2.6, 2.6, "1") is None
    assert timeline.observe(StoreCall("get", "k"), 3.1, 3.1, "1") is not None


def test_increment_counts_on_and_arms_anew() -> None:
    timeline = exact()
    assert at(timeline, 0, "increment", 1, ttl=5) is None
    assert at(timeline, 4, "increment", 2, ttl=5) is None
    assert at(timeline, 8, "get", "2") is None
    refused = at(timeline, 8, "increment", BOOM, ttl=5)
    assert refused is not None, "a counter must count on"
    assert refused.expected == (3,)
    assert at(timeline, 10, "increment", 1, ttl=5) is None


def test_set_if_not_exist_on_a_present_key_changes_nothing() -> None:
    timeline = exact()
    at(timeline, 0, "set_if_not_exist", True, value="v", ttl=5)
    assert at(timeline, 4, "set_if_not_exist", False, value="w", ttl=50) is None
    assert at(timeline, 4, "get", "w") is not None
    assert at(timeline, 6, "get", None) is None


def test_extend_ttl_tells_presence_and_arms_anew() -> None:
    timeline = exact()
    assert at(timeline, 0, "extend_ttl", False, ttl=5) is None
    assert at(timeline, 0, "get", None) is None
    at(timeline, 0, "set_if_not_exist", True, value="v", ttl=5)
    assert at(timeline, 4, "extend_ttl", True, ttl=5) is None
    assert at(timeline, 8, "get", "v") is None
    assert at(timeline, 9.5, "extend_ttl", True, ttl=5) is not None


def test_extend_ttl_may_shorten() -> None:
    timeline = exact()
    at(timeline, 0, "set_if_not_exist", True, value="v", ttl=50)
    assert at(timeline, 1, "extend_ttl", True, ttl=2) is None
    assert at(timeline, 4, "get", "v") is not None
    assert at(timeline, 4, "get", None) is None


def test_delete_returns_none_and_removes() -> None:
    timeline = exact()
    assert at(timeline, 0, "delete", None) is None
    assert at(timeline, 0, "delete", True) is not None
    at(timeline, 0, "increment", 1, ttl=5)
    assert at(timeline, 1, "delete", None) is None
    assert at(timeline, 1, "get", None) is None
    assert at(timeline, 1, "increment", 1, ttl=5) is None


@pytest.mark.parametrize("text", ["x", "007", " 5", "5 ", "1_0", "", "+5", "-0", "1.0", "٣", "5\n", "--1"])
def test_increment_of_another_text_raises(text: str) -> None:
    timeline = exact()
    at(timeline, 0, "set_if_not_exist", True, value=text, ttl=5)
    wrong = at(timeline, 1, "increment", 1, ttl=5)
    assert wrong is not None
    assert isinstance(wrong.expected[0], Raised)
    assert at(timeline, 1, "increment", BOOM, ttl=50) is None
    assert at(timeline, 1, "get", text) is None
    assert at(timeline, 6, "get", None) is None, "a refused increment arms nothing"


@pytest.mark.parametrize("text", ["0", "5", "-5", "41"])
def test_increment_of_a_decimal_text_counts_on_or_raises(text: str) -> None:
    counted, refused = exact(), exact()
    at(counted, 0, "set_if_not_exist", True, value=text, ttl=5)
    at(refused, 0, "set_if_not_exist", True, value=text, ttl=5)
    assert at(counted, 4, "increment", int(text) + 1, ttl=5) is None
    assert at(counted, 8, "get", str(int(text) + 1)) is None
    assert at(refused, 4, "increment", BOOM, ttl=5) is None
    assert at(refused, 4, "get", text) is None
    assert at(refused, 6, "get", text) is not None


def test_a_very_long_number_is_a_text() -> None:
    timeline = exact()
    at(timeline, 0, "set_if_not_exist", True, value="9" * 5000, ttl=5)
    assert at(timeline, 1, "increment", BOOM, ttl=5) is None


@pytest.mark.parametrize("output", [True, 1.0, "1", None, BOOM])
def test_only_an_int_is_a_count(output: object) -> None:
    assert at(exact(), 0, "increment", output, ttl=5) is not None


@pytest.mark.parametrize("output", [1, 0, None, "True", BOOM])
def test_only_a_bool_tells_who_won(output: object) -> None:
    assert at(exact(), 0, "set_if_not_exist", output, value="v", ttl=5) is not None


def test_an_error_is_no_answer() -> None:
    assert at(exact(), 0, "get", BOOM) is not None


@pytest.mark.parametrize("ttl", [0, -1, 0.5, 1.5, True, "5", None, float("nan"), float("inf")])
def test_a_wrong_ttl_is_refused_without_a_change_or_ends_soon(ttl: object) -> None:
    refused = exact()
    assert at(refused, 0, "set_if_not_exist", BOOM, value="v", ttl=ttl) is None
    assert at(refused, 0, "get", "v") is not None
    for seen in ("v", None):
        taken = exact()
        assert at(taken, 0, "set_if_not_exist", True, value="v", ttl=ttl) is None
        assert at(taken, 0.5, "get", seen) is None


@pytest.mark.parametrize("ttl", [0, -1, 0.5, 1.5, True])
def test_no_ttl_argument_leaves_a_key_for_ever(ttl: object) -> None:
    timeline = exact()
    at(timeline, 0, "increment", 1, ttl=ttl)
    assert at(timeline, 2.5, "get", "1") is not None


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_some_backends_lack_come_back_or_are_refused(text: str) -> None:
    for output, seen in ((True, text), (BOOM, None)):
        timeline = exact()
        assert at(timeline, 0, "set_if_not_exist", output, value=text, ttl=5) is None
        assert at(timeline, 1, "get", seen) is None


def test_after_a_mismatch_the_call_counts_as_not_made() -> None:
    timeline = exact()
    assert at(timeline, 0, "increment", 7, ttl=5) is not None
    assert at(timeline, 0, "increment", 1, ttl=5) is None


def test_certain_says_whether_a_wrong_answer_could_have_been_caught() -> None:
    timeline = KeyTimeline(1, 1)
    at(timeline, 0, "increment", 1, ttl=3)
    seen = []
    for moment, output in ((1, "1"), (3, "1"), (4.5, None)):
        at(timeline, moment, "get", output)
        seen.append(timeline.certain)
    assert seen == [True, False, True]


def test_an_unknown_call_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such call"):
        effects(None, StoreCall("swap", "k"))


def test_canonical_decimals() -> None:
    assert [text for text in ("0", "1", "10", "-1", "-0", "01", "", "-", "1e3") if is_canonical(text)] == [
        "0",
        "1",
        "10",
        "-1",
    ]


class ExactStore:
    """A right store on a clock of its own, written without a thought of the model."""

    def __init__(self, early: float, late: float, dice: random.Random) -> None:
        self.now = 0.0
        self._early, self._late, self._dice = early, late, dice
        self._held: tuple[str, float] | None = None

    def _look(self) -> str | None:
        if self._held is not None and self.now >= self._held[1]:
            self._held = None
        return None if self._held is None else self._held[0]

    def _arm(self, value: str, ttl: int) -> None:
        self._held = (value, self.now + ttl + self._dice.uniform(-self._early, self._late))

    def call(self, call: StoreCall) -> object:
        held = self._look()
        if call.name == "get":
            return held
        if call.name == "delete":
            self._held = None
            return None
        if call.name == "extend_ttl":
            if held is not None:
                self._arm(held, call.ttl)
            return held is not None
        if call.name == "set_if_not_exist":
            if held is None:
                self._arm(str(call.value), call.ttl)
            return held is None
        if held is not None and not held.isdigit():
            return Raised("ValueError")
        count = int(held or "0") + 1
        self._arm(str(count), call.ttl)
        return count


@pytest.mark.parametrize("tolerance", [(0.0, 0.0), (0.5, 1.5)])
def test_a_right_store_is_never_accused(tolerance: tuple[float, float]) -> None:
    for seed in range(400):
        dice = random.Random(seed)
        store, timeline = ExactStore(*tolerance, dice), KeyTimeline(*tolerance)
        for _ in range(25):
            store.now += dice.choice((0.0, 0.25, 1.0, 2.0, 3.5))
            start = store.now
            store.now += dice.choice((0.0, 0.0, 0.5))
            call = random_call(dice)
            output = store.call(call)
            store.now += dice.choice((0.0, 0.0, 0.5))
            assert timeline.observe(call, start, store.now, output) is None, seed


def random_call(dice: random.Random) -> StoreCall:
    name = dice.choice(("increment", "set_if_not_exist", "extend_ttl", "delete", "get", "get"))
    if name in ("get", "delete"):
        return StoreCall(name, "k")
    value = dice.choice(("x", "7")) if name == "set_if_not_exist" else None
    return StoreCall(name, "k", value=value, ttl=dice.randint(1, 4))
