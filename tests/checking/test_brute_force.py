"""The checker against brute force on small random histories, and wrong checkers against the same."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import (
    LinearizabilityResult,
    LinearizabilityVerdict,
    check_linearizable,
)
from tests.checking.random_histories import FAMILIES, Family, random_history
from tests.mutants.checkers import CHECKERS, Checker

COUNT = 1000
MOST_TRIED = 20_000


@pytest.mark.parametrize("name", FAMILIES)
def test_the_verdict_is_that_of_all_orders(name: str) -> None:
    family, dice = FAMILIES[name], random.Random(name)
    linearizable = 0
    for number in range(COUNT):
        history = random_history(family, dice)
        want = family.judge(history)
        linearizable += want
        got = check_linearizable(history, family.model)
        assert got.verdict == ("ok" if want else "violation"), (number, history)
    assert COUNT / 5 < linearizable < COUNT * 4 / 5, "both verdicts are common"


@pytest.mark.parametrize("mutant", CHECKERS)
def test_a_wrong_checker_is_caught(mutant: str) -> None:
    dice = random.Random(mutant)
    families = list(FAMILIES.values())
    assert any(_disagrees(CHECKERS[mutant], families[number % len(families)], dice) for number in range(MOST_TRIED))


def _disagrees(checker: Checker, family: Family, dice: random.Random) -> bool:
    history = random_history(family, dice)
    return (checker(history, family.model).verdict == "ok") is not family.judge(history)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_evidence_of_a_violation_is_an_order_that_goes_on_to_the_return_that_cannot_be(name: str) -> None:
    family, dice, violations = FAMILIES[name], random.Random(name), 0
    for _ in range(COUNT):
        history = random_history(family, dice)
        result = check_linearizable(history, family.model)
        if result.verdict == "ok":
            assert result == LinearizabilityResult(LinearizabilityVerdict.OK)
            continue
        violations += 1
        (blocked,) = result.unplaced
        assert result.failing_operations == tuple(history)
        assert blocked.end is not None
        assert _count(result.prefix, blocked) < _count(history, blocked)
        assert family.judge(result.prefix)
        earlier = [one for one in history if one.end is not None and one.end < blocked.end]
        assert all(_count(result.prefix, one) == _count(history, one) for one in earlier)
    assert violations > COUNT / 5


def _count(operations: Sequence[Operation], operation: Operation) -> int:
    return sum(one == operation for one in operations)
