"""Samples of one measurement, and their spread: the middle half says more than an average on a busy machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Quartiles and ends of some samples, in the unit of the samples."""

    median: float
    q1: float
    q3: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """The spread of at least one sample.

        Raises:
            ValueError: there is none.
        """
        return cls(quantile(samples, 0.5), quantile(samples, 0.25), quantile(samples, 0.75), min(samples), max(samples))

    def to_json(self) -> dict[str, float]:
        """Plain JSON values, with as many digits as mean something."""
        return {name: float(f"{value:.6g}") for name, value in asdict(self).items()}


def quantile(samples: Sequence[float], share: float) -> float:
    """The value below which so large a share of the samples lies (0 to 1), between two samples in proportion.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("there is no sample")
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def ratios(samples: Sequence[float], to: Sequence[float]) -> list[float]:
    """``to / samples`` round by round, for the rounds that both have: how many times as fast.

    Rounds of one number were measured side by side.
    """
    return [other / own for own, other in zip(samples, to, strict=False) if own > 0]
