"""Is a right target ever accused by the schedule checks? ``python -m tests.benchmarks.schedule_alarms [seeds]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Unsupported
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.harness.spaces import ContextBench, StoreBench
from flowcraft_conformance.suites.context_schedules import ContextSchedules
from flowcraft_conformance.suites.coordination_schedules import CoordinationSchedules
from flowcraft_conformance.suites.patch_schedules import PatchSchedules
from flowcraft_conformance.suites.suite import CLAUSE_ATTRIBUTE
from tests.right.contexts import CONTEXTS
from tests.right.contexts_files import FileContext
from tests.right.contexts_styles import AsksAThread
from tests.right.stores import STORES
from tests.support import opened

_SUITES: dict[Target, tuple[type[Any], ...]] = {
    Target.STORE: (CoordinationSchedules,),
    Target.CONTEXT: (ContextSchedules, PatchSchedules),
}
RIGHT: list[tuple[Target, Any]] = [
    *[(Target.STORE, store) for store in STORES],
    *[(Target.CONTEXT, context) for context in CONTEXTS if context not in (FileContext, AsksAThread)],
]
"""All that can run on the deterministic loop: files are not for one process alone, and it runs no other thread."""


def schedule_checks(kind: Target) -> Iterator[tuple[type[Any], str, str]]:
    """Every schedule check of this kind of target: its class, its name, its clause."""
    for suite in _SUITES[kind]:
        for name, test in vars(suite).items():
            if hasattr(test, CLAUSE_ATTRIBUTE):
                yield suite, name, getattr(test, CLAUSE_ATTRIBUTE)


def search(kind: Target, factory: Callable[..., Any], settings: BenchSettings, suite: type[Any], name: str) -> None:
    """Run one schedule check on a target."""
    bench = (StoreBench if kind is Target.STORE else ContextBench)(factory, settings, name)
    getattr(suite(), name)(bench)


def alarms(kind: Target, factory: Callable[..., Any], seeds: Sequence[int]) -> list[str]:
    """What the schedule checks held against this target; also that a check did not apply."""
    found = []
    for seed in seeds:
        with opened(kind, factory, seed=seed) as settings:
            for suite, name, clause_id in schedule_checks(kind):
                try:
                    search(kind, factory, settings, suite, name)
                except Unsupported:
                    continue
                except Exception as error:
                    found.append(f"seed {seed}, {clause_id}: {type(error).__name__}: {error}")
    return found


def main() -> None:
    """Print one line a right target."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    for kind, factory in RIGHT:
        found = alarms(kind, factory, range(seeds))
        print(f"{kind} {factory.__name__}: {len(found)} alarms in {seeds} seeds", *found, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
