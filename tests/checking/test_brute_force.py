"""The checker against brute force on small random histories, and wrong checkers against the same."""

from __future__ import annotations

import random

import pytest

from flowcraft_conformance.checking.linearizability import check_linearizable
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
