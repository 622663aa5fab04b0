"""The coordination store as a whole: expiry, keys, concurrent callers, processes, failures."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

GUARANTEES: tuple[Clause, ...] = (
    Clause(
        id="COORD-TTL-01",
        level=Level.MUST,
        sentence="A key is present for its whole TTL (less the declared granularity).",
        why=(
            "A lock that goes early frees its node while a worker still runs it. A counter that goes early forgets the "
            "branches that have arrived, and the join never opens."
        ),
        causes=(
            "seconds handed to a call that takes milliseconds",
            "the deadline is computed by the client's clock and judged by the server's, which is ahead",
            "an eviction policy such as allkeys-lru, or a cache of bounded size, drops live keys",
            "the default TTL of the table or container wins over that of the key",
        ),
        checked_by=(
            "Hundreds of small programs with keys of different TTLs run side by side inside one wait and look just "
            "before each deadline, less the declared granularity, by every operation."
        ),
    ),
    Clause(
        id="COORD-TTL-02",
        level=Level.MUST,
        sentence="A key past its TTL (plus the declared lag) is absent for all five operations.",
        why=(
            "The lock of a dead worker never comes free, so its node never runs again. A stale count makes the first "
            "arrival of a repeated run look like its last."
        ),
        causes=(
            "expiry is left to a background sweep: DynamoDB's TTL may delete an item days late",
            "DynamoDB's ADD on an item whose TTL has passed but which is not yet swept",
            "get looks at the expiry, and increment, set_if_not_exist or extend_ttl does not",
            "a timer in the process that wrote the key removes it, and dies with the process",
        ),
        checked_by=(
            "Hundreds of small programs run side by side inside one wait and look at each key after TTL and declared "
            "lag; each of the five operations is the first to look at some of them."
        ),
    ),
    Clause(
        id="COORD-TTL-03",
        level=Level.MUST,
        sentence="One key's expiry, delete or extension touches no other key.",
        why=(
            "All nodes and runs share one store. The release of one node's lock would free another's, and a node runs "
            "twice; the expiry of one counter would reset another join."
        ),
        causes=(
            "EXPIRE on one Redis hash that holds all keys as its fields",
            "delete by pattern or prefix: the key with a star behind it",
            "one timer for the store, which the last call re-arms for all keys",
            "keys that share a prefix share a row or a partition with one TTL",
        ),
        checked_by=(
            "Pairs of keys that look alike run through timed programs in which one expires, is deleted or extended; "
            "the other must keep its value and its own deadline."
        ),
    ),
    Clause(
        id="COORD-TTL-04",
        level=Level.SHOULD,
        sentence=(
            "A TTL that is zero, negative, not a whole number, or a bool raises ValueError or TypeError and writes "
            "nothing."
        ),
        why=(
            "A slip in the options passes unnoticed and gives locks that are gone at once or much later than meant. "
            "Nodes run twice or wait, far from the line that is wrong."
        ),
        causes=(
            "the argument goes to the backend unchecked: EXPIRE with 0 or less deletes the key",
            "isinstance(ttl, int) holds for True, which becomes a TTL of 1",
            "int(ttl) cuts 1.5 to 1 and 0.5 to 0",
            "the check is made in one of the three operations, or after the write",
        ),
        checked_by=(
            "All three operations that take a TTL are called with invalid ones; each must raise ValueError or "
            "TypeError and leave no key."
        ),
    ),
    Clause(
        id="COORD-TTL-05",
        level=Level.MUST,
        sentence=(
            "No call, whatever its TTL argument and however it ends, leaves a key that never expires: after a TTL "
            "argument of 2 or less, a fraction or an invalid one included, the key is absent after max(ttl, 1) + lag."
        ),
        why=(
            "A lock without an expiry blocks its node for ever once its worker has died. The run stands still, and "
            "nothing but a hand at the database frees it."
        ),
        causes=(
            "SETNX followed by EXPIRE, where the worker dies between the two",
            "the increment is applied first and the server then refuses the TTL, a fraction or a text",
            "0 or None means no expiry: `if ttl:`, Cassandra's USING TTL 0",
            "SET without KEEPTTL in extend_ttl, which drops the expiry the key had",
        ),
        checked_by=(
            "Timed programs call increment, set_if_not_exist and extend_ttl with TTLs from -3600 to 2, fractions, NaN, "
            "None and text, refused or not; no key may be left after its time."
        ),
    ),
    Clause(
        id="COORD-KEY-01",
        level=Level.MUST,
        sentence=(
            "Keys are opaque: any non-empty string of up to 512 UTF-8 bytes; no two different strings meet (case, "
            "prefixes, trailing blanks, NFC/NFD, glob, SQL, path and quote characters); U+0000 and lone surrogates "
            "work or raise."
        ),
        why=(
            "Run and node ids come from users and stand in the keys. Where two of them meet, one run waits for the "
            "other's locks and counts the other's arrivals."
        ),
        causes=(
            "a collation that folds case or ignores trailing blanks",
            "the key is used as a path, a pattern or a piece of SQL: a document id with a slash, LIKE, SCAN MATCH",
            "keys longer than an index or an id may be are cut, not hashed whole",
            "Unicode normalisation by a file system, a driver or the code",
        ),
        checked_by=(
            "Families of look-alike keys and keys of up to 512 bytes are set, read and deleted through two clients; "
            "none may show or lose another's value. Broken text may be refused."
        ),
    ),
    Clause(
        id="COORD-LIN-01",
        level=Level.MUST,
        sentence=(
            "Every concurrent history of the five operations is linearizable against the sequential model with time."
        ),
        why=(
            "A worker acts on what it has just read: who holds a lock, how many have arrived. An answer that fits no "
            "order of the calls lets two workers believe that a node is theirs."
        ),
        causes=(
            "reads from a replica or at eventual consistency: DynamoDB without ConsistentRead, Cassandra at ONE",
            "an increment is sent again after its reply was lost, so that it counts twice",
            "a cache in the client answers after another client has written",
            "extend_ttl or delete as a read followed by a write, over what came in between",
        ),
        checked_by=(
            "Tasks, clients and, where shared, processes call all five operations on a few keys. Each call is logged "
            "at its start and its end, and a Wing-Gong-Lowe search looks for an order that explains the history."
        ),
    ),
    Clause(
        id="COORD-PROC-01",
        level=Level.MUST,
        sentence=(
            "All of the above (COORD-INC-01 to COORD-LIN-01) holds between processes, where `processes` is declared."
        ),
        why=(
            "Workers are processes on several machines. A lock that only its own process sees lets each of them run "
            "the same node, and each join counts only the branches of one process."
        ),
        causes=(
            "an asyncio.Lock or threading.Lock around a read-modify-write",
            "a dict, a cache or a temporary table of one connection holds part of the state",
            "loop.time() or time.monotonic() is stored as the expiry, which another machine reads differently",
            "a key prefix that is drawn at random in each process",
        ),
        checked_by=(
            "Real OS processes race on the same keys, are paused and killed; their logs are merged into one history "
            "and checked as those of one process are."
        ),
        excused_by=("processes",),
    ),
    Clause(
        id="COORD-ERR-01",
        level=Level.MUST,
        sentence="A backend failure raises; it never reads as None, 0 or False.",
        why=(
            'A False that means "the server is away" makes a worker leave a node to a holder who does not exist; a '
            "None makes it take a lock that is held. The run stalls or a node runs twice, without an error anywhere."
        ),
        causes=(
            "except Exception: return None, or False, around the call",
            "errors among the replies of a pipeline are not raised (raise_on_error=False)",
            "a timeout of the driver reads as no reply, and no reply as absent",
            "a fallback cache or a circuit breaker answers while the server is away",
        ),
        checked_by=(
            "A proxy cuts requests, cuts replies and resets connections during each operation; the call must raise, or "
            "give an answer that the history can explain."
        ),
    ),
    Clause(
        id="COORD-ERR-02",
        level=Level.MUST,
        sentence="No operation hangs: with the backend silent it raises within `call_timeout_seconds`.",
        why=(
            "A worker that waits for ever keeps its job, its heartbeat and its place in the queue. Every node it holds "
            "stands still until somebody restarts it."
        ),
        causes=(
            "no socket timeout: redis-py waits without end unless socket_timeout is given",
            "a timeout for connecting, but none for reading the reply",
            "retries that each have a timeout, and no bound on all of them together",
            "the wait for a free connection of the pool has no timeout",
        ),
        checked_by="A proxy accepts requests and answers nothing; each operation must raise within the declared time.",
    ),
    Clause(
        id="COORD-ERR-03",
        level=Level.SHOULD,
        sentence="Once the backend is back, the same store object works again.",
        why=(
            "After a restart of the server every worker has to be restarted too. Until then each job it takes fails, "
            "and runs use up their attempts and fail with them."
        ),
        causes=(
            "the one connection is never made again after it broke",
            "a broken connection goes back into the pool",
            "EVALSHA of a script, or a prepared statement, that the restarted server does not know",
            "a flag that marks the store as failed, and that nothing clears",
        ),
        checked_by=(
            "A proxy cuts off the backend during calls and lets it come back; all five operations must work on the "
            "same object soon after."
        ),
    ),
    Clause(
        id="COORD-ERR-04",
        level=Level.MUST,
        sentence="Cancelling a call leaves the store usable, and no other caller's answer is crossed with it.",
        why=(
            "Calls are cancelled when a node times out or a lease is lost. If the next caller reads the cancelled "
            "one's reply, it believes that it won a lock it does not hold."
        ),
        causes=(
            "the reply of the cancelled request stays unread on a connection that is used again",
            "a lock around the connection that is not released when its holder is cancelled",
            "replies are matched to callers by their order on one shared connection",
            "callers that wait for one shared future are all cancelled with the first",
        ),
        checked_by=(
            "Calls are cancelled at every await, with other callers on the same store. Afterwards each answer must "
            "belong to its own call, and every operation must still work."
        ),
    ),
)
