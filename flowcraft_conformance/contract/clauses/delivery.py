"""Runs under duplicates, crashes and failing calls: outcome, results, retries, starts, versions, reconcile."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

DELIVERY: tuple[Clause, ...] = (
    Clause(
        id="DLV-DUP-01",
        level=Level.MUST,
        sentence=(
            "Delivering any job twice, at any moment, changes neither outcome nor outputs; no join fires early; no "
            "edge or transform is applied twice."
        ),
        why=(
            "Queues deliver at least once, so duplicates are part of an ordinary day. A join that takes one for its "
            "second branch runs with half of its inputs."
        ),
        causes=(
            "arrivals are counted without a note of which edge has arrived",
            "the second delivery executes a finished node again and overwrites the output others have used",
            "duplicates are known by a key with a TTL or by the worker's memory, and a late one passes",
            "a transform is applied to an input that is stored already transformed",
            "the state of a finished run is removed while copies of its jobs may still come",
        ),
        checked_by=(
            "The kit takes the queue's place and delivers each job a second time, beside the first at every await and "
            "after it; outcome and outputs must be those of the plain run. Live runs force duplicates by redelivery."
            " Each job comes once more after the one behind it, and an hour after the end."
        ),
    ),
    Clause(
        id="DLV-CRASH-01",
        level=Level.MUST,
        sentence=(
            "Killing a worker at any await of a job, and delivering the job again, ends in the same outcome as no "
            "crash."
        ),
        why=(
            "Workers die in deployments, out of memory, with their machine. A single await at which that loses the run "
            "is met sooner or later, and the run stands still or does its work twice."
        ),
        causes=(
            (
                "output and routing decision are stored by two writes, and a crash between them leaves a node that is "
                "done and leads nowhere"
            ),
            "the redelivered job of a finished node returns at once, without settling its edges again",
            "the job is acknowledged, or marked as handled, before its successors are enqueued",
            "clean-up in a finally block or an except CancelledError, which a kill never reaches",
        ),
        checked_by=(
            "A job's handler is stepped await by await and dropped for good at each one, with no clean-up, then the "
            "job is delivered again. Small graphs are enumerated, larger ones sampled; each plan can be replayed."
        ),
    ),
    Clause(
        id="DLV-CRASH-02",
        level=Level.MUST,
        sentence=(
            "Killing a worker that is a real process with SIGKILL, at any moment of a job, and delivering the job "
            "again, ends in the same outcome as no crash."
        ),
        why=(
            "Only a real kill takes buffers, connections and half-sent requests with it. A commit that was still in "
            "the client's buffer is lost, though the job was already acknowledged."
        ),
        causes=(
            "the client library still holds writes or messages back when its call has returned",
            "a transaction or an advisory lock of the dead connection blocks the others until the server notices",
            "results are kept in the worker's memory or in a local file",
            "messages taken ahead stay with the dead consumer longer than declared",
            "what a job enqueues is sent in a batch when the job is over, and its node is noted as done before",
        ),
        checked_by=(
            "Worker processes are killed with SIGKILL at drawn moments, and at marked places inside nodes, while "
            "others go on; the outcome is compared with that of the run without kills."
            " One process dies between noting that a job's successors are on the queue and the end of that job."
        ),
    ),
    Clause(
        id="DLV-MULTI-01",
        level=Level.MUST,
        sentence="Several workers and processes on one queue give the same outcome as one.",
        why=(
            "A workflow that is right on one worker and wrong on ten breaks on the day the load asks for the tenth: "
            "joins lose arrivals, and nodes run side by side with themselves."
        ),
        causes=(
            "a worker keeps the state of a run in memory from one job to the next",
            "arrivals are guarded by a lock or a dict of the process",
            "all workers use one consumer name, and acknowledge or claim each other's jobs",
            "ids that are counted up in each process meet",
        ),
        checked_by=(
            "The same random blueprints run with one and with several workers, and in several processes where they "
            "share the backend; the outcomes must be those the in-process runtime can reach."
        ),
    ),
    Clause(
        id="FAULT-01",
        level=Level.MUST,
        sentence=(
            "One failing call to store, context, queue or event bus, at any point, ends in a completed run after "
            "redelivery, or in a published failure that says why; never in silence."
        ),
        why=(
            "Servers restart and networks drop calls. A run that stops in silence is neither tried again nor reported; "
            "it is found when a customer asks what became of an order."
        ),
        causes=(
            "an error between the commit and the enqueue is logged, and the job acknowledged",
            "of several successors the first fails to be enqueued, and the others are forgotten with it",
            "publishing the result fails, and no redelivery publishes it again",
            "an error while handling an error hides the first one and ends the job",
            "a worker remembers what a node returned, and not what it wrote",
        ),
        checked_by=(
            "Each call that the runtime makes to store, context, queue and event bus fails once, before and after it "
            "took effect, in enumerated plans. A bounded wait that ends when nothing can happen any more finds the "
            "silent ends."
            " Each change fails once on a worker that is alone, so that the job comes back to it."
        ),
    ),
    Clause(
        id="RESULT-01",
        level=Level.MUST,
        sentence=(
            "There is one final status a run, never two different ones; it is published once, more than once only "
            "after a crash, a lost lease or a failed call; and a client can read it (`read_results`)."
        ),
        why=(
            "A client that was told `completed` ships the goods; a `failed` one minute later comes too late. A result "
            "that no client can read is as good as none."
        ),
        causes=(
            "each worker that ends a last branch publishes by what it knows",
            "the status is published first and stored afterwards, so that two workers can choose differently",
            "a failure that comes after the completion, or beside it, is published without a look at the status",
            "the result goes to a channel without memory, such as Redis PUBLISH, before the client listens",
            "a result beyond the size of a message is cut or sent without its payload",
        ),
        checked_by=(
            "Every published result is recorded, in runs under duplicates, crashes and failing calls: the statuses of "
            "a run must agree. In live runs the client's view is read with read_results."
            " On the adapter's own queue a client must read the whole of a large result."
        ),
    ),
    Clause(
        id="RESULT-02",
        level=Level.MUST,
        sentence="The reason of a failure names the node and the original error.",
        why=(
            "Whoever gets the failure at night must find one node among a hundred, perhaps after the worker and its "
            "log are gone. Without the error, all that is left is to run it again and hope."
        ),
        causes=(
            'the text of a wrapper is published: "job failed"',
            "str(error), which is empty for many exceptions such as TimeoutError()",
            "the error is logged and not carried over to the result",
            "the queue's own reason (too many attempts) takes the place of the last error",
        ),
        checked_by=(
            "Nodes fail with errors whose text is known, at the first and at the last attempt, in fallbacks and "
            "through the queue; the published reason must hold the node's id and that text. In a live run the reason "
            "is long, and a client must read all of it."
        ),
    ),
    Clause(
        id="RESULT-03",
        level=Level.MUST,
        sentence="An unknown blueprint publishes `failed` with the id in the reason.",
        why=(
            "A worker that lacks a blueprint would try its job without end or drop it. The client of the run waits for "
            "a result that nobody will publish."
        ),
        causes=(
            "the KeyError of the lookup leaves the handler, and the queue drops the job after its last attempt",
            "the job is acknowledged with a warning in the log",
            "only start_run looks the blueprint up, in the client's registry and not in the worker's",
        ),
        checked_by=(
            "Jobs of runs with a blueprint id that the workers do not know are delivered; the run must end with a "
            "published failure whose reason holds the id."
        ),
    ),
    Clause(
        id="RETRY-01",
        level=Level.MUST,
        sentence=(
            "The settings max_retries, retry_delay, timeout and fallback work as their names say, in process and "
            "through the queue; blueprints are never changed by running them."
        ),
        why=(
            "A node that should be tried three times with a pause is tried once and fails the run, or is tried nine "
            "times without a pause against a server that is already down."
        ),
        causes=(
            "max_retries is read as the tries after the first, where it means attempts in all",
            "milliseconds are read as seconds",
            "retries in process and retries of the queue multiply, or the queue never sees one",
            "the runtime writes counts or defaults into the blueprint that all runs share",
            "failed attempts are repeated by the queue, which has fewer than the node",
        ),
        checked_by=(
            "Nodes that fail a set number of times or take too long run with drawn settings, on virtual time where "
            "possible; executions, pauses, the fallback's run and the untouched blueprint are checked."
            " One node needs more attempts than most queues give."
        ),
    ),
    Clause(
        id="START-01",
        level=Level.MUST,
        sentence=(
            "Calling start_run twice with one run id starts once; cut off anywhere, repeating it or reconcile "
            "completes the start."
        ),
        why=(
            "A client that repeats a start after a timeout would have its order done twice. Or it is told that the run "
            "exists, while no node of it was ever enqueued."
        ),
        causes=(
            (
                "the run is marked as started and then its first jobs are enqueued: after a crash in between the "
                "repeat sees the mark and returns"
            ),
            "the repeat writes the initial context again, over what nodes have stored since",
            "has and then set of the run's record, which two callers pass together",
            "a repeat without a look at the run's final status starts a finished run again",
        ),
        checked_by=(
            "A run is started twice, one call after the other and both together, and a start is cut off at every await "
            "before it is repeated or reconciled; the outcome must be that of one start."
        ),
    ),
    Clause(
        id="DLQ-01",
        level=Level.MUST,
        sentence="A job whose attempts were used up by crashes ends in a published failure.",
        why=(
            "A node that kills its worker each time raises nothing, so no handler sees the last attempt. The job goes "
            "to the dead letters, and the client of the run waits for ever."
        ),
        causes=(
            "nobody consumes the dead-letter queue",
            "its consumer logs the job and does not call abandon_job",
            "the failure is published only where the handler of the last attempt raised",
            "the queue removes a job that stalled too often without telling (BullMQ's maxStalledCount)",
            "a dead letter whose abandon_job has failed is acknowledged all the same",
        ),
        checked_by=(
            "A job is given up by the captured queue: a failure with the reason must be published. In live runs a job "
            "kills its process by SIGKILL at every delivery until its attempts, up to six, are used up: its run must "
            "not rest in silence."
            " Where the queue gives a job up and abandon_job fails, it must be called again."
        ),
    ),
    Clause(
        id="VER-01",
        level=Level.MUST,
        sentence=(
            "A new run without a stored version starts; a job whose run has another version is deferred, uses up no "
            "attempt, and workers of that version get it."
        ),
        why=(
            "During a rolling deployment old and new workers share one queue. A run would go on by a blueprint it was "
            "not started with, or lose its jobs to workers that cannot do them."
        ),
        causes=(
            (
                "a version that is not stored yet counts as another one, and the first job of every run is put back "
                "for ever"
            ),
            "a job of another version is acknowledged and so lost",
            "it is put back by raising, which uses up its attempts until it is a dead letter",
            "it is put back without a delay, and the same worker takes it again and again",
        ),
        checked_by=(
            "Workers of two versions share a queue, with more deferrals than the queue has attempts; each run must be "
            "finished by workers of its own version, and new runs must start."
        ),
    ),
    Clause(
        id="RECON-01",
        level=Level.MUST,
        sentence=(
            "The method reconcile enqueues every node that is ready, not committed and not running (queued ones may be "
            "repeated), with its input; no other; nothing for finished runs; called twice it does no harm."
        ),
        why=(
            "It is the last means to move a run that stands still. A node it misses leaves the run dead; a branch it "
            "should not start ships an order that was refused."
        ),
        causes=(
            "every node without an output is taken for ready, those of untaken branches and waiting ones too",
            "readiness is read from coordination keys, which may have expired",
            "nodes are enqueued without their input",
            "finished and failed runs are not looked at, and their leftovers start",
            "a worker looks at a run once in a while only, and says that nothing is lost",
        ),
        checked_by=(
            "Runs are stopped at every point, all queued jobs and expired keys are dropped, and reconcile is called "
            "once and twice; what it enqueues is compared with what the model says is ready, and the run must end as "
            "usual."
            " What the reconcile has put on the queue is lost again, and found again."
        ),
    ),
)
