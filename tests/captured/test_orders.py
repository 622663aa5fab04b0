"""Orders of delivery are tried one by one, each once, and all of them where there are few."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from flowcraft_conformance.harness.captured.orders import DeliveryOrders


def _deliver(order: Sequence[int], jobs: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """What is delivered in this order, and how many jobs were due each time."""
    left = list(jobs)
    done: list[str] = []
    ways: list[int] = []
    while left:
        ways.append(len(left))
        done.append(left.pop(order[len(done)] if len(done) < len(order) else 0))
    return tuple(done), ways


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_all_orders_are_given_once(count: int) -> None:
    jobs = "abcde"[:count]
    first, ways = _deliver((), jobs)
    seen = [first]
    orders = DeliveryOrders(ways, most=1000)
    for order in orders:
        done, ways = _deliver(order, jobs)
        seen.append(done)
        orders.learn(order, ways)
    assert sorted(seen) == sorted(permutations(jobs))
    assert orders.exhausted


def test_no_more_orders_are_given_than_asked_for() -> None:
    orders = DeliveryOrders([5, 4, 3, 2, 1], most=7)
    given = 0
    for order in orders:
        given += 1
        orders.learn(order, _deliver(order, "abcde")[1])
    assert given == 7
    assert not orders.exhausted


def test_a_run_without_a_choice_has_one_order() -> None:
    orders = DeliveryOrders([1, 1, 1], most=10)
    assert list(orders) == []
    assert orders.exhausted
