"""The search finds what a slow step breaks, shows it with the fewest deviations, and its token repeats it elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft_conformance.checking.loop_parts import NeedsRealTimeError, StepLimitError
from flowcraft_conformance.checking.schedules import Schedule, ScheduleSearch
from tests.benchmarks.schedules import lost_update, ten_milliseconds_apart

_ROOT = Path(__file__).resolve().parents[2]


async def _locked() -> None:
    lock, values = asyncio.Lock(), [0]

    async def worker(start: float) -> None:
        await asyncio.sleep(start)
        async with lock:
            seen = values[0]
            await asyncio.sleep(0)
            values[0] = seen + 1

    await asyncio.gather(*[worker(0.01 * number) for number in range(3)])
    assert values == [3]


async def _needs_two_slow_steps() -> None:
    """The reader must be slow between its looks, and the writer slow before that until the reader has begun."""
    state = ["old", "old"]
    seen = []

    async def write() -> None:
        state[:] = ["new", "new"]

    async def read() -> None:
        seen.append(state[0])
        await asyncio.sleep(0)
        seen.append(state[1])

    await asyncio.gather(write(), read())
    assert seen[0] == seen[1], seen


@given(
    st.dictionaries(st.integers(0, 300), st.integers(1, 20), max_size=8).map(
        lambda found: tuple(sorted(found.items()))
    ),
    st.integers(0, 40),
)
def test_a_token_reads_back(deviations: tuple[tuple[int, int], ...], program: int) -> None:
    schedule = Schedule(deviations, program)
    assert Schedule.decode(schedule.encode()) == schedule
    assert [(place, choice) for place, choice in enumerate(schedule.choices) if choice] == list(deviations)


@pytest.mark.parametrize("text", ["", "3=1", "0:3", "0:3=", "0:3=1+", "0:a=1", "x:3=1", "0:3=1 ", "0:+3=1"])
def test_other_text_is_no_token(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no schedule; one looks like 0:3=1\+17=2"):
        Schedule.decode(text)


def test_a_lost_update_is_found_within_20_runs_whatever_the_seed_and_shown_as_one_deviation() -> None:
    found, most, deviations = lost_update()
    assert (found, deviations) == (100, 1)
    assert most <= 20


def test_the_token_repeats_the_failure_in_another_process() -> None:
    search = ScheduleSearch(ten_milliseconds_apart, seed=3)
    failure = search.sweep(20)
    assert failure is not None
    token = search.shrink(failure).schedule.encode()
    program = (
        "from tests.benchmarks.schedules import ten_milliseconds_apart as scenario\n"
        "from flowcraft_conformance.checking.schedules import Schedule, ScheduleSearch\n"
        f"error, story = ScheduleSearch(scenario, seed=0).tell(Schedule.decode({token!r}))\n"
        "print(error, [step.task for step in story.steps if step.overtakes])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "1 of 2 updates are left ['w2']\n"


def test_two_slow_steps_are_shown_as_two() -> None:
    for seed in range(20):
        search = ScheduleSearch(_needs_two_slow_steps, seed=seed)
        failure = search.sweep(300)
        assert failure is not None
        assert len(search.shrink(failure).schedule.deviations) == 2


def test_a_right_scenario_has_no_failing_schedule() -> None:
    for seed in range(20):
        search = ScheduleSearch(_locked, seed=seed)
        assert search.sweep(500) is None
        assert search.unfinished == 0


def test_few_schedules_are_all_tried_each_once() -> None:
    orders: list[tuple[int, ...]] = []

    async def three() -> None:
        order: list[int] = []

        async def one(number: int) -> None:
            order.append(number)

        await asyncio.gather(*[one(number) for number in range(3)])
        orders.append(tuple(order))

    assert ScheduleSearch(three, seed=0).sweep(10_000) is None
    assert sorted(orders) == sorted(itertools.permutations(range(3)))


def test_what_fails_in_asyncios_own_order_has_no_deviation() -> None:
    async def fails() -> None:
        raise ValueError("always")

    search = ScheduleSearch(fails, seed=0, program=7)
    failure = search.sweep(10)
    assert failure is not None
    assert (failure.schedule.encode(), failure.runs, str(failure.error)) == ("7:", 1, "always")


def test_what_fails_only_once_stays_failed() -> None:
    runs = itertools.count()

    async def fails_once() -> None:
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        assert next(runs) != 2

    search = ScheduleSearch(fails_once, seed=0)
    failure = search.sweep(100)
    assert failure is not None
    assert search.shrink(failure).error is failure.error


def test_a_swallowed_refusal_ends_the_search() -> None:
    async def opens_a_socket() -> None:
        with contextlib.suppress(Exception):
            await asyncio.open_connection("localhost", 1)

    with pytest.raises(NeedsRealTimeError):
        ScheduleSearch(opens_a_socket, seed=0).sweep(10)


def test_a_scenario_without_end_says_so() -> None:
    async def endless() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0.01)

    with pytest.raises(StepLimitError):
        ScheduleSearch(endless, seed=0, max_steps=100).sweep(10)
