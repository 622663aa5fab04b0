"""Property-based search that ends in the smallest failing example, also on targets that do not repeat themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")


def explore(
    strategy: SearchStrategy[Example],
    check: Callable[[Example], None],
    *,
    seed: int,
    examples: int,
    search_seconds: float,
    shrink_seconds: float,
    first: Sequence[Example] = (),
    settled: Callable[[], bool] = lambda: False,
) -> None:
    """Run ``check`` on ``first`` and then on up to ``examples`` examples; raise the failure of the smallest found.

    ``first`` are examples that no run may miss; of a list among them that fails, its items and its pairs are tried.

    An example that failed once counts as failed: a failure that comes and goes (a race, a real backend) is reported
    and not lost. After ``search_seconds`` without a failure the search ends; after ``shrink_seconds`` of shrinking the
    smallest failure so far is taken. ``settled`` says after a failure that no smaller one is worth looking for, as each
    try would be a long wait.

    Raises:
        Exception: whatever ``check`` raised on the smallest failing example.
    """
    failures: dict[str, Exception] = {}
    started = time.monotonic()
    first_failure: float | None = None

    def once(example: Example) -> None:
        nonlocal first_failure
        name = repr(example)
        if name in failures:
            raise failures[name]
        now = time.monotonic()
        if first_failure is None:
            if now - started > search_seconds:
                return
        elif settled() or now - first_failure > shrink_seconds:
            return
        try:
            check(example)
        except Exception as error:
            failures[name] = error
            if first_failure is None:
                first_failure = time.monotonic()
            raise

    for example in first:
        _try_known(example, check, settled)
    configured = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    hypothesis.seed(seed)(configured(hypothesis.given(strategy)(once)))()


def _try_known(example: Example, check: Callable[[Example], None], settled: Callable[[], bool]) -> None:
    try:
        check(example)
    except Exception as error:
        smallest = error
    else:
        return
    if isinstance(example, list) and not settled():
        for few in (*combinations(example, 1), *combinations(example, 2)):
            check(list(few))  # type: ignore[arg-type]
    raise smallest
