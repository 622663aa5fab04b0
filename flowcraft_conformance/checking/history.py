"""What was seen of a concurrent run: one record a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one client. Times in seconds on one clock; ``end`` None means it never returned.

    A call that never returned may have taken effect at any moment after ``start``, or never; ``output`` is then
    without meaning.
    """

    client: int
    input: Any
    start: float
    end: float | None
    output: Any = None
