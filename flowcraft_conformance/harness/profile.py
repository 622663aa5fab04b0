"""How thorough a run is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes of one profile. Times are upper bounds in seconds; a check that ends earlier does not wait."""

    name: str
    examples: int
    """Examples of one property."""
    rounds: int
    """Repetitions of one race."""
    racers: int
    """Concurrent callers of one race."""
    programs: int
    """Random key programs that share one wait for TTLs."""
    keys: int
    """Keys that live at once in one check."""
    schedules: int
    """Runs of one schedule search."""
    search_seconds: float
    """Time for the examples of one property."""
    shrink_seconds: float
    """Time to make a failing example small."""
    check_seconds: float
    """Time for one check in all, its shrinking included."""
    plans: int
    """Plans for one workflow of one check."""
    flow_seconds: float
    """Time for the plans of one check."""
    each_seconds: float
    """Time for plans of one workflow that are to be tried all; only a slow adapter needs so much."""


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "quick",
            examples=25,
            rounds=10,
            racers=16,
            programs=60,
            keys=300,
            schedules=600,
            search_seconds=3,
            shrink_seconds=3,
            check_seconds=60,
            plans=40,
            flow_seconds=0.15,
            each_seconds=5,
        ),
        Profile(
            "standard",
            examples=100,
            rounds=20,
            racers=32,
            programs=200,
            keys=1_100,
            schedules=1800,
            search_seconds=10,
            shrink_seconds=10,
            check_seconds=120,
            plans=400,
            flow_seconds=0.6,
            each_seconds=15,
        ),
        Profile(
            "thorough",
            examples=1000,
            rounds=200,
            racers=64,
            programs=1000,
            keys=11_000,
            schedules=20_000,
            search_seconds=120,
            shrink_seconds=60,
            check_seconds=600,
            plans=20_000,
            flow_seconds=60,
            each_seconds=200,
        ),
    )
}
