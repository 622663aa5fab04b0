"""All packaged suites, and which of them judge which kind of target."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.suites.context import ContextSuite
from flowcraft_conformance.suites.coordination import CoordinationStoreSuite
from flowcraft_conformance.suites.jobs import JobSuite
from flowcraft_conformance.suites.patch import PatchSuite
from flowcraft_conformance.suites.suite import Suite, checks_of
from flowcraft_conformance.suites.workflows import WorkflowSuite

PACKAGED: tuple[type[Suite], ...] = (CoordinationStoreSuite, ContextSuite, PatchSuite, WorkflowSuite, JobSuite)


def suites_for(kind: Target) -> tuple[type[Suite], ...]:
    """The suites that judge a target of this kind; an adapter is judged by all of them."""
    return tuple(suite for suite in PACKAGED if kind in (suite.part, Target.ADAPTER))


def file_of(suite: type[Suite]) -> Path:
    """The file pytest collects a packaged suite from."""
    return Path(inspect.getfile(suite))


def required_tests(suites: tuple[type[Suite], ...]) -> Mapping[str, list[str]]:
    """Clause id -> the tests that must all have run before the clause has a verdict."""
    required: dict[str, list[str]] = {}
    for suite in suites:
        for test, clause_id in checks_of(suite).items():
            required.setdefault(clause_id, []).append(test)
    return required
