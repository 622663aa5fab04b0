"""How fast the checker is, and whether it is right: ``python -m tests.benchmarks.checker [FOLDER]``.

FOLDER holds published histories with their verdicts (see ``published_histories``); without it only generated ones are
judged. Each figure is taken in a process of its own: seconds of wall and of processor, and the peak of
its memory, interpreter included. The exit code is 1 where a verdict is wrong; a goal that is missed is only said.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flowcraft_conformance.checking.coordination_model import CoordinationModel
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import check_linearizable
from flowcraft_conformance.checking.models import KeyValueModel, Model
from tests.benchmarks.published_histories import PublishedHistory, read_folder
from tests.benchmarks.simulated_runs import (
    clean_key_value_run,
    faulty_store_run,
    simulate,
    with_a_value_before_its_time,
)
from tests.checking.random_histories import FAMILIES, random_history

_GRANULARITY = _LAG = 0.01


@dataclass(frozen=True)
class Figure:
    """What one measurement showed: seconds, megabytes, and each verdict that was wrong."""

    wall: float
    processor: float
    megabytes: float
    judged: int
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """One measurement: what to judge, and the seconds and megabytes it should stay within."""

    name: str
    measure: Callable[[], Figure]
    seconds: float | None = None
    megabytes: float | None = None


@dataclass(frozen=True)
class Published:
    """The published histories whose names begin with one of the prefixes."""

    folder: Path
    prefixes: tuple[str, ...]

    def __call__(self) -> Figure:
        """Judge them all."""
        return _measure([history for history in read_folder(self.folder) if history.name.startswith(self.prefixes)])


@dataclass(frozen=True)
class Clean:
    """A run without faults."""

    def __call__(self) -> Figure:
        """Judge it."""
        return _measure([_by_key("clean", simulate(clean_key_value_run(), seed=1), KeyValueModel(), True)])


@dataclass(frozen=True)
class Faulty:
    """A run of a coordination store with calls that never returned; or the same with one wrong answer."""

    keys: int
    right: bool

    def __call__(self) -> Figure:
        """Judge it."""
        operations = simulate(faulty_store_run(self.keys), seed=1)
        if not self.right:
            operations = with_a_value_before_its_time(operations, after=0.5)
        return _measure([_by_key("faulty", operations, CoordinationModel(_GRANULARITY, _LAG), self.right)])


@dataclass(frozen=True)
class BruteForce:
    """Small random histories, as many of each model."""

    count: int

    def __call__(self) -> Figure:
        """Compare with all orders."""
        drawn = [
            PublishedHistory(f"{name} {number}", history, family.model, None, family.judge(history))
            for name, family in FAMILIES.items()
            for number, history in enumerate(_draw(name, self.count // len(FAMILIES)))
        ]
        return _measure(drawn)


def _draw(name: str, count: int) -> Iterator[list[Operation]]:
    dice = random.Random(f"{name} of the benchmark")
    for _ in range(count):
        yield random_history(FAMILIES[name], dice)


def _by_key(name: str, operations: list[Operation], model: Model[Any], right: bool) -> PublishedHistory:
    return PublishedHistory(name, operations, model, lambda operation: operation.input.key, right)


def _measure(histories: Sequence[PublishedHistory]) -> Figure:
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    verdicts = [
        check_linearizable(history.operations, history.model, partition=history.partition).verdict
        for history in histories
    ]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    wrong = tuple(
        f"{history.name}: {verdict}, want {'ok' if history.linearizable else 'violation'}"
        for history, verdict in zip(histories, verdicts, strict=True)
        if verdict != ("ok" if history.linearizable else "violation")
    )
    return Figure(wall, processor, _peak_megabytes(), len(histories), wrong)


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _goals(folder: Path | None) -> list[Goal]:
    goals = []
    if folder is not None:
        goals = [
            Goal("etcd files", Published(folder, ("etcd/",)), 0.6),
            Goal("kv c50-ok", Published(folder, ("kv/c50-ok",)), 0.3),
            Goal("kv c50-bad", Published(folder, ("kv/c50-bad",)), 0.1, 200),
            Goal("kv files with 1 and 10 clients", Published(folder, ("kv/c01", "kv/c10"))),
        ]
    return [
        *goals,
        Goal("20,000 clean calls on 20 keys", Clean(), 0.1),
        Goal("45,000 calls on 100 keys, 2 % never returned", Faulty(100, right=True), 3),
        Goal("the same, one text read before it was set", Faulty(100, right=False), 3),
        Goal("45,000 calls on 20 keys, 2 % never returned", Faulty(20, right=True), 3),
        Goal("small random histories against brute force", BruteForce(30_000)),
    ]


def _row(goal: Goal, figure: Figure) -> str:
    limits = [f"{goal.seconds} s"] if goal.seconds is not None else []
    limits += [f"{goal.megabytes} MB"] if goal.megabytes is not None else []
    missed = (goal.seconds is not None and figure.processor > goal.seconds) or (
        goal.megabytes is not None and figure.megabytes > goal.megabytes
    )
    verdict = "WRONG" if figure.wrong else "right, goal missed" if missed else "right"
    numbers = f"{figure.wall:8.3f} {figure.processor:8.3f} {figure.megabytes:6.0f}"
    return f"{goal.name:<46} {figure.judged:>6} {numbers}  {', '.join(limits):<13} {verdict}"


def main() -> int:
    """Print one row a figure; 1 where a verdict was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.checker", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="published histories with their verdicts.json")
    folder: Path | None = parser.parse_args().folder
    print(f"{'':<46} {'judged':>6} {'wall s':>8} {'cpu s':>8} {'MB':>6}  {'goal (cpu)':<13}")
    exit_code = 0
    for goal in _goals(folder):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            figure = pool.submit(goal.measure).result()
        print(_row(goal, figure), flush=True)
        for wrong in figure.wrong[:10]:
            print(f"    {wrong}")
        exit_code |= bool(figure.wrong)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
