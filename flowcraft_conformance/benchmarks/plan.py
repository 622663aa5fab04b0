"""What is measured, by profile: one property of a state varies at a time, the others stay at a usual value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowcraft_conformance.benchmarks.states import SHAPES, Case

KB, MB = 1_000, 1_000_000

BY_SIZE = "state size"
BY_CHANGE = "changed keys"
BY_KEYS = "keys"
BY_SHAPE = "value shape"
BY_CLIENTS = "clients"


_LABELS: dict[str, Callable[[Case], str]] = {
    BY_SIZE: lambda case: case.size_label,
    BY_CHANGE: lambda case: f"{case.changed} changed",
    BY_KEYS: lambda case: f"{case.keys} keys",
    BY_SHAPE: lambda case: case.shape,
    BY_CLIENTS: lambda case: f"{case.clients} client{'s' * (case.clients > 1)}",
}


def case_label(experiment: str, case: Case) -> str:
    """What tells a case from the others of its experiment."""
    return _LABELS[experiment](case)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often a set of measurements is repeated: between ``fewest`` and ``most`` times, for about ``seconds``."""

    fewest: int
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What one profile measures. ``experiments``: what varies -> the cases, which are measured side by side."""

    experiments: dict[str, tuple[Case, ...]]
    rounds: Rounds
    workers: tuple[int, ...]
    flow_rounds: Rounds
    """As ``rounds``, for workflows."""
    flow_runs: int
    """Runs of one workflow that are measured together."""
    pipeline_bytes: int
    """The state that each node of the large-state pipeline finds."""


def _experiments(
    sizes: tuple[int, ...], changed: tuple[int, ...], keys: tuple[int, ...], clients: tuple[int, ...]
) -> dict[str, tuple[Case, ...]]:
    return {
        BY_SIZE: tuple(Case(size) for size in sizes),
        BY_CHANGE: tuple(Case(MB, keys=200, changed=count) for count in changed),
        BY_KEYS: tuple(Case(MB, keys=count) for count in keys),
        BY_SHAPE: tuple(Case(MB, shape=shape) for shape in SHAPES),
        BY_CLIENTS: tuple(Case(100 * KB, keys=200, clients=count) for count in clients),
    }


_SIZES = (KB, 10 * KB, 100 * KB, MB, 5 * MB, 10 * MB)

PLANS = {
    "quick": BenchPlan(
        _experiments(_SIZES, (1, 10, 100), (10, 1000), (1, 16)),
        Rounds(5, 60, 2),
        workers=(1, 2),
        flow_rounds=Rounds(3, 9, 6),
        flow_runs=2,
        pipeline_bytes=500 * KB,
    ),
    "standard": BenchPlan(
        _experiments(_SIZES, (1, 10, 100), (10, 100, 1000), (1, 16)),
        Rounds(7, 200, 8),
        workers=(1, 2, 4),
        flow_rounds=Rounds(5, 21, 20),
        flow_runs=10,
        pipeline_bytes=MB,
    ),
    "thorough": BenchPlan(
        _experiments((*_SIZES, 25 * MB, 50 * MB), (1, 10, 100), (10, 100, 1000, 10_000), (1, 4, 16, 64)),
        Rounds(15, 400, 60),
        workers=(1, 2, 4),
        flow_rounds=Rounds(9, 41, 120),
        flow_runs=20,
        pipeline_bytes=5 * MB,
    ),
}
"""Name of the profile -> what it measures."""
