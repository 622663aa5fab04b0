"""What a packaged suite is: a class whose tests each name the clause they check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import pytest

from flowcraft_conformance.contract.clauses import clause
from flowcraft_conformance.contract.clauses.model import Target

F = TypeVar("F", bound=Callable[..., None])

CLAUSE_ATTRIBUTE = "flowcraft_clause_id"


def checks(clause_id: str) -> Callable[[F], F]:
    """Mark a test of a suite as a check of one clause.

    Raises:
        LookupError: no clause has this id.
    """
    clause(clause_id)

    def mark(test: F) -> F:
        setattr(test, CLAUSE_ATTRIBUTE, clause_id)
        # Collected whatever the user's python_functions says.
        test.__test__ = True  # type: ignore[attr-defined]
        marked: F = pytest.mark.usefixtures("flowcraft_clause")(test)
        return marked

    return mark


class Suite:
    """Base of the packaged suites.

    In an adapter's own repository: subclass a suite, name the class ``Test...`` and override its factory fixture. A
    test that does not fit may be set to None or overridden; its clause is then untested, and reported as removed
    unless ``flowcraft_overrides`` gives the reason.
    """

    part: ClassVar[Target]
    """The part of a target that this suite judges."""

    flowcraft_overrides: ClassVar[Mapping[str, str]] = {}
    """Reasons for tests that a subclass overrides or removes: name of the test -> reason."""


def suites_of(cls: type[Suite]) -> tuple[type[Suite], ...]:
    """The packaged suites that a class is or descends from, in the order in which it names them."""
    return tuple(base for base in cls.__mro__ if "part" in vars(base))


def _own_checks(cls: type) -> dict[str, str]:
    return {
        name: getattr(member, CLAUSE_ATTRIBUTE)
        for name, member in vars(cls).items()
        if hasattr(member, CLAUSE_ATTRIBUTE)
    }


def checks_of(suite: type[Suite]) -> dict[str, str]:
    """All checks of a packaged suite: name of the test -> id of its clause."""
    found: dict[str, str] = {}
    for base in reversed(suite.__mro__):
        found.update(_own_checks(base))
    return found


def changed_checks(cls: type[Suite]) -> dict[str, str | None]:
    """The checks that a subclass removed or overrode: name of the test -> the reason it gives, or None."""
    return {
        name: cls.flowcraft_overrides.get(name)
        for suite in suites_of(cls)
        for name in checks_of(suite)
        if getattr(cls, name, None) is not getattr(suite, name)
    }
