"""Runs that wait or take long, events, loops and subflows, odd ids, and what a run leaves behind."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

WAITING: tuple[Clause, ...] = (
    Clause(
        id="HITL-01",
        level=Level.MUST,
        sentence=(
            "A waiting node stops the run until resumed; the action routes; parallel waits are resumed one by one or "
            "together as told."
        ),
        why=(
            "An approval gets lost or counts for another request: a run goes on that nobody approved, or still waits "
            "after the manager has said yes."
        ),
        causes=(
            "the waiting nodes are one list under one key, written back whole: of two parallel waits one is lost",
            "a resume follows all edges of the node, not those of the action",
            "a waiting run counts as complete, and its result is published",
            "the resume value is cleared before the node has committed, and a crash loses the answer",
        ),
        checked_by=(
            "Graphs with one and several waiting nodes are resumed with different actions, one by one, together, twice "
            "and during crashes, also with outputs that look empty; nothing behind a wait may run before, and the "
            "edges taken must be those of the action."
        ),
    ),
    Clause(
        id="HB-01",
        level=Level.MUST,
        sentence=(
            "A node may take longer than every TTL and lease; apart from the lock of an executing node, losing any "
            "coordination key past its TTL, at any await, changes no outcome; a failing heartbeat stops nothing by "
            "itself; a lost lease is noticed before the commit."
        ),
        why=(
            "A node of three hours outlives every key of its run. The run forgets who has arrived, runs the node "
            "twice, or lets a worker that woke up too late write over a newer output."
        ),
        causes=(
            "joins and failures are decided by keys with a TTL alone, with nothing durable behind them",
            "the heartbeat extends another key than the lock, or comes less often than the lock lives",
            "one failed heartbeat cancels the node, or ends the heartbeat for good",
            "the commit does not look at the lease again, and nothing guards it",
        ),
        checked_by=(
            "On virtual time nodes run longer than every TTL, any coordination key past its TTL is dropped at every "
            "await, heartbeats fail, and workers are paused beyond their lease; outcomes must not change, and one "
            "heartbeat that fails makes no node run twice."
        ),
    ),
    Clause(
        id="EVT-01",
        level=Level.SHOULD,
        sentence=(
            "The events job:enqueued, job:processed and job:failed are emitted once each, with run, blueprint and node "
            "ids; a failing event bus harms no run."
        ),
        why=(
            "Dashboards and alarms count these events. A missing or a double one hides a run that is stuck or wakes "
            "somebody for nothing; and a bus that is down would take the workflows with it."
        ),
        causes=(
            "job:processed is emitted in a finally block, for failed jobs too",
            "the adapter and the runtime both emit",
            "an error of emit, or a wait for it, reaches the job",
            "the payload lacks the blueprint id, or names it differently",
        ),
        checked_by=(
            "A recording event bus is held against the enqueues and the outcomes of the jobs; then it raises, at each "
            "single call and at all of them, and the run must end as before."
        ),
    ),
    Clause(
        id="SUB-01",
        level=Level.SHOULD,
        sentence="Subflows, loops, batches (scatter and gather) and sleeps end as in the in-process runtime.",
        why=(
            "A loop stops after one round because its second iteration passes for a duplicate of the first; a batch "
            "loses items, and its gather waits for ever."
        ),
        causes=(
            "keys without the iteration: the second visit of a node finds the first one's lock, output or mark",
            "dynamic nodes are known only to the worker that made them",
            "a sleep holds its job open beyond the lease, or is slept again after every redelivery",
            "nodes of a subflow share their ids with those of the parent",
        ),
        checked_by=(
            "Random blueprints with subflows, loops, batches and sleeps run under duplicates and crashes, with the "
            "in-process runtime as the expectation."
        ),
    ),
    Clause(
        id="KEY-01",
        level=Level.MUST,
        sentence="Odd run and node ids (colons, dots, spaces, unicode, `r_1`+`A` against `r`+`1_A`) do not meet.",
        why=(
            "Two runs, or two nodes of one run, would share a lock or an output. One waits for the other's lock, takes "
            "its result for its own, or is never started."
        ),
        causes=(
            "ids are joined by a separator that they may contain",
            (
                "characters that a queue refuses are replaced (`:` by `_` for BullMQ's job ids), and different ids "
                "become one"
            ),
            "a table of results compares text without case or accents",
            "an id is used as a path, a topic or a table name and is cut or folded in case",
            "a dot in a node id makes `_outputs.{node}` a path",
        ),
        checked_by=(
            "Runs whose ids, and whose nodes' ids, are built to meet run at the same time on one adapter; each must "
            "end as it does alone."
            " On the adapter's own queue, runs whose ids differ in case or an accent must each have their own result."
        ),
    ),
    Clause(
        id="LEAK-01",
        level=Level.SHOULD,
        sentence="A finished run leaves only its state and result behind; coordination keys are gone or expire.",
        why=(
            "Keys of finished runs fill the store until it is full one day, and then it refuses or evicts the locks of "
            "the runs that are alive."
        ),
        causes=(
            "a key is written without a TTL",
            "a heartbeat goes on after its node is done and keeps the lock alive",
            "a queue, topic or subscription is made for each run, and nobody removes it",
            "the queue keeps finished jobs for ever (BullMQ without removeOnComplete)",
        ),
        checked_by=(
            "All coordination keys that a run writes are recorded; after runs that complete, fail and are disturbed, "
            "time goes on for twice the longest TTL, with whoever still wakes up in it: each key must be gone then, and "
            "none may have been written or extended for much longer."
        ),
    ),
)
