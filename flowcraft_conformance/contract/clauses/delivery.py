"""DLV, FAULT, RESULT, RETRY, START, DLQ, VER and RECON: what must survive what goes wrong."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

DELIVERY = (
    Clause(
        "DLV-DUP-01",
        Level.MUST,
        "Delivering any job twice, at any moment, changes neither outcome nor outputs; no join fires early; no edge or "
        "transform is applied twice.",
        "Every queue delivers twice now and then: what a duplicate changes is lost now and then.",
        ("a duplicate counts at the join", "a second execution overwrites the first output after it was read"),
        "Every job of small graphs is delivered twice, at every point of the other deliveries.",
    ),
    Clause(
        "DLV-CRASH-01",
        Level.MUST,
        "Killing a worker at any await of a job, and delivering the job again, ends in the same outcome as no crash.",
        "Deployments and lost machines leave runs that stand still.",
        (
            "acknowledgement before the work",
            "two writes that only make sense together",
            "a lock that outlives its owner",
        ),
        "A handler is stopped for ever at each of its awaits, and the job is delivered again.",
    ),
    Clause(
        "DLV-CRASH-02",
        Level.MUST,
        "Killing a worker process with SIGKILL at any moment, and letting the queue deliver again, ends in the same outcome.",
        "What holds on paper must hold with real processes, buffers and sockets.",
        ("clean-up that runs only on a normal exit", "acknowledgements that are sent in batches"),
        "Worker processes are killed with SIGKILL in the middle of runs on the real queue.",
    ),
    Clause(
        "DLV-MULTI-01",
        Level.MUST,
        "Several workers and processes on one queue give the same outcome as one.",
        "The adapter exists to run on many workers.",
        ("state in a worker's memory", "a lock of one process"),
        "The same blueprints run with one and with several workers and processes.",
    ),
)

FAULTS = (
    Clause(
        "FAULT-01",
        Level.MUST,
        "One failing call to store, context, queue or event bus, at any point, ends in a completed run after redelivery, or in "
        "a published failure that says why; never in silence.",
        "A run that ends in silence is found by a customer.",
        ("an exception is logged and the job acknowledged", "the failure path needs the very call that failed"),
        "Every single call of a run fails once, before and after it took effect.",
    ),
)

RESULTS = (
    Clause(
        "RESULT-01",
        Level.MUST,
        "One final status a run, never two different ones; published once, more than once only after a crash, a lost lease "
        "or a failed call; and a client can read it.",
        "A client is told 'completed' and then 'failed', or waits for an answer that never comes.",
        ("two sinks each publish", "a late failure publishes after the completion", "published but stored nowhere"),
        "All published results of a run are recorded under every plan.",
    ),
    Clause(
        "RESULT-02",
        Level.MUST,
        "The reason of a failure names the node and the original error.",
        "Whoever is called at night knows that something failed, and nothing else.",
        ("a wrapper's message replaces the cause's", "only the status is published"),
        "Failing nodes raise known errors, and the published reason is searched for them.",
    ),
    Clause(
        "RESULT-03",
        Level.MUST,
        "An unknown blueprint publishes `failed` with the id in the reason.",
        "A run of a blueprint that no worker knows any more is delivered for ever.",
        ("the look-up raises outside of the failure path", "the job is acknowledged without a result"),
        "A job names a blueprint that does not exist.",
    ),
)

RETRIES = (
    Clause(
        "RETRY-01",
        Level.MUST,
        "max_retries, retry_delay, timeout and fallback work as their names say, in process and through the queue; "
        "blueprints are never changed by running them.",
        "A passing failure ends a run, or a hopeless node is tried for ever.",
        (
            "attempts are counted in memory and lost with the worker",
            "the delay is in the wrong unit",
            "the fallback runs beside",
        ),
        "Nodes that fail a known number of times run in process and through the queue.",
    ),
)

STARTS = (
    Clause(
        "START-01",
        Level.MUST,
        "start_run twice with one run id starts once; cut off anywhere, repeating it or reconcile completes the start.",
        "A client that repeats its request after a timeout starts the workflow twice, or leaves half a run behind.",
        ("the state is written after the first job", "a marker says 'started' before it is true"),
        "start_run is repeated and cut off at each of its awaits.",
    ),
)

DEAD_LETTERS = (
    Clause(
        "DLQ-01",
        Level.MUST,
        "A job whose attempts were used up by crashes ends in a published failure.",
        "A node that kills its worker disappears into the dead-letter queue, and its run stays open.",
        ("nobody reads the dead-letter queue", "attempts used up by crashes are not counted"),
        "A job's worker dies at every attempt.",
    ),
)

VERSIONS = (
    Clause(
        "VER-01",
        Level.MUST,
        "A new run without a stored version starts; a job whose run has another version is deferred, uses up no attempt, and "
        "workers of that version get it.",
        "During a deployment, runs go on under a blueprint they were not started with, or are lost.",
        ("a missing version is taken for a mismatch", "a mismatch is acknowledged", "a deferral uses up attempts"),
        "Runs of two versions are delivered to workers of both.",
    ),
)

RECONCILIATION = (
    Clause(
        "RECON-01",
        Level.MUST,
        "reconcile enqueues every node that is ready, not committed and not running (queued ones may be repeated), with its "
        "input; no other; nothing for finished runs; called twice it does no harm.",
        "The tool that repairs stalled runs must not start branches that were not taken.",
        ("every node without an output counts as ready", "finished runs are started again"),
        "Jobs are lost at every point; reconcile is called once and twice.",
    ),
)
