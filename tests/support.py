"""Runs the checks of one clause on a target without a pytest run around each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable, Unsupported, Verdict
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.opened import settings_for
from flowcraft_conformance.harness.profile import PROFILES
from flowcraft_conformance.harness.spaces import ContextBench, StoreBench
from flowcraft_conformance.harness.target import LoadedTarget, TargetSpec
from flowcraft_conformance.suites.registry import suites_for
from flowcraft_conformance.suites.suite import checks_of

Outcome = tuple[Verdict, str]


@contextmanager
def opened(kind: Target, factory: Callable[..., Any], seed: int = 1, profile: str = "quick") -> Iterator[BenchSettings]:
    """The settings for the checks of one target."""
    loop = LoopThread()
    try:
        declared = Capabilities.of(getattr(factory, "capabilities", None))
        target = LoadedTarget.of(TargetSpec(kind, getattr(factory, "__name__", "target")), factory, declared)
        yield settings_for(target, loop=loop, profile=PROFILES[profile], seed=seed)
    finally:
        loop.close()


def judge(kind: Target, factory: Callable[..., Any], settings: BenchSettings, clause: str) -> Outcome:
    """The verdict of one clause, and what its first failing check said."""
    outcomes = [
        _judge_one(kind, factory, settings, suite, name)
        for suite in suites_for(kind)
        for name, checked in checks_of(suite).items()
        if checked == clause
    ]
    assert outcomes, f"no check for {clause}"
    decided = [outcome for outcome in outcomes if outcome is not None]
    if not decided:
        return Verdict.UNTESTED, "no check applies"
    return next((outcome for outcome in decided if outcome[0] is not Verdict.PASS), (Verdict.PASS, ""))


def _judge_one(
    kind: Target, factory: Callable[..., Any], settings: BenchSettings, suite: type[Any], name: str
) -> Outcome | None:
    """What one test said; None where it does not apply to the target."""
    bench = (StoreBench if kind is Target.STORE else ContextBench)(factory, settings, name)
    try:
        getattr(suite(), name)(bench)
    except ClauseViolation as violation:
        return Verdict.FAIL, f"{violation.summary}\n{violation.observed}"
    except Inconclusive as unclear:
        return Verdict.INCONCLUSIVE, str(unclear)
    except NotApplicable:
        return None
    except Unsupported as unsupported:
        return Verdict.UNSUPPORTED, str(unsupported)
    return Verdict.PASS, ""


def clauses_checked(kind: Target) -> list[str]:
    """Every clause that has a check for this kind of target."""
    return sorted({clause for suite in suites_for(kind) for clause in checks_of(suite).values()})
