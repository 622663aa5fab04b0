"""Workflows: outcome, order, routing, inputs and joins."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

FLOWS: tuple[Clause, ...] = (
    Clause(
        id="FLOW-ORACLE-01",
        level=Level.MUST,
        sentence=(
            "For every blueprint the run on the adapter ends as the in-process runtime ends in some order of "
            "completion: status, executed nodes, outputs, context (keys with `_` aside, but for `_outputs.*`); a "
            "failed run: status and a failing node."
        ),
        why=(
            "Workflows are written and tested in one process. Where the distributed run ends differently, a workflow "
            "that passed its tests takes other branches or gives other outputs in production."
        ),
        causes=(
            "routing, joins or inputs written once more in the adapter, apart from the shared runtime",
            "a job is acknowledged before its successors are enqueued",
            "values change between workers, or a worker goes on with a cached state",
            "the run is called complete while a branch can still run",
        ),
        checked_by=(
            "Random blueprints with fan-out, joins, conditions, transforms, fallbacks, waits and failing nodes run on "
            "the adapter and in process. The outcome must be one the in-process runtime can reach; a difference is "
            "shrunk to the smallest graph."
        ),
    ),
    Clause(
        id="FLOW-ORDER-01",
        level=Level.MUST,
        sentence="A node never starts before those it waits for have their outputs stored.",
        why="It would find None where its predecessor's output belongs and hand on a wrong result that no error marks.",
        causes=(
            "successors are enqueued before the write of the output was awaited",
            "writes are buffered and flushed after the job was acknowledged",
            "the output and the successors' jobs are sent together with asyncio.gather",
            "the next worker reads the state at eventual consistency",
        ),
        checked_by=(
            "Every write, enqueue and execution is recorded by wrapping the adapter's parts; at each start of a node, "
            "the outputs it waits for must have been stored before."
        ),
    ),
    Clause(
        id="FLOW-ROUTE-01",
        level=Level.MUST,
        sentence=(
            "Edges with the result's action are taken; if none is, those without an action; each only if its condition "
            "holds."
        ),
        why=(
            "An order goes down the branch for refused ones, or down both; or down none, and the run ends as completed "
            "with half of its work undone."
        ),
        causes=(
            "the action lives in the worker's memory and is lost at a redelivery, so that the default edges are taken",
            "the edges without an action are taken beside those with it",
            "conditions are evaluated again at every delivery, on a state that has moved on",
            "a condition that raises counts as one that holds",
        ),
        checked_by=(
            "Random graphs with actions, default edges and conditions run under duplicates and crashes; the edges "
            "taken, seen by what is executed, must be those of the in-process runtime."
        ),
    ),
    Clause(
        id="FLOW-INPUT-01",
        level=Level.MUST,
        sentence=(
            "A node's input does not depend on which worker ran its predecessor, nor on arrival order where the "
            "blueprint does not say so; an `all` join receives each predecessor's part."
        ),
        why=(
            "The same order would be priced differently from run to run, by which branch happened to be slower. Nobody "
            "could reproduce it."
        ),
        causes=(
            "the input of a join is the output of whoever arrived last",
            "the input travels in a worker's memory and not in the run's state",
            "the shape follows the number of edges taken: a bare value for one, a dict for several",
            "inputs of several predecessors are merged into one dict, where equal names overwrite each other",
        ),
        checked_by=(
            "Every execution is recorded with its input, under many orders of delivery and on several workers; for one "
            "blueprint and one set of taken edges the input must always be the same."
        ),
    ),
    Clause(
        id="JOIN-ALL-01",
        level=Level.MUST,
        sentence=(
            "An `all` join commits exactly once (executions at most 1 + crashes + lost leases), after the last of its "
            "predecessors that can still arrive; branches not taken do not hold it up."
        ),
        why=(
            "A join that fires early works without some of its inputs; one that fires twice sends the invoice twice; "
            "one that never fires leaves the run standing for ever."
        ),
        causes=(
            "a bare counter: a predecessor that is delivered twice counts twice, and the join opens early",
            "the edge is marked and then counted: a worker that dies between the two loses the arrival",
            "the count is held against all incoming edges, those of branches not taken included",
            "the counter is deleted before the join's job is enqueued, and a crash in between loses the join",
        ),
        checked_by=(
            "Graphs with joins and untaken branches run under every order of delivery, a crash at every await and a "
            "duplicate of every job. Commits and executions of each join are counted, and its start is held against "
            "its predecessors' ends."
        ),
    ),
    Clause(
        id="JOIN-ALL-02",
        level=Level.MUST,
        sentence=(
            "Two edges from one source, fallback nodes, and joins of 1, 2, 50 and 1,000 predecessors behave as "
            "JOIN-ALL-01 says."
        ),
        why=(
            "Blueprints with parallel edges or a wide scatter would stall at their join, or flood the backend until "
            "the jobs time out, though every small graph works."
        ),
        causes=(
            (
                "arrivals are told apart by their source alone, so that the second edge from one source counts as a "
                "duplicate"
            ),
            "a fallback settles its own edges and not those of the node it stands in for",
            "each arrival reads all predecessors: a million reads for a join of 1,000",
            "all arrivals fight for one row, and the retries of the last ones run out",
        ),
        checked_by=(
            "Blueprints with parallel edges and fallbacks, and joins of 1, 2, 50 and 1,000 predecessors, run to their "
            "end within a bounded time and a bounded number of calls; outcomes are compared with the in-process "
            "runtime's."
        ),
    ),
    Clause(
        id="JOIN-ANY-01",
        level=Level.MUST,
        sentence=(
            "An `any` join commits exactly once, with the input of the predecessor that won; later arrivals are "
            "harmless, however many."
        ),
        why=(
            "The slower branches would run everything behind the join once more, swap the input under it, or fail a "
            "run that was already decided."
        ),
        causes=(
            "the winner is known by a lock with a TTL alone: a branch that arrives after an hour wins again",
            "the join reads its input when it starts, from whoever wrote last",
            "the winner dies before it enqueues the join, and the late ones take the join for started",
            "an arrival after the second is not expected and raises, which fails the run",
        ),
        checked_by=(
            "Graphs with `any` joins of several predecessors run under every order of arrival, with expired keys, "
            "duplicates and crashes; commits are counted and the input is compared with the winner's output."
        ),
    ),
    Clause(
        id="JOIN-FAIL-01",
        level=Level.MUST,
        sentence=(
            "When a predecessor fails for good, the join does not run, the run fails, and nothing waits for ever; "
            "successors already started finish and keep their outputs."
        ),
        why=(
            "The client waits for a result that never comes, or the join runs without one of its inputs and the run is "
            "reported as completed."
        ),
        causes=(
            "the failure is known by a poison key with a TTL alone, and a late branch finds it gone",
            "the failed node's edges are settled by nobody, and the join waits for its arrival",
            "jobs that are already queued start further nodes after the run has failed",
            "nodes that are running are cancelled and their outputs dropped",
        ),
        checked_by=(
            "Nodes fail for good at every place of random graphs, early, late and beside running nodes. The run must "
            "publish `failed` in bounded time, with the outputs of what was running, and no join behind the failure "
            "may execute."
        ),
    ),
)
