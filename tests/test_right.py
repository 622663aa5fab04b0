"""Right implementations are never accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from tests.right.contexts import CONTEXTS
from tests.right.stores import STORES
from tests.support import clauses_checked, judge, opened

_FINE = {Verdict.PASS, Verdict.UNSUPPORTED}


@pytest.mark.parametrize(
    ("kind", "factory"),
    [*[(Target.STORE, store) for store in STORES], *[(Target.CONTEXT, context) for context in CONTEXTS]],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_right_target_passes_every_clause(kind: Target, factory: Callable[..., Any]) -> None:
    with opened(kind, factory) as settings:
        outcomes = {clause: judge(kind, factory, settings, clause) for clause in clauses_checked(kind)}
    assert {clause: said for clause, (verdict, said) in outcomes.items() if verdict not in _FINE} == {}
