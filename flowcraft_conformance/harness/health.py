"""A target that hung: every later wait is short, and all of them together are bounded."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from flowcraft_conformance.harness.errors import CallTimeoutError

HUNG_WITHIN = 5.0
"""Seconds a call is given once the target has hung: enough for a call that works."""
_ALL_WAITS = 5.0
"""Seconds that later hangs may cost in all; then a call that has hung is not made again."""
_LAST_WAIT = 1.0
"""Seconds for a call that never hung so far, once the time for hangs is used up."""


@dataclass(slots=True)
class Health:
    """What is known about a target that hung: the first hang is its failure, what later ones hide is inconclusive."""

    first: CallTimeoutError | None = None
    cleans: bool = True
    """Whether what the checks left behind could be removed so far."""
    _hung: set[str] = field(default_factory=set)
    _seconds_left: float = _ALL_WAITS
    _counted_until: float = 0.0
    _lost: bool = False

    @property
    def hung_call(self) -> str | None:
        """The call that hung first."""
        return self.first.what if self.first is not None else None

    def seconds_for(self, name: str, declared: float) -> float:
        """How long this call may take.

        Raises:
            CallTimeoutError: it has hung before, and the time for hangs is used up.
        """
        if self._lost:
            raise CallTimeoutError(name, 0, "was not called, as the target hangs again and again")
        if self.first is None:
            return declared
        if self._seconds_left > 0:
            return min(declared, HUNG_WITHIN)
        if name in self._hung:
            raise CallTimeoutError(name, 0, "has hung too often and was not called again")
        return min(declared, _LAST_WAIT)

    def note(self, error: CallTimeoutError, started: float) -> None:
        """A call or check that began then (monotonic seconds) hung until now; waits side by side count once."""
        now = time.monotonic()
        if self.first is None:
            self.first = error
        elif error.seconds:
            self._seconds_left -= now - max(started, self._counted_until)
            # Refusing what hung did not help: the target blocks in code that no call of the kit's can be blamed for.
            self._lost = self._seconds_left <= 0 and error.what in self._hung
        self._hung.add(error.what)
        self._counted_until = now
