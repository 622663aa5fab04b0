"""How fast schedules are tried, and how soon a lost update is found: ``python -m tests.benchmarks.schedules``."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from flowcraft_conformance.checking.deterministic_loop import DeterministicLoop
from flowcraft_conformance.checking.exploration import explore
from flowcraft_conformance.checking.schedules import ScheduleSearch, choice_lists

_SEEDS = 100
_WITHIN = 20


class Cell:
    """What the workers race for."""

    value = 0


async def _worker(cell: Cell, start: float, pauses: int) -> None:
    await asyncio.sleep(start)
    seen = cell.value
    for _ in range(pauses):
        await asyncio.sleep(0)
    cell.value = seen + 1


async def twenty_five_steps() -> None:
    """Five workers that start together: 25 steps with those of the caller."""
    cell = Cell()
    tasks = [asyncio.create_task(_worker(cell, 0, 1)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)


async def ten_milliseconds_apart() -> None:
    """Two workers that start 10 ms apart: in asyncio's own order no update is lost."""
    cell = Cell()
    await asyncio.gather(
        *[asyncio.create_task(_worker(cell, 0.01 * number, 2), name=f"w{number}") for number in (1, 2)]
    )
    assert cell.value == 2, f"{cell.value} of 2 updates are left"


def _per_second(runs: int, work: Callable[[], object]) -> float:
    rates = []
    for _ in range(3):
        started = time.process_time()
        work()
        rates.append(runs / (time.process_time() - started))
    return max(rates)


def plain_runs_per_second(runs: int = 10_000) -> float:
    """Of the 25-step scenario under random lists: per second of CPU time, the best of three."""
    loop, dice = DeterministicLoop(), random.Random(0)

    def work() -> None:
        for _ in range(runs):
            loop.run(twenty_five_steps(), dice.randbytes(40))

    return _per_second(runs, work)


def hypothesis_runs_per_second(examples: int = 2_000) -> float:
    """Of the 25-step scenario with every list drawn by Hypothesis."""
    search = ScheduleSearch(twenty_five_steps, seed=0)
    made = 0

    def check(choices: bytes) -> None:
        nonlocal made
        made += 1
        search.run(choices)

    def work() -> None:
        explore(choice_lists(40), check, seed=1, examples=examples, search_seconds=600, shrink_seconds=1)

    rate = _per_second(examples, work)
    return rate * made / (3 * examples)


def lost_update() -> tuple[int, int, int]:
    """Over all seeds: in how many it was found within the bound, after how many runs at most, with how many deviations
    at most."""
    found = most = deviations = 0
    for seed in range(_SEEDS):
        search = ScheduleSearch(ten_milliseconds_apart, seed=seed)
        failure = search.sweep(_WITHIN)
        if failure is not None:
            found += 1
            most = max(most, failure.runs)
            deviations = max(deviations, len(search.shrink(failure).schedule.deviations))
    return found, most, deviations


def main() -> None:
    """Print the figures beside what they should be."""
    loop = DeterministicLoop()
    loop.run(twenty_five_steps())
    print(f"scenario: {loop.steps} steps")
    print(f"plain driver: {plain_runs_per_second():,.0f} runs per second of CPU time (at least 10,000)")
    print(f"through Hypothesis: {hypothesis_runs_per_second():,.0f} runs per second of CPU time (at least 1,000)")
    found, most, deviations = lost_update()
    print(
        f"lost update, workers 10 ms apart: found for {found} of {_SEEDS} seeds within {most} runs (100 within 20), "
        f"shown as {deviations} deviation(s) at most (1)"
    )


if __name__ == "__main__":
    main()
