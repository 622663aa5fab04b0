"""The clause catalogue: the one source of the docs, the reports and the test ids."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from flowcraft_conformance.contract.clauses.context import CONTEXT, PATCH
from flowcraft_conformance.contract.clauses.coordination import COORDINATION
from flowcraft_conformance.contract.clauses.delivery import (
    DEAD_LETTERS,
    DELIVERY,
    FAULTS,
    RECONCILIATION,
    RESULTS,
    RETRIES,
    STARTS,
    VERSIONS,
)
from flowcraft_conformance.contract.clauses.flows import FLOWS, JOINS
from flowcraft_conformance.contract.clauses.jobs import JOBS
from flowcraft_conformance.contract.clauses.model import Clause, Target
from flowcraft_conformance.contract.clauses.waiting import EVENTS, HEARTBEATS, KEYS, LEAKS, SUBFLOWS, WAITS

_ALL = (
    *COORDINATION, *CONTEXT, *PATCH, *JOBS, *FLOWS, *JOINS, *DELIVERY, *FAULTS, *RESULTS, *RETRIES, *STARTS,
    *DEAD_LETTERS, *VERSIONS, *RECONCILIATION, *WAITS, *HEARTBEATS, *EVENTS, *SUBFLOWS, *KEYS, *LEAKS,
)  # fmt: skip

CATALOGUE: Mapping[str, Clause] = MappingProxyType({clause.id: clause for clause in _ALL})
"""All clauses by id, in the order of the contract."""

GROUP_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "COORD": "Coordination store",
        "CTX": "Context",
        "PATCH": "Patch (delta-based persistence)",
        "JOB": "Queue and lifecycle",
        "FLOW": "Routing and input",
        "JOIN": "Joins",
        "DLV": "Duplicates and crashes",
        "FAULT": "Failing calls",
        "RESULT": "Final results",
        "RETRY": "Retries and fallback",
        "START": "Starting",
        "DLQ": "Dead letters",
        "VER": "Versions",
        "RECON": "Reconciliation",
        "HITL": "Waiting and resuming",
        "HB": "Leases and heartbeats",
        "EVT": "Events",
        "SUB": "Subflows, loops and batches",
        "KEY": "Odd ids",
        "LEAK": "What is left behind",
    }
)
"""A readable title for each group of clauses."""

_GROUPS = {Target.STORE: ("COORD",), Target.CONTEXT: ("CTX", "PATCH"), Target.ADAPTER: tuple(GROUP_TITLES)}


def clause(clause_id: str) -> Clause:
    """The clause with this id.

    Raises:
        LookupError: there is none; the text names ids that are close.
    """
    if clause_id not in CATALOGUE:
        near = difflib.get_close_matches(clause_id, CATALOGUE, n=3)
        raise LookupError(f"there is no clause {clause_id!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return CATALOGUE[clause_id]


def groups_of(target: Target) -> tuple[str, ...]:
    """The groups of clauses by which a target of this kind is judged."""
    return _GROUPS[target]


def clauses_for(target: Target) -> tuple[Clause, ...]:
    """The clauses by which a target of this kind is judged, in the order of the contract."""
    return tuple(clause for clause in CATALOGUE.values() if clause.group in _GROUPS[target])
