"""The tests that pytest collects for ``--flowcraft-benchmark``: one a measurement, on the fixture ``benchmark``."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flowcraft_conformance.benchmarks.items import Item
    from flowcraft_conformance.benchmarks.measured import Benchmarks

_replayed = 0.0


def loop_seconds() -> float:
    """pytest-benchmark's timer for these tests: the seconds that were measured on the loop, around each call itself.

    pytest-benchmark cannot time a coroutine: around ``loop.run(...)`` it would count two changes of thread. So the kit
    measures all that belongs together in rounds, on its own loop, and hands each round to pytest-benchmark as it was.
    """
    return _replayed


def test_benchmark(flowcraft_benchmark: tuple[Benchmarks, Item], benchmark: Any) -> None:
    """Measure, and hand the rounds on."""
    benchmarks, item = flowcraft_benchmark
    if benchmark.disabled:
        pytest.skip("not measured: pytest-benchmark is disabled, by --benchmark-disable or because of xdist (-n)")
    outcome = benchmarks.outcome(item)
    if not outcome.samples:
        pytest.skip(f"not measured: {outcome.reason}")
    rounds = itertools.chain(outcome.samples, itertools.repeat(outcome.samples[-1]))  # a profiler asks once more

    def replay() -> None:
        global _replayed  # noqa: PLW0603 - a timer is a function without arguments
        _replayed = next(rounds)

    def rewind() -> None:
        global _replayed  # noqa: PLW0603
        _replayed = 0.0

    benchmark.extra_info.update(outcome.entry)
    benchmark.pedantic(replay, setup=rewind, rounds=len(outcome.samples))


test_benchmark.__test__ = True  # type: ignore[attr-defined]  # collected whatever the user's python_functions says
