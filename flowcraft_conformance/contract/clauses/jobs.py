"""The queue: delivery, acknowledgement, attempts, concurrency, bad messages, start and close."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

JOBS: tuple[Clause, ...] = (
    Clause(
        id="JOB-RT-01",
        level=Level.MUST,
        sentence=(
            "The handler receives each enqueued run, blueprint and node id unchanged, whatever characters they hold "
            "(U+0000 and lone surrogates aside); attempt is 1 at the first delivery."
        ),
        why=(
            "A worker that gets an altered id looks for a run or a node that does not exist, and the real one never "
            "runs. An attempt that starts at 0 or 2 gives a node one try too many or too few."
        ),
        causes=(
            'ids glued together and split again: "run:node"',
            "the id of the message is made from the ids and loses characters the queue refuses, as `:` in BullMQ",
            "the queue's own count is handed out, which starts at 0 (BullMQ's attemptsMade)",
            "ids sent as headers or properties, which hold Latin-1 only",
            "waiting in a worker's buffer uses up attempts, as each lease that ends there counts",
        ),
        checked_by=(
            "Jobs whose ids hold separators, quotes, blanks and unicode go through the real queue; what the handler "
            "receives is compared with what was enqueued."
            " In a backlog behind slow jobs the first attempt must still be 1."
        ),
    ),
    Clause(
        id="JOB-LOSS-01",
        level=Level.MUST,
        sentence="N jobs enqueued from many tasks are all delivered at least once; none is invented.",
        why=(
            "One job is all that starts a node. One lost in a thousand is a node that never runs and a run that never "
            "ends; an invented one runs a node whose turn has not come."
        ),
        causes=(
            "automatic acknowledgement: the broker forgets a job as it hands it out",
            "a publish that nobody confirms: RabbitMQ without publisher confirms, a Kafka producer without flush",
            "a message id made of run and node, so that the queue drops a second job as a duplicate",
            "refused entries of a batch are not looked at: the Failed list of SQS's SendMessageBatch",
            "a job that is on the queue is not added again, also while it is being worked at",
        ),
        checked_by=(
            "Many tasks enqueue jobs at once while workers consume; the set of delivered jobs must equal the set of "
            "enqueued ones. The wait is bounded."
            " One is enqueued again after it was done, one while it is worked at."
        ),
    ),
    Clause(
        id="JOB-ACK-01",
        level=Level.MUST,
        sentence=(
            "A job whose handler returned is not delivered again as a rule: with nothing killed, cut or rebalanced, of "
            "20 acknowledged jobs at most one returns within redelivery + lease; more fails only if a second 20 "
            "repeats it. Single duplicates never fail."
        ),
        why=(
            "A queue whose finished jobs come back never runs dry. The workers look at done work over and over while "
            "new runs wait behind it, and after the last attempt done jobs end as dead letters."
        ),
        causes=(
            "the acknowledgement is missing on one of the paths through the consumer",
            "it is sent with a receipt handle or delivery tag that is no longer valid, and the refusal is ignored",
            "Kafka offsets that are never committed, or only at close",
            "a publish-subscribe channel in which every worker has a subscription of its own",
            "jobs are taken ahead of the worker's room, and their leases end in its buffer",
        ),
        checked_by=(
            "Jobs are handled and acknowledged in peace, 20 of them, then watched for redelivery + lease. Where more "
            "than one comes back, a second 20 must show it too before the clause counts as broken."
            " The same is asked of a backlog behind jobs that take most of a lease."
        ),
    ),
    Clause(
        id="JOB-NACK-01",
        level=Level.MUST,
        sentence=(
            "A job whose handler raised is delivered again (a republished copy counts) with a higher attempt, the last "
            "of `queue_attempts` marked is_last_attempt; JobDeferred uses up none. A crash may or may not raise the "
            "attempt."
        ),
        why=(
            "A server that is away for a second would fail or lose the job for good. Where no delivery is marked as "
            "the last, nobody publishes the failure and the run ends in silence."
        ),
        causes=(
            "the exception is logged and the job acknowledged",
            "the attempt is not carried over to the republished copy, so that each delivery is the first",
            "JobDeferred is handled like any exception: waiting for a lock uses up the attempts",
            "is_last_attempt is one off: attemptsMade against attempts, a receive count that starts at 1",
            (
                "deferrals are bounded, by the longest delay of the queue (15 minutes of SQS) or by a count, and beyond "
                "that they are failures"
            ),
        ),
        checked_by=(
            "Handlers raise and defer in drawn patterns; the attempts they see must rise by raising alone, and the "
            "mark must stand on the last of the declared attempts and on no other."
            " One is deferred dozens of times, one for an hour."
        ),
    ),
    Clause(
        id="JOB-CRASH-01",
        level=Level.MUST,
        sentence="A job whose worker was killed is delivered to another within `redelivery_seconds`.",
        why=(
            "A worker that dies takes its job with it. The node never runs and the run stands still, though every "
            "other worker is healthy."
        ),
        causes=(
            "the job is acknowledged on receipt and not after the handler has returned",
            "BLPOP, or a read from a Redis stream without a later XAUTOCLAIM: nobody looks for stalled jobs",
            "a visibility timeout or a lock longer than the declared redelivery",
            "jobs taken ahead wait in the memory of the worker",
            "a deferred job is acknowledged and kept by a timer of the worker",
        ),
        checked_by=(
            "Worker processes are killed with SIGKILL while a handler runs; another worker must receive each of their "
            "jobs within the declared time."
            " It had put another job back for two seconds, and that one must come, too."
        ),
        excused_by=("processes",),
    ),
    Clause(
        id="JOB-LONG-01",
        level=Level.SHOULD,
        sentence="A job that runs longer than the queue's lease is not given to a second live worker.",
        why=(
            "Two workers would run one long node side by side. It calls the outside world twice, and the work of the "
            "one that commits second is thrown away."
        ),
        causes=(
            "nobody renews the lease while the handler runs: SQS's visibility timeout, BullMQ's lock",
            "the renewal runs on the event loop that the node blocks",
            "Kafka's max.poll.interval.ms runs out, and the partition moves to another worker",
            "RabbitMQ's consumer timeout closes the channel after 30 minutes",
        ),
        checked_by=(
            "A handler runs for several leases beside an idle worker; the job must not be delivered to the second "
            "while the first lives."
        ),
    ),
    Clause(
        id="JOB-CONC-01",
        level=Level.MUST,
        sentence="Several workers share one queue, and each receives work.",
        why=(
            "More workers would change nothing: one of them does everything, a backlog grows behind it, and the day it "
            "stops everything stops."
        ),
        causes=(
            "unbounded prefetch: the first worker takes the whole backlog (RabbitMQ without basic.qos)",
            "a Kafka topic with one partition, which only one consumer of the group can read",
            "an exclusive or single active consumer",
            "a lock held for as long as a worker listens",
        ),
        checked_by=(
            "Several workers, and OS processes where shared, consume one backlog of jobs that each take a moment; "
            "every worker must have been given some."
        ),
    ),
    Clause(
        id="JOB-CONC-02",
        level=Level.SHOULD,
        sentence="A slow job keeps no other job waiting while a worker has room.",
        why=(
            "One node that waits an hour for somebody's service would hold up every run whose job stands behind it, "
            "while other workers have nothing to do."
        ),
        causes=(
            "the receiving loop awaits the handler before it takes the next job",
            "a batch is received, and the next one only after its slowest job",
            "jobs taken ahead sit with a busy worker while another is idle",
            "jobs of one Kafka partition are handled strictly one after the other",
        ),
        checked_by=(
            "One handler is held open while quick jobs are enqueued behind it; they must all be done before it is let "
            "go."
        ),
    ),
    Clause(
        id="JOB-BAD-01",
        level=Level.MUST,
        sentence=(
            "A message that is no job (not JSON, fields missing or of a wrong type; sent with `send_raw`) neither "
            "stops the worker nor is lost without a log line; unknown extra fields are ignored."
        ),
        why=(
            "One bad message is delivered to one worker after the other and stops each, and the queue behind it stands "
            "still. A field that a newer release adds would do the same during a rollout."
        ),
        causes=(
            "the message is parsed outside of the try block around the handler, and the consumer's task dies",
            "the bad message is put back at the head of the queue without end",
            "JobPayload(**message), which refuses an extra field",
            "a bare except that drops the message without a word",
        ),
        checked_by=(
            "Raw messages of many kinds are put on the queue among good jobs; all good jobs must be done, and for each "
            "bad message a log line must have been written."
        ),
    ),
    Clause(
        id="JOB-LIFE-01",
        level=Level.MUST,
        sentence="Enqueueing works before and right after start(); start() returns once jobs are taken.",
        why=(
            "A client that starts a run is often up before any worker. A job sent in that gap would be lost, and with "
            "it the whole run at its first node."
        ),
        causes=(
            "the queue, topic or consumer group is made by the first worker that listens",
            "a consumer that begins with the newest message: auto_offset_reset=latest, a Redis stream group at $",
            "start() makes a task and returns before that task has subscribed",
            "the connection for publishing is opened by start() alone",
        ),
        checked_by=(
            "Jobs are enqueued by a client that only opened, before a worker starts and at once after start() returns; "
            "all must be delivered."
        ),
    ),
    Clause(
        id="JOB-LIFE-02",
        level=Level.MUST,
        sentence=(
            "The method close() lets jobs in flight finish, takes no new ones, can be called twice, and leaves nothing "
            "behind that grows: cycles 2 to n of start and close leave no more tasks, threads and sockets than cycle 1."
        ),
        why=(
            "Every deployment closes workers. A job cut off in the middle waits for its lease to end and costs an "
            "attempt; what each cycle leaves behind adds up until the server refuses connections."
        ),
        causes=(
            "the handlers' tasks are cancelled instead of awaited",
            "connections are closed before the last jobs are acknowledged, so that these come back",
            "a polling or heartbeat task that nobody cancels and awaits",
            "a second close() meets a pool that is already closed, and raises",
        ),
        checked_by=(
            "Workers are closed with jobs in flight, twice, and in repeated cycles; jobs must finish and be "
            "acknowledged, and tasks, threads and sockets are counted after each cycle."
        ),
    ),
    Clause(
        id="JOB-LIFE-03",
        level=Level.SHOULD,
        sentence="When the queue goes away and comes back, the worker goes on by itself.",
        why=(
            "After a restart of the broker the workers look alive and take nothing. Every run stands still until "
            "somebody thinks of restarting them."
        ),
        causes=(
            "the consumer's task ended with the connection error, and nobody watches it",
            "the connection is made again and the subscription is not",
            "a read without a timeout on a connection whose other end is gone",
            "the consumer group was lost with the server's memory, and NOGROUP is not handled",
        ),
        checked_by=(
            "A proxy cuts the queue off while a worker listens and lets it come back; jobs enqueued afterwards must be "
            "delivered without a new start()."
        ),
    ),
)
