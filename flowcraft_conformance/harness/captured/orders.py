"""Every order in which a run's jobs can be delivered, each found from how the run before it went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_DEEPEST = 60
"""Deliveries of a run whose order is varied."""


class DeliveryOrders:
    """Orders of delivery, depth first. How many jobs are due at a delivery is only known once a run came that far:
    whoever runs an order tells :meth:`learn` what was seen, and gets the next one from the iterator.
    """

    def __init__(self, choices: Sequence[int], most: int) -> None:
        """``choices``: how many jobs were due at each delivery of the run in plain order; ``most`` orders are given."""
        self.exhausted = False
        """Whether there is no other order."""
        self._left = most
        self._next: tuple[int, ...] | None = None
        self.learn((), choices)

    def learn(self, order: tuple[int, ...], choices: Sequence[int]) -> None:
        """Note how many jobs were due at each delivery of the run in this order."""
        path = [(order[depth] if depth < len(order) else 0, ways) for depth, ways in enumerate(choices[:_DEEPEST])]
        while path:
            chosen, ways = path.pop()
            if chosen + 1 < ways:
                self._next = (*(one for one, _ in path), chosen + 1)
                return
        self._next = None
        self.exhausted = True

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """The orders but the plain one. One that nobody learned from is the last."""
        while self._next is not None and self._left:
            order, self._next = self._next, None
            self._left -= 1
            yield order
