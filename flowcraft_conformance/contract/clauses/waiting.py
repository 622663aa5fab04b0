"""HITL, HB, EVT, SUB, KEY and LEAK: waits, leases, events, nested flows, odd ids and what is left behind."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

WAITS = (
    Clause(
        "HITL-01",
        Level.MUST,
        "A waiting node stops the run until resumed; the action routes; parallel waits are resumed one by one or together as "
        "told.",
        "An approval is lost, or goes to another request than the one it was given for.",
        ("the list of waiting nodes is one value that two nodes overwrite", "resume starts every branch"),
        "Runs with one and several waiting nodes are resumed in every order, under plans.",
    ),
)

HEARTBEATS = (
    Clause(
        "HB-01",
        Level.MUST,
        "A node may take longer than every TTL and lease; apart from the lock of an executing node, losing any coordination "
        "key past its TTL, at any await, changes no outcome; a failing heartbeat stops nothing by itself; a lost lease is "
        "noticed before the commit.",
        "Long nodes run twice, and the slower one overwrites the faster one's result.",
        ("the heartbeat extends another key than the lock", "a lease is believed without looking at the clock"),
        "Virtual time passes every TTL while nodes run; keys expire at every await; workers sleep past their lease.",
    ),
)

EVENTS = (
    Clause(
        "EVT-01",
        Level.SHOULD,
        "job:enqueued, job:processed and job:failed are emitted once each, with run, blueprint and node ids; a failing event "
        "bus harms no run.",
        "Dashboards count wrong, or a dashboard that is down stops the workflows.",
        ("emit is awaited without a guard", "events are emitted before the fact"),
        "Events are recorded, and the bus fails at every emit.",
    ),
)

SUBFLOWS = (
    Clause(
        "SUB-01",
        Level.SHOULD,
        "Subflows, loops, batches (scatter and gather) and sleeps end as in the in-process runtime.",
        "Nested workflows behave differently as soon as they are distributed.",
        ("an iteration reuses the keys of the last one", "scattered jobs are gathered by a bare counter"),
        "Such blueprints run on the adapter and in process, under plans.",
    ),
)

KEYS = (
    Clause(
        "KEY-01",
        Level.MUST,
        "Odd run and node ids (colons, dots, spaces, unicode, `r_1`+`A` against `r`+`1_A`) do not meet.",
        "Two runs share a lock or a counter, and one of them stalls.",
        ("ids are joined by a separator that they may contain", "ids are cleaned of odd characters"),
        "Runs with ids that could meet run side by side.",
    ),
)

LEAKS = (
    Clause(
        "LEAK-01",
        Level.SHOULD,
        "A finished run leaves only its state and result behind; coordination keys are gone or expire.",
        "The store fills up over months.",
        ("keys without a TTL", "marks of failed runs that nobody removes"),
        "After a run, every coordination key that was touched is looked up again past its TTL.",
    ),
)
