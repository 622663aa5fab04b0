"""Reports made up for the tests of what reads them: from the catalogue, with odd texts where a target may put them."""

from __future__ import annotations

import copy
from typing import Any

from flowcraft_conformance.contract.clauses import CATALOGUE

ODD = "<script>alert(1)</script> & \"quoted\" 'k' `code` @everyone ](http://x) \x00 \ud800 \u202e"
"""Text that must reach a page as text."""

CALLS = {
    "unit": "seconds",
    "calls": [
        {"client": 0, "call": "increment('k', 600)", "output": "-> 1", "start": 0.0, "end": 0.002, "marked": False},
        {"client": 1, "call": ODD, "output": ODD, "start": 0.001, "end": 0.003, "marked": True},
        {"client": 2, "call": "get('k')", "output": "never returned", "start": 0.0025, "end": None, "marked": False},
    ],
}

WORKFLOW = {
    "token": "diamond/c12+",
    "workflow": {
        "blueprint": "diamond",
        "nodes": [
            {"id": "a", "uses": "echo", "join": "all", "fallback": None},
            {"id": "b<i>", "uses": "flaky", "join": "all", "fallback": None},
            {"id": "c", "uses": "echo", "join": "all", "fallback": None},
            {"id": "d", "uses": "echo", "join": "any", "fallback": None},
        ],
        "edges": [
            {"source": "a", "target": "b<i>", "label": ""},
            {"source": "a", "target": "c", "label": "if result.output < 3"},
            {"source": "b<i>", "target": "d", "label": ""},
            {"source": "c", "target": "d", "label": ""},
            {"source": "d", "target": "a", "label": "again"},
        ],
        "left_out": 0,
        "deliveries": [
            {"number": 0, "node": "a", "worker": 1, "outcome": "acknowledged"},
            {"number": 1, "node": "b<i>", "worker": 2, "outcome": "crashed"},
            {"number": 2, "node": "b<i>", "worker": 3, "outcome": "acknowledged"},
        ],
        "executions": [
            {"node": "a", "delivery": 0, "worker": 1, "at": 0.0},
            {"node": "b<i>", "delivery": 1, "worker": 2, "at": 0.0},
            {"node": "b<i>", "delivery": 2, "worker": 3, "at": 120.0},
        ],
        "events": [{"delivery": 1, "text": "after store.increment(<k>) by delivery 1: the worker is killed"}],
        "results": [],
        "got": "completed with {'d': None}",
        "expected": "completed with {'d': 1}",
    },
}


def clause(clause_id: str, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    """One clause of a report."""
    known = CATALOGUE[clause_id]
    return {
        "id": clause_id,
        "level": known.level.value,
        "verdict": verdict,
        "title": known.sentence,
        "why": known.why,
        "evidence": "",
        "reproduce": "",
        "duration_seconds": 0.5,
        **more,
    }


def report(*clauses: dict[str, Any], verdict: str = "conformant", **more: Any) -> dict[str, Any]:
    """A report of a store with these clauses, the others passed."""
    given = {one["id"]: one for one in clauses}
    ids = [clause_id for clause_id in CATALOGUE if clause_id.startswith("COORD") or clause_id in given]
    made = {
        "schema": 1,
        "kit": "0.1.0",
        "contract": "1.0",
        "target": {"kind": "store", "spec": "mine:Store"},
        "profile": "quick",
        "seed": 7,
        "environment": {
            "python": "3.11.7",
            "platform": "Linux",
            "backends": [{"name": "redis", "version": "7.0.15", "kind": "real"}],
        },
        "verdict": verdict,
        "duration_seconds": 61.2,
        "clauses": [given.get(clause_id) or clause(clause_id) for clause_id in ids],
        "benchmarks": [],
        **more,
    }
    return copy.deepcopy(made)


def failing_report() -> dict[str, Any]:
    """One clause of every verdict, with a history and a workflow that are drawn."""
    return report(
        clause("COORD-INC-03", "fail", summary=ODD, evidence=f"{ODD}\n{ODD}", details=CALLS,
               reproduce=f"pytest -k '{ODD}'"),
        clause("COORD-SET-03", "known-failure", summary="two won", evidence="two won", known_failure={
            "reason": ODD, "link": "https://example.org/issues/12", "expires": "2030-01-31", "expired": False}),
        clause("COORD-TTL-04", "unexpected-pass", known_failure={
            "reason": "old", "link": None, "expires": None, "expired": False}),
        clause("COORD-EXT-01", "inconclusive", evidence="the backend was not reachable"),
        clause("COORD-PROC-01", "unsupported", evidence="declared so"),
        clause("COORD-DEL-01", "untested", evidence="not run: test_x"),
        clause("DLV-CRASH-01", "fail", summary="completed with {'d': None}",
               evidence="completed with {'d': None}\nstory", details=WORKFLOW, reproduce="pytest -k DLV-CRASH-01"),
        verdict="not-conformant",
    )  # fmt: skip
