"""How far a worker is in one partition: what may be committed though jobs end in another order than they began."""

from __future__ import annotations


class Progress:
    """The records of one partition that were taken since it was assigned. Offsets may have gaps."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # in the order of their offsets, for that is how they come
        self._next: int | None = None
        self._committed: int | None = None

    def take(self, offset: int) -> None:
        """A record has come; its offset is larger than all before."""
        self._open[offset] = None
        self._next = offset + 1

    def end(self, offset: int) -> None:
        """Nothing is left to do for a record."""
        self._open.pop(offset, None)

    @property
    def low(self) -> int | None:
        """The offset before which nothing is left to do; None where nothing has come."""
        return next(iter(self._open), self._next)

    @property
    def due(self) -> int | None:
        """The offset that is to be committed; None where it is already."""
        return None if self.low == self._committed else self.low

    def committed(self, offset: int) -> None:
        """The broker knows that nothing before the offset is left to do."""
        self._committed = offset
