"""FLOW and JOIN: what a run does."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

_PLANS = "Plans over small graphs: every order of delivery, a crash at every await, a duplicate of every job."

FLOWS = (
    Clause(
        "FLOW-ORACLE-01",
        Level.MUST,
        "For every blueprint the run on the adapter ends as the in-process runtime ends in some order of completion: status, "
        "executed nodes, outputs, context (keys with `_` aside, but for `_outputs.*`); a failed run: status and a failing node.",
        "A workflow that was tested in process does something else on many workers.",
        ("routing or joins written a second time for the distributed case", "state that exists on one worker only"),
        "Random blueprints run on the adapter and in process; the ends are compared.",
    ),
    Clause(
        "FLOW-ORDER-01",
        Level.MUST,
        "A node never starts before those it waits for have their outputs stored.",
        "A node computes with an input that is not there yet.",
        ("successors are enqueued before the output is written", "the output's write is not awaited"),
        _PLANS,
    ),
    Clause(
        "FLOW-ROUTE-01",
        Level.MUST,
        "Edges with the result's action are taken; if none, those without an action; each only if its condition holds.",
        "The run goes down the wrong branch.",
        ("edges without an action are always taken too", "a condition is evaluated against another state"),
        "Blueprints with actions and conditions are compared with the in-process runtime.",
    ),
    Clause(
        "FLOW-INPUT-01",
        Level.MUST,
        "A node's input does not depend on which worker ran its predecessor nor on arrival order where the blueprint does "
        "not say so; an `all` join receives each predecessor's part.",
        "The same run gives different results on different days.",
        ("the input is what the last arrival brought", "the input is kept in the worker's memory"),
        _PLANS,
    ),
)

JOINS = (
    Clause(
        "JOIN-ALL-01",
        Level.MUST,
        "An `all` join commits exactly once (executions at most 1 + crashes + lost leases), after the last of its "
        "predecessors that can still arrive; branches not taken do not hold it up.",
        "An early join works on half of its inputs; a stalled one never ends the run.",
        (
            "arrivals are counted, and a redelivered job counts twice",
            "a branch that was not taken never arrives",
            "the edge is marked and then counted, and the worker dies between the two",
        ),
        _PLANS,
    ),
    Clause(
        "JOIN-ALL-02",
        Level.MUST,
        "Two edges from one source, fallback nodes, and joins of 1, 2, 50 and 1,000 predecessors behave so.",
        "Unusual graphs stall, or cost the square of their size.",
        ("predecessors are counted as sources and not as edges", "each arrival reads the whole state"),
        "Such blueprints run under plans, and the calls of a run are counted.",
    ),
    Clause(
        "JOIN-ANY-01",
        Level.MUST,
        "An `any` join commits exactly once, with the input of the predecessor that won; later arrivals are harmless, "
        "however many.",
        "The rest of the workflow runs twice, or with an input that changes under it.",
        ("the winner is known only by a lock that expires", "a late arrival overwrites the stored input"),
        _PLANS,
    ),
    Clause(
        "JOIN-FAIL-01",
        Level.MUST,
        "When a predecessor fails for good, the join does not run, the run fails, and nothing waits for ever; successors "
        "already started finish and keep their outputs.",
        "A run whose one branch failed stays open for ever.",
        ("the failing node never arrives at the join", "the failure is known only by a key that expires"),
        _PLANS,
    ),
)
