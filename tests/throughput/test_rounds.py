"""Rounds: every lane in each, only the call itself on the clock, and one lane's trouble is no other's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from flowcraft_conformance.benchmarks.plan import Rounds
from flowcraft_conformance.benchmarks.rounds import Lane, Series, measure
from tests.throughput.synthetic import FakeClock

FIVE = Rounds(5, 5, 1000)


def run(*lanes: Lane, clock: FakeClock, rounds: Rounds = FIVE, within: float = 10) -> dict[str, Series]:
    return asyncio.run(measure(lanes, rounds, now=clock.now, call_within=within, dice=random.Random(1)))


def taking(
    clock: FakeClock, seconds: float, seen: list[str] | None = None, name: str = ""
) -> Callable[[int], Awaitable[None]]:
    async def call(_number: int) -> None:
        clock.seconds += seconds
        if seen is not None:
            seen.append(name)

    return call


def test_each_round_measures_every_lane_once_in_an_order_of_its_own() -> None:
    clock, seen = FakeClock(), list[str]()
    names = ("a", "b", "c", "d")
    run(*[Lane(name, taking(clock, 0.5, seen, name)) for name in names], clock=clock, rounds=Rounds(8, 8, 1000))
    rounds = [tuple(seen[start : start + 4]) for start in range(8, len(seen), 4)]  # behind two calls of each to warm up
    assert len(rounds) == 8
    assert all(sorted(one) == list(names) for one in rounds)
    assert len(set(rounds)) > 1


def test_only_the_call_is_on_the_clock() -> None:
    clock = FakeClock()

    async def before() -> None:
        clock.seconds += 7

    series = run(Lane("one", taking(clock, 0.25), before=before), clock=clock)["one"]
    assert series.samples == [0.25] * 5


def test_a_short_call_is_repeated_and_its_sample_is_the_average() -> None:
    clock = FakeClock()
    series = run(Lane("one", taking(clock, 0.00002)), clock=clock)["one"]
    assert series.repeated == 10
    assert all(abs(seconds - 0.00002) < 1e-9 for seconds in series.samples)


def test_a_lane_that_raises_is_dropped_with_the_reason_and_the_others_go_on() -> None:
    clock = FakeClock()
    calls = 0

    async def breaks(_number: int) -> None:
        nonlocal calls
        calls += 1
        clock.seconds += 0.5
        if calls == 4:
            raise RuntimeError("no room left")

    every = run(Lane("breaks", breaks), Lane("fine", taking(clock, 0.5)), clock=clock)
    assert every["breaks"].reason == "it raised RuntimeError: no room left"
    assert every["breaks"].samples == []
    assert len(every["fine"].samples) == 5


def test_a_lane_that_never_returns_is_dropped_within_its_bound() -> None:
    clock = FakeClock()

    async def hangs(_number: int) -> None:
        await asyncio.Event().wait()

    every = run(Lane("hangs", hangs), Lane("fine", taking(clock, 0.5)), clock=clock, within=0.05)
    assert "did not return within 0.05 s" in every["hangs"].reason
    assert every["fine"].measured


def test_what_is_too_slow_for_the_fewest_rounds_is_left_out() -> None:
    clock = FakeClock()
    every = run(Lane("slow", taking(clock, 9)), Lane("fast", taking(clock, 0.1)), clock=clock, rounds=Rounds(5, 9, 2))
    assert "one call takes 9 s" in every["slow"].reason
    assert len(every["fast"].samples) == 9


def test_rounds_end_when_the_time_is_used_up_but_not_before_the_fewest() -> None:
    clock = FakeClock()
    every = run(Lane("one", taking(clock, 1.0)), clock=clock, rounds=Rounds(4, 100, 2))
    assert len(every["one"].samples) == 4


def test_quick_calls_go_on_to_more_rounds_when_the_time_is_used_up() -> None:
    clock = FakeClock()
    lanes = (Lane("slow", taking(clock, 1.0)), Lane("quick", taking(clock, 0.004)))
    every = run(*lanes, clock=clock, rounds=Rounds(4, 20, 4.0))
    assert len(every["slow"].samples) == 4
    assert len(every["quick"].samples) == 20


def test_more_rounds_end_in_time_too() -> None:
    clock = FakeClock()
    lanes = (Lane("slow", taking(clock, 1.0)), Lane("quick", taking(clock, 0.004)))
    every = run(*lanes, clock=clock, rounds=Rounds(4, 100_000, 4.0))
    assert 400 < len(every["quick"].samples) < 520  # for half as long again
