"""What a clause is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How binding a clause is. A SHOULD that is not met is shown and fails a run only under ``--flowcraft-strict``."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Target(StrEnum):
    """The kinds of target; a clause is judged for the kinds of its group."""

    STORE = "store"
    CONTEXT = "context"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule of the contract.

    ``id`` is permanent. ``sentence`` is the rule. ``why`` says what a workflow loses where it is broken. ``causes``
    are the mistakes that break it most often. ``checked_by`` says how the kit looks. ``excused_by`` names the
    capabilities that, declared absent, make it unsupported; ``needs_offer`` the optional method without which it is.
    """

    id: str
    level: Level
    sentence: str
    why: str
    causes: tuple[str, ...]
    checked_by: str
    excused_by: tuple[str, ...] = ()
    needs_offer: str | None = None

    @property
    def group(self) -> str:
        """The first part of the id: COORD, CTX, PATCH, ..."""
        return self.id.split("-", 1)[0]
