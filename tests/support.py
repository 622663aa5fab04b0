"""Runs the checks of one clause on a target without a pytest run around each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import (
    ClauseViolation,
    Inconclusive,
    NotApplicable,
    Unobservable,
    Unsupported,
    Verdict,
)
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.bench import Bench, BenchSettings
from flowcraft_conformance.harness.harnesses import harness_class
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.opened import settings_for
from flowcraft_conformance.harness.profile import PROFILES, Profile
from flowcraft_conformance.harness.proxies import Proxies
from flowcraft_conformance.harness.spaces import ContextBench, StoreBench
from flowcraft_conformance.harness.target import LoadedTarget, TargetSpec
from flowcraft_conformance.report.results import worst
from flowcraft_conformance.suites.registry import suites_for
from flowcraft_conformance.suites.suite import Suite, checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite

Outcome = tuple[Verdict, str]

PATIENT = replace(PROFILES["quick"], check_seconds=600)
"""The quick profile, for right targets: on a loaded machine no check runs out of time."""
UNHURRIED = replace(PATIENT, search_seconds=60, shrink_seconds=60, flow_seconds=600, each_seconds=600)
"""The counts of the quick profile and the time they take: on a loaded machine the same mistakes are found."""


@contextmanager
def opened(
    kind: Target, factory: Callable[..., Any], seed: int = 1, profile: Profile = PROFILES["quick"]
) -> Iterator[BenchSettings]:
    """The settings for the checks of one target."""
    loop = LoopThread()
    proxies = Proxies()
    settings = None
    try:
        declared = Capabilities.of(getattr(factory, "capabilities", None))
        target = LoadedTarget.of(TargetSpec(kind, getattr(factory, "__name__", "target")), factory, declared)
        settings = settings_for(target, loop=loop, profile=profile, seed=seed, proxies=proxies)
        yield settings
    finally:
        if settings is not None:
            settings.surroundings.close()
        loop.close()
        proxies.close()


def judge(kind: Target, factory: Callable[..., Any], settings: BenchSettings, clause: str) -> Outcome:
    """The verdict of one clause, and what its first failing check said."""
    return _worst(
        _judge_one(kind, factory, settings, suite, name)
        for suite in suites_for(kind)
        for name, checked in checks_of(suite).items()
        if checked == clause
    )


@contextmanager
def opened_adapter(harness: type[Any], seed: int = 1, profile: Profile = PROFILES["quick"]) -> Iterator[AdapterTarget]:
    """An adapter's harness, set up for the checks of the workflow suite and of the job suite."""
    loop = LoopThread()
    proxies = Proxies()
    try:
        made = harness_class(harness)
        capabilities = Capabilities.of(made.capabilities)
        settings = BenchSettings(loop=loop, capabilities=capabilities, profile=profile, seed=seed)
        target = AdapterTarget(made, settings)
        target.open(harness.__name__)
        try:
            proxies.stand_before(capabilities.proxy_env)
            target.surround(TargetSpec(Target.ADAPTER, harness.__name__), harness, proxies.of(capabilities.proxy_env))
            if capabilities.proxy_env:
                target.reconnect()
            yield target
        finally:
            target.close()
    finally:
        loop.close()
        proxies.close()


def judge_adapter(target: AdapterTarget, clause: str, suite: type[Suite] = WorkflowSuite) -> Outcome:
    """The verdict of one clause of the suite, and what its first failing check said."""
    return _worst(
        _outcome(suite, name, AdapterBench(target, f"{clause} {name}"))
        for name, checked in checks_of(suite).items()
        if checked == clause
    )


def _worst(outcomes: Iterable[Outcome | None]) -> Outcome:
    """The first violation, which ends it; where there is none, the first that is no pass."""
    known = False
    seen: list[Outcome] = []
    for outcome in outcomes:
        known = True
        if outcome is None:
            continue
        seen.append(outcome)
        if outcome[0] is Verdict.FAIL:
            return outcome
    assert known, "no check for this clause"
    if not seen:
        return Verdict.UNTESTED, "no check applies"
    verdict = worst([outcome[0] for outcome in seen])
    return next(outcome for outcome in seen if outcome[0] is verdict)


def _judge_one(
    kind: Target, factory: Callable[..., Any], settings: BenchSettings, suite: type[Any], name: str
) -> Outcome | None:
    return _outcome(suite, name, (StoreBench if kind is Target.STORE else ContextBench)(factory, settings, name))


def _outcome(suite: type[Suite], name: str, bench: Bench[Any] | AdapterBench) -> Outcome | None:
    """What one test said; None where it does not apply to the target."""
    try:
        getattr(suite(), name)(bench)
    except ClauseViolation as violation:
        return Verdict.FAIL, f"{violation.summary}\n{violation.observed}"
    except Inconclusive as unclear:
        return Verdict.INCONCLUSIVE, str(unclear)
    except NotApplicable:
        return None
    except Unobservable as unobservable:
        return Verdict.UNTESTED, str(unobservable)
    except Unsupported as unsupported:
        return Verdict.UNSUPPORTED, str(unsupported)
    return Verdict.PASS, ""


def clauses_checked(kind: Target) -> list[str]:
    """Every clause that has a check for this kind of target."""
    return sorted({clause for suite in suites_for(kind) for clause in checks_of(suite).values()})
