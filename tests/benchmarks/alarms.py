"""Is a right target accused on a busy machine? ``python -m tests.benchmarks.alarms [QUICK] [STANDARD] [NAME ...]``.

Runs every right store, context, adapter and queue so many times in the quick and the standard profile, each time with
another seed, while two processes spin; adapters in captured runs, queues live. NAME: only targets whose kind and name
(``adapter:Slow``, ``queue:TakesJobsAhead``) contain it. Ends with 1 where one was accused.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.profile import PROFILES
from flowcraft_conformance.suites.jobs import JobSuite
from flowcraft_conformance.suites.suite import checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite
from reference_adapters.redis_bullmq import RedisBullMQHarness
from reference_adapters.redis_bullmq import context as redis_context
from reference_adapters.redis_bullmq import store as redis_store
from tests.right.adapters import ADAPTERS, RightHarness
from tests.right.adapters_queue import RIGHT as QUEUES
from tests.right.adapters_queue import right_harness
from tests.right.contexts import CONTEXTS
from tests.right.stores import STORES
from tests.support import Outcome, clauses_checked, judge, judge_adapter, opened, opened_adapter

_TARGETS: list[tuple[Target, Callable[..., Any]]] = [
    *[(Target.STORE, store) for store in (*STORES, redis_store)],
    *[(Target.CONTEXT, context) for context in (*CONTEXTS, redis_context)],
    (Target.ADAPTER, RightHarness),
    *[(Target.ADAPTER, harness) for harness in ADAPTERS],
    *[(Target.ADAPTER, right_harness(queue)) for queue in QUEUES],
    (Target.ADAPTER, RedisBullMQHarness),
]
_LIVE = tuple(factory for _, factory in _TARGETS[-len(QUEUES) - 1 :])


@contextmanager
def busy() -> Iterator[None]:
    """Two processes that spin."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def accused(kind: Target, factory: Callable[..., Any], profile: str, seed: int) -> list[str]:
    """The clauses that a right target was said to break."""
    outcomes = (
        _outcomes_of_adapter(factory, profile, seed)
        if isinstance(factory, type) and issubclass(factory, AdapterHarness)
        else _outcomes(kind, factory, profile, seed)
    )
    return [
        f"{clause}: {said.splitlines()[0]}" for clause, (verdict, said) in outcomes.items() if verdict is Verdict.FAIL
    ]


def _outcomes(kind: Target, factory: Callable[..., Any], profile: str, seed: int) -> dict[str, Outcome]:
    with opened(kind, factory, seed, PROFILES[profile]) as settings:
        return {clause: judge(kind, factory, settings, clause) for clause in clauses_checked(kind)}


def _outcomes_of_adapter(harness: type[AdapterHarness], profile: str, seed: int) -> dict[str, Outcome]:
    suite = JobSuite if harness in _LIVE else WorkflowSuite
    clauses = sorted(set(checks_of(suite).values()))
    with opened_adapter(harness, seed, PROFILES[profile]) as target:
        return {clause: judge_adapter(target, clause, suite) for clause in clauses}


def main() -> int:
    """Run and print a line a target."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    names = [word for word in sys.argv[1:] if not word.isdecimal()]
    quick, standard = (*numbers, 50, 5)[:2] if len(numbers) != 1 else (numbers[0], 0)
    found = 0
    with busy():
        for kind, factory in _TARGETS:
            name = getattr(factory, "__name__", str(factory))
            shown = "queue" if factory in _LIVE else str(kind)
            if names and not any(part in f"{shown}:{name}" for part in names):
                continue
            started = time.monotonic()
            alarms = [
                f"{profile}, seed {seed}, {alarm}"
                for profile, times in (("quick", quick), ("standard", standard))
                for seed in range(times)
                for alarm in accused(kind, factory, profile, seed)
            ]
            found += len(alarms)
            seconds = time.monotonic() - started
            said = f"{shown:8} {name:28} {quick} quick, {standard} standard: {len(alarms)} alarms"
            print(f"{said} ({seconds:.0f} s)", *alarms, sep="\n    ", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
