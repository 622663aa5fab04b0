"""Right implementations are never accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from reference_adapters.redis_bullmq import context as redis_context
from reference_adapters.redis_bullmq import store as redis_store
from tests.right.contexts import CONTEXTS
from tests.right.stores import STORES
from tests.support import PATIENT, clauses_checked, judge, opened

_FINE = {Verdict.PASS, Verdict.UNSUPPORTED}
_NO_SERVER = "no proxy stands before its backend"
"""A file has no connection that a proxy could cut: the kit says so, and accuses nobody."""


_TARGETS: list[tuple[Target, Callable[..., Any]]] = [
    *[(Target.STORE, store) for store in (*STORES, redis_store)],
    *[(Target.CONTEXT, context) for context in (*CONTEXTS, redis_context)],
]


@pytest.mark.parametrize(("kind", "factory"), _TARGETS, ids=lambda value: getattr(value, "__name__", value))
def test_a_right_target_passes_every_clause(kind: Target, factory: Callable[..., Any]) -> None:
    with opened(kind, factory, profile=PATIENT) as settings:
        outcomes = {clause: judge(kind, factory, settings, clause) for clause in clauses_checked(kind)}
    unclear = {clause: said for clause, (verdict, said) in outcomes.items() if verdict not in _FINE}
    assert {clause: said for clause, said in unclear.items() if not said.startswith(_NO_SERVER)} == {}
