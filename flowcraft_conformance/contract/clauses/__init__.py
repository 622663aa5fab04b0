"""The clause catalogue: every rule of the contract, the one source of the checks' ids, the reports and the docs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from flowcraft_conformance.contract.clauses.context import CONTEXT
from flowcraft_conformance.contract.clauses.coordination import OPERATIONS
from flowcraft_conformance.contract.clauses.coordination_guarantees import GUARANTEES
from flowcraft_conformance.contract.clauses.delivery import DELIVERY
from flowcraft_conformance.contract.clauses.flows import FLOWS
from flowcraft_conformance.contract.clauses.jobs import JOBS
from flowcraft_conformance.contract.clauses.model import Clause, Target
from flowcraft_conformance.contract.clauses.patch import PATCH
from flowcraft_conformance.contract.clauses.waiting import WAITING

_SUGGESTIONS = 5


def catalogue_of(*parts: Iterable[Clause]) -> Mapping[str, Clause]:
    """Clause id -> clause, read-only, in the order given.

    Raises:
        ValueError: two clauses have one id.
    """
    by_id: dict[str, Clause] = {}
    for part in parts:
        for found in part:
            if found.id in by_id:
                raise ValueError(f"two clauses have the id {found.id}; ids are permanent and never used again")
            by_id[found.id] = found
    return MappingProxyType(by_id)


CATALOGUE: Mapping[str, Clause] = catalogue_of(OPERATIONS, GUARANTEES, CONTEXT, PATCH, JOBS, FLOWS, DELIVERY, WAITING)
"""Clause id -> clause, in the order of the contract."""

GROUP_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "COORD": "Coordination store",
        "CTX": "Context",
        "PATCH": "Patch (delta-based persistence)",
        "JOB": "Queue and lifecycle",
        "FLOW": "Routing and inputs",
        "JOIN": "Joins",
        "DLV": "Duplicates and crashes",
        "FAULT": "Failing calls",
        "RESULT": "Final results",
        "RETRY": "Retries, timeouts and fallbacks",
        "START": "Starting a run",
        "DLQ": "Dead letters",
        "VER": "Blueprint versions",
        "RECON": "Reconciling a run",
        "HITL": "Waiting for a decision",
        "HB": "Heartbeats and leases",
        "EVT": "Events",
        "SUB": "Subflows, loops and batches",
        "KEY": "Odd run and node ids",
        "LEAK": "What a run leaves behind",
    }
)
"""Clause group -> readable title, in the order of the contract."""

_GROUPS: Mapping[Target, tuple[str, ...]] = {
    Target.STORE: ("COORD",),
    Target.CONTEXT: ("CTX", "PATCH"),
    Target.ADAPTER: tuple(GROUP_TITLES),
}


def clause(clause_id: str) -> Clause:
    """The clause with this id.

    Raises:
        LookupError: no clause has this id; the text names ids that are close.
    """
    try:
        return CATALOGUE[clause_id]
    except KeyError:
        raise LookupError(f"no clause has the id {clause_id!r}; {_suggestion(clause_id)}") from None


def _suggestion(clause_id: str) -> str:
    wanted = clause_id.strip().upper().replace("_", "-")
    close = [wanted] if wanted in CATALOGUE else difflib.get_close_matches(wanted, CATALOGUE, n=_SUGGESTIONS)
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"ids look like COORD-INC-01, and the groups are {', '.join(GROUP_TITLES)}"


def groups_of(target: Target) -> tuple[str, ...]:
    """The clause groups by which a target of this kind is judged; an adapter is judged by all of them."""
    return _GROUPS[target]


def clauses_for(target: Target) -> tuple[Clause, ...]:
    """The clauses by which a target of this kind is judged, in the order of the contract."""
    groups = groups_of(target)
    return tuple(found for found in CATALOGUE.values() if found.group in groups)
