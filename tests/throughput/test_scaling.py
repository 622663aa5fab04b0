"""The verdict on growth, on costs that are known: noise may make it unclear, and never wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from flowcraft_conformance.benchmarks.scaling import Growth, Scaling, fit_scaling

SIZES = (1_000, 10_000, 100_000, 1_000_000, 5_000_000, 10_000_000)


def samples(cost: Callable[[int], float], scatter: float, dice: random.Random) -> dict[int, list[float]]:
    """Rounds of each size: lognormal scatter, and now and then a pause of the machine."""
    return {
        size: [cost(size) * dice.lognormvariate(0, scatter) * (20 if dice.random() < 0.05 else 1) for _ in range(15)]
        for size in SIZES
    }


def verdicts(cost: Callable[[int], float], scatter: float) -> list[Growth]:
    return [fit_scaling(samples(cost, scatter, random.Random(seed)), seed).growth for seed in range(40)]


@pytest.mark.parametrize("scatter", [0.02, 0.15])
def test_a_constant_cost_is_flat(scatter: float) -> None:
    assert set(verdicts(lambda size: 2e-4, scatter)) == {Growth.FLAT}


@pytest.mark.parametrize("scatter", [0.02, 0.15, 0.3])
def test_a_cost_in_proportion_on_top_of_a_fixed_one_is_linear(scatter: float) -> None:
    assert set(verdicts(lambda size: 1e-4 + 2e-8 * size, scatter)) == {Growth.LINEAR}


def test_what_grows_slower_than_in_proportion_is_unclear_and_says_so() -> None:
    fitted = fit_scaling(samples(lambda size: 1e-5 * size**0.5, 0.05, random.Random(1)))
    assert fitted.growth is Growth.UNCLEAR
    assert 0.45 < fitted.slope < 0.55
    assert fitted.low < fitted.slope < fitted.high
    assert "slower than in proportion" in fitted.reason


@pytest.mark.parametrize("cost", [lambda size: 2e-4, lambda size: 1e-4 + 2e-8 * size], ids=["flat", "linear"])
def test_wild_scatter_never_gives_the_opposite_verdict(cost: Callable[[int], float]) -> None:
    wrong = Growth.LINEAR if cost(SIZES[-1]) == cost(SIZES[0]) else Growth.FLAT
    assert wrong not in verdicts(cost, 1.0)


def test_a_slow_growth_hidden_by_a_fixed_cost_is_not_called_flat() -> None:
    """At the largest state two thirds of the cost are in proportion to it."""
    assert Growth.FLAT not in verdicts(lambda size: 1e-3 + 2e-10 * size, 0.02)


def test_too_few_sizes_give_no_slope() -> None:
    fitted = fit_scaling({1_000: [1.0], 2_000: [2.0]})
    assert fitted.growth is Growth.UNCLEAR
    assert "too few sizes" in fitted.reason
    assert fitted.points == ((1_000, 1.0), (2_000, 2.0))


def test_nothing_measured_is_unclear() -> None:
    assert fit_scaling({}).growth is Growth.UNCLEAR


def test_the_same_samples_give_the_same_verdict() -> None:
    given = samples(lambda size: 1e-5 * size**0.5, 0.3, random.Random(5))
    first, second = (fit_scaling(given, seed=7) for _ in range(2))
    assert isinstance(first, Scaling)
    assert first == second
