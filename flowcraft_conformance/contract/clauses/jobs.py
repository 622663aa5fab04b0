"""JOB: the queue and the life of a worker."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

JOBS = (
    Clause(
        "JOB-RT-01",
        Level.MUST,
        "The handler receives each enqueued run, blueprint and node id unchanged, whatever characters they hold (U+0000 and "
        "lone surrogates aside); attempt is 1 at the first delivery.",
        "A job whose id was changed on the way belongs to no run: the node never executes.",
        ("ids are put into job names, topics or paths", "the queue counts attempts from 0"),
        "Jobs with odd ids go through the real queue and are compared.",
    ),
    Clause(
        "JOB-LOSS-01",
        Level.MUST,
        "N jobs enqueued from many tasks are all delivered at least once; none is invented.",
        "A lost job is a run that stands still, and nobody is told.",
        ("enqueue returns before the broker has the message", "deduplication by an id that is not unique"),
        "Hundreds of jobs from many tasks and clients are counted at the handler.",
    ),
    Clause(
        "JOB-ACK-01",
        Level.MUST,
        "A job whose handler returned is not delivered again as a rule: with nothing killed, cut or rebalanced, of 20 "
        "acknowledged jobs at most one returns within redelivery + lease; more fails only if a second 20 repeats it. "
        "Single duplicates never fail.",
        "Work is done over and over, and the queue never drains.",
        ("the message is never acknowledged", "the acknowledgement goes to another channel or carries an old receipt"),
        "Twenty acknowledged jobs are watched for longer than lease and redelivery together.",
    ),
    Clause(
        "JOB-NACK-01",
        Level.MUST,
        "A job whose handler raised is delivered again (a republished copy counts) with a higher attempt, the last of "
        "`queue_attempts` marked is_last_attempt; JobDeferred uses up none. A crash may or may not raise the attempt.",
        "A passing failure ends a run that a second try would have completed; a deferred job dies of waiting.",
        ("exceptions are logged and the message acknowledged", "attempts are counted in the worker's memory"),
        "Handlers raise and defer in a fixed pattern; each delivery's attempt is compared.",
    ),
    Clause(
        "JOB-CRASH-01",
        Level.MUST,
        "A job whose worker was killed is delivered to another within `redelivery_seconds`.",
        "The node that ran on the dead worker never runs again, and its run never ends.",
        ("the message is acknowledged on receipt", "auto-commit", "no check for stalled jobs is running"),
        "A worker process is killed with SIGKILL inside its handler.",
        excused_by=("processes",),
    ),
    Clause(
        "JOB-LONG-01",
        Level.SHOULD,
        "A job that runs longer than the queue's lease is not given to a second live worker.",
        "Long nodes run twice, side by side.",
        ("the lease is not renewed while the handler runs", "the renewal shares a thread with the work"),
        "A handler runs for longer than the declared lease.",
    ),
    Clause(
        "JOB-CONC-01",
        Level.MUST,
        "Several workers share one queue and each receives work.",
        "Adding workers adds nothing.",
        ("one consumer holds all partitions", "a prefetch without a bound", "an exclusive subscription"),
        "Several workers with slow handlers share enough jobs for all.",
    ),
    Clause(
        "JOB-CONC-02",
        Level.SHOULD,
        "A slow job keeps no other job waiting while a worker has room.",
        "One slow node holds up every other run.",
        ("jobs are handled one after the other in the receive loop", "a batch is acknowledged as a whole"),
        "A slow job is followed by quick ones.",
    ),
    Clause(
        "JOB-BAD-01",
        Level.MUST,
        "A message that is no job (not JSON, fields missing or of a wrong type) neither stops the worker nor is lost without "
        "a log line; unknown extra fields are ignored.",
        "One bad message stops every worker in turn.",
        ("the parse error ends the receive loop", "the message is put back for ever"),
        "Raw bad messages are put on the queue between good ones.",
    ),
    Clause(
        "JOB-LIFE-01",
        Level.MUST,
        "Enqueue works before and right after start(); start() returns once jobs are taken.",
        "Jobs that are sent while a worker starts are lost.",
        ("start() returns before the subscription exists", "enqueue needs the worker's connection"),
        "Jobs are enqueued before, during and right after start().",
    ),
    Clause(
        "JOB-LIFE-02",
        Level.MUST,
        "close() lets jobs in flight finish, takes no new ones, can be called twice, and leaves nothing behind that grows: "
        "cycles 2 to n of start and close leave no more tasks, threads and sockets than cycle 1.",
        "Each deployment cuts work off in the middle, or leaks connections until the broker refuses new ones.",
        (
            "the consumer's task is cancelled with the handler inside",
            "a connection of its own for every part, one not closed",
        ),
        "Workers are started and closed in cycles with jobs in flight; tasks, threads and sockets are counted.",
    ),
    Clause(
        "JOB-LIFE-03",
        Level.SHOULD,
        "When the queue goes away and comes back, the worker goes on by itself.",
        "Every hiccup of the broker needs a person.",
        ("the receive loop ends at the first connection error", "consumers are not registered again after a reconnect"),
        "The connection is cut for a while under a running worker.",
    ),
)
