"""Every checked clause has a broken implementation that it catches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from tests.mutants import schedules
from tests.mutants.contexts import CONTEXTS
from tests.mutants.contexts_clients import CLIENTS
from tests.mutants.contexts_files import FILES
from tests.mutants.contexts_patches import PATCHES
from tests.mutants.contexts_rarely import RARELY
from tests.mutants.redis_contexts import REDIS_CONTEXTS
from tests.mutants.redis_stores import REDIS_STORES
from tests.mutants.stores import STORES
from tests.mutants.stores_gone_keys import STORES_GONE_KEYS
from tests.mutants.stores_keys_and_time import STORES_KEYS_AND_TIME
from tests.mutants.stores_plausible import STORES_PLAUSIBLE
from tests.mutants.stores_rarely import STORES_RARELY
from tests.support import UNHURRIED, clauses_checked, judge, opened

ALL_STORES = [*STORES, *STORES_KEYS_AND_TIME, *STORES_GONE_KEYS, *STORES_RARELY, *STORES_PLAUSIBLE]
_BROKEN: list[tuple[Target, Any]] = [
    *[(Target.STORE, mutant) for mutant in (*ALL_STORES, *REDIS_STORES)],
    *[(Target.CONTEXT, mutant) for mutant in (*CONTEXTS, *CLIENTS, *PATCHES, *RARELY, *FILES, *REDIS_CONTEXTS)],
]


@pytest.mark.parametrize(("kind", "mutant"), _BROKEN, ids=[f"{one.breaks}-{one.__name__}" for _, one in _BROKEN])
def test_a_broken_target_is_caught(kind: Target, mutant: Any) -> None:
    with opened(kind, mutant, profile=UNHURRIED) as settings:
        verdict, said = judge(kind, mutant, settings, mutant.breaks)
    assert verdict is Verdict.FAIL, said


def test_every_checked_clause_has_a_mutant() -> None:
    contexts = (CONTEXTS, CLIENTS, PATCHES, RARELY, FILES, REDIS_CONTEXTS, schedules.CONTEXTS)
    kinds = (ALL_STORES, REDIS_STORES, schedules.STORES, *contexts)
    caught = {mutant.breaks for mutants in kinds for mutant in mutants}
    checked = {*clauses_checked(Target.STORE), *clauses_checked(Target.CONTEXT)}
    assert checked == caught


def test_every_clause_of_contexts_has_three_mutants() -> None:
    found = Counter(
        mutant.breaks
        for mutants in (CONTEXTS, CLIENTS, PATCHES, RARELY, FILES, REDIS_CONTEXTS, schedules.CONTEXTS)
        for mutant in mutants
    )
    assert {clause: found[clause] for clause in clauses_checked(Target.CONTEXT) if found[clause] < 3} == {}
