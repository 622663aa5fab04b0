"""How the cost of a patch grows with the state: a line through the logarithms, and what may be said about it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowcraft_conformance.benchmarks.spread import quantile

FLAT_BELOW = 0.2
"""A slope below is flat: ten times the state costs at most 1.6 times as much."""
LINEAR_FROM = 0.7
"""A slope from here on is linear in the state: a fixed cost on top of a linear one bends the line a little."""
TAIL = 150
"""The slope is that of the sizes within so large a factor of the largest: below it fixed costs hide the growth."""
_COST = 0.25
_FEWEST_POINTS = 3
_SMALLEST_SPAN = 10
_RESAMPLED = 400
_OUTSIDE = 0.025
"""The share of the resampled slopes that lies below the band, and above it: a band of 95 %."""


class Growth(StrEnum):
    """What is said about the growth."""

    FLAT = "flat"
    LINEAR = "linear in the state"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Scaling:
    """A fit: cost is proportional to size ** ``slope``; ``low`` and ``high`` bound the slope with 95 % confidence."""

    growth: Growth
    slope: float
    low: float
    high: float
    points: tuple[tuple[int, float], ...]
    """State size in bytes, cost in seconds; all of them, the small ones that the slope leaves out too."""
    reason: str = ""
    """Why it is unclear."""


def fit_scaling(samples: Mapping[int, Sequence[float]], seed: int = 0) -> Scaling:
    """The growth of a cost with the size of the state.

    ``samples``: state size in bytes -> seconds of each round. The cost at a size is their lower quartile: whatever else
    runs on the machine can only add time. The band comes from drawing rounds again (bootstrap): it shows the scatter of
    what was measured and nothing else.
    """
    points = tuple((size, quantile(samples[size], _COST)) for size in sorted(samples) if samples[size])
    used = [size for size, seconds in points if size * TAIL >= points[-1][0] and seconds > 0]
    if len(used) < _FEWEST_POINTS or used[-1] < _SMALLEST_SPAN * used[0]:
        reason = (
            f"too few sizes: {len(used)} within a factor of {TAIL} of the largest, want at least {_FEWEST_POINTS} "
            f"that lie a factor of {_SMALLEST_SPAN} apart"
        )
        return Scaling(Growth.UNCLEAR, math.nan, math.nan, math.nan, points, reason)
    slope = _slope(used, {size: quantile(samples[size], _COST) for size in used})
    dice = random.Random(seed)
    drawn = [_slope(used, {size: _drawn(samples[size], dice) for size in used}) for _ in range(_RESAMPLED)]
    low, high = quantile(drawn, _OUTSIDE), quantile(drawn, 1 - _OUTSIDE)
    growth, reason = _judge(low, high)
    return Scaling(growth, slope, low, high, points, reason)


def _judge(low: float, high: float) -> tuple[Growth, str]:
    if high <= FLAT_BELOW:
        return Growth.FLAT, ""
    if low >= LINEAR_FROM:
        return Growth.LINEAR, ""
    if low > FLAT_BELOW:
        return Growth.UNCLEAR, "it grows with the state, but slower than in proportion"
    return Growth.UNCLEAR, "the samples scatter too much: measure on a machine that does nothing else"


def _drawn(samples: Sequence[float], dice: random.Random) -> float:
    return quantile(dice.choices(samples, k=len(samples)), _COST)


def _slope(sizes: Sequence[int], seconds: Mapping[int, float]) -> float:
    """Least squares through the logarithms."""
    across = [math.log(size) for size in sizes]
    up = [math.log(max(seconds[size], 1e-12)) for size in sizes]
    middle, height = sum(across) / len(across), sum(up) / len(up)
    run = sum((x - middle) ** 2 for x in across)
    return sum((x - middle) * (y - height) for x, y in zip(across, up, strict=True)) / run
