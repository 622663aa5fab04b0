"""What is done to one run: the order of deliveries, and what happens at which call. Small, frozen, replayable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can happen at a call. The letter stands in the token."""

    CRASH = "c"
    """The worker is never stepped again; its job comes back."""
    FAIL = "f"
    """The call raises: before it was applied, or after."""
    DUPLICATE = "d"
    """A job is delivered once more, on another worker, while this one stands."""
    PAUSE = "p"
    """The worker stands still until its lease is over and its job is done elsewhere; then it goes on."""
    EXPIRE = "x"
    """A coordination key is lost, as after its TTL."""
    INTERLEAVE = "i"
    """Another job that is due is done on another worker, while this one stands in the middle of its own."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One event. ``at`` numbers the calls of the run from 0; ``after``: once the call has been applied.

    ``what``: of a duplicate the number of the delivery to repeat, of an expiry the number of the key among those there
    are, of an interleaving the number of the job among those that are due. ``hold``: the job delivered here stands at
    its own call of this number; a duplicate until the first delivery is done, an interleaved job until the call here:
    both are then made at the same moment.
    """

    at: int
    kind: Kind
    after: bool = False
    what: int = 0
    hold: int | None = None

    def __str__(self) -> str:
        """As it stands in a token."""
        what = f":{self.what}" if self.kind in _WITH_NUMBER else ""
        hold = f"@{self.hold}" if self.hold is not None else ""
        return f"{self.kind}{self.at}{'+' if self.after else ''}{what}{hold}"


_WITH_NUMBER = (Kind.DUPLICATE, Kind.EXPIRE, Kind.INTERLEAVE)
_EVENT = re.compile(r"([cfdpxi])(\d+)(\+?)(?::(\d+))?(?:@(\d+))?")


@dataclass(frozen=True, slots=True)
class Plan:
    """``order``: which of the jobs that are due comes next, one number a delivery; when they run out, the oldest."""

    events: tuple[Event, ...] = ()
    order: tuple[int, ...] = ()

    def encode(self) -> str:
        """The token: a short text that :meth:`decode` reads in any process."""
        order = "o" + "-".join(map(str, self.order)) if self.order else ""
        return ".".join([*([order] if order else []), *map(str, self.events)]) or "plain"

    @classmethod
    def decode(cls, token: str) -> Plan:
        """The plan of a token; raises ValueError where it is none."""
        if token == "plain":
            return cls()
        parts = token.split(".")
        order: tuple[int, ...] = ()
        if parts[0].startswith("o"):
            order = tuple(int(number) for number in parts.pop(0)[1:].split("-"))
        return cls(tuple(_event(part) for part in parts), order)


def _event(text: str) -> Event:
    found = _EVENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no event of a plan; one looks like c12, f7+, d3:0@5, p9 or x4:1")
    kind, at, after, what, hold = found.groups()
    return Event(int(at), Kind(kind), bool(after), int(what or 0), None if hold is None else int(hold))
