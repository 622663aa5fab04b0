"""The coordination store, operation by operation: increment, set_if_not_exist, extend_ttl, delete, get."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

OPERATIONS: tuple[Clause, ...] = (
    Clause(
        id="COORD-INC-01",
        level=Level.MUST,
        sentence="An increment of an absent key returns 1.",
        why=(
            "The first predecessor that arrives at a join would count as none or as two: the join never opens, or it "
            "opens while a branch is still running."
        ),
        causes=(
            "the value before the addition is returned, as DynamoDB does with ReturnValues=UPDATED_OLD",
            "the first call creates the key with 0, and only later calls add to it",
            "an expired row that is not yet swept is counted on",
        ),
        checked_by="Hypothesis draws the keys; the first increment of each must return 1.",
    ),
    Clause(
        id="COORD-INC-02",
        level=Level.MUST,
        sentence="Each increment returns the previous value + 1, as an int.",
        why=(
            "A join compares the count with the number of its predecessors. A count that skips, repeats or comes as "
            "text never equals that number, and the run stalls before the join."
        ),
        causes=(
            "the driver's type is handed out: bytes or text from Redis, Decimal from DynamoDB",
            "each client counts in a cache of its own and writes it back now and then",
            "the client library sends a timed-out increment again, and both are applied",
        ),
        checked_by=(
            "Programs of increments through several clients, drawn by Hypothesis, run against a sequential model that "
            "compares the value and its type."
        ),
    ),
    Clause(
        id="COORD-INC-03",
        level=Level.MUST,
        sentence="Concurrent increments of one key return each of 1..N exactly once.",
        why=(
            "Where two arrivals at a join of three both read 2, nobody reads 3 and the join never runs. Where two both "
            "read 3, it runs twice."
        ),
        causes=(
            "get, add one and set sent as separate calls, without a transaction or a compare-and-set",
            "an asyncio.Lock around a read-modify-write, which holds back no other process",
            "SELECT and then UPDATE at READ COMMITTED, in place of one UPDATE ... RETURNING",
            "the new value is read by a second command after the increment",
        ),
        checked_by=(
            "Many tasks on several clients increment one key together, and OS processes too where they share the "
            "backend; the answers must be a permutation of 1..N."
        ),
    ),
    Clause(
        id="COORD-INC-04",
        level=Level.MUST,
        sentence="Every increment re-arms the TTL to `ttl_seconds` from now.",
        why=(
            "A join whose branches arrive over more than an hour loses its counter in between. The late branches count "
            "from 1 again, and the join never opens."
        ),
        causes=(
            "EXPIRE is sent only when INCR returned 1, or with NX",
            "the upsert sets the expiry in its INSERT part and not in ON CONFLICT DO UPDATE",
            "EXPIRE with GT, which ignores a shorter TTL",
            "the expiry is counted from the creation of the key",
        ),
        checked_by=(
            "Programs whose second increment has a longer or a shorter TTL run side by side inside one wait; the key "
            "must outlive its first deadline and be gone after its second."
        ),
    ),
    Clause(
        id="COORD-INC-05",
        level=Level.MUST,
        sentence=(
            "An increment that is interrupted (cancelled, connection lost, process killed) leaves either no change or "
            "a value with an expiry."
        ),
        why=(
            "A counter without an expiry outlives its run. A run that is started again under the same id goes on "
            "counting from the old value, and its join opens before the branches are done."
        ),
        causes=(
            "INCR and EXPIRE sent as two commands, so a crash between them leaves a counter that never expires",
            "a redis-py pipeline with transaction=False, of which the server may see only the first half",
            "the row is inserted by one transaction and gets its expiry by the next",
            "the expiry is set in a finally block, which a killed process never reaches",
        ),
        checked_by=(
            "Increments are cancelled at every await, cut by a proxy before and after the server has acted, and their "
            "processes killed. After TTL and lag no key may be left."
        ),
    ),
    Clause(
        id="COORD-INC-06",
        level=Level.MUST,
        sentence=(
            'An increment of a key that holds a non-number ("x", "007", " 5", "1_0") raises and changes nothing; one '
            "that holds a canonical decimal set by set_if_not_exist may count on or raise."
        ),
        why=(
            "Counting on the token of a lock destroys it: its owner no longer knows its own lock and a second worker "
            "runs the node. An error shows the mix-up at its first call."
        ),
        causes=(
            'int() of the stored text, which takes "007", " 5" and "1_0" for numbers',
            "text that does not parse is taken for 0",
            "a cast in SQL, which forgives blanks and leading zeros",
            "counters and values live in two columns, and the increment fills the empty one",
        ),
        checked_by=(
            "Keys are set to texts that nearly look like numbers and then incremented; the call must raise and the "
            "text must stand. A canonical decimal may count on, then by exactly one."
        ),
    ),
    Clause(
        id="COORD-SET-01",
        level=Level.MUST,
        sentence="A set_if_not_exist on an absent key stores the value and returns True.",
        why=(
            "A worker that wins a node's lock and is told False stands back like all the others. The node runs nowhere "
            "until the lock expires, and then the same happens again."
        ),
        causes=(
            'the reply of the driver is handed out: 1, "OK" or b"OK" in place of True',
            "attribute_not_exists meets an expired DynamoDB item that is not yet swept",
            "an INSERT ... ON CONFLICT DO NOTHING is judged by the row count of another statement",
            "the value is stored by a second call, which is not awaited",
        ),
        checked_by=(
            "Hypothesis draws values; one client sets an absent key, must get True, and another client must read the "
            "value."
        ),
    ),
    Clause(
        id="COORD-SET-02",
        level=Level.MUST,
        sentence=(
            "On a present key, set_if_not_exist returns False and changes neither value nor TTL; a counter counts as "
            "present."
        ),
        why=(
            "A second worker would take over a lock that is held, and one node runs twice. Or its mere attempts keep a "
            "dead worker's lock alive, and the node never runs again."
        ),
        causes=(
            "SETNX followed by EXPIRE, whatever SETNX answered: each refused caller prolongs the lock",
            "ON CONFLICT DO UPDATE that keeps the value and rewrites the expiry",
            "counters and values under two prefixes or in two tables, so that one does not block the other",
            "SET with GET, where the old value is looked at after it was overwritten",
        ),
        checked_by=(
            "A second client tries present keys, counters among them; value and count must stand. Timed programs look "
            "whether the first deadline still holds after several refused tries."
        ),
    ),
    Clause(
        id="COORD-SET-03",
        level=Level.MUST,
        sentence=(
            "Of any number of concurrent callers of set_if_not_exist exactly one gets True, and the stored value is "
            "the winner's."
        ),
        why=(
            "Two winners of a node's lock execute the node side by side; two winners of an `any` join start what "
            "follows it twice. Without a winner the node never runs."
        ),
        causes=(
            "exists and then set, with an await between them",
            "Cassandra INSERT without IF NOT EXISTS, and a read that is to tell who won",
            "an ETag or a revision that is read but not sent as a condition of the write",
            "an asyncio.Lock around the check, on a store that other processes use too",
        ),
        checked_by=(
            "Many tasks on several clients set one key together, and OS processes too where they share the backend; "
            "one must win and the key must hold its value."
        ),
    ),
    Clause(
        id="COORD-SET-04",
        level=Level.MUST,
        sentence="After expiry or delete a key can be won again by set_if_not_exist, by exactly one caller.",
        why=(
            "The lock of a dead worker can never be taken over, so its node never runs again; or two workers take it "
            "over together and both run the node."
        ),
        causes=(
            (
                "whoever sees an expired row deletes or updates it without a condition on the expiry that was read: the "
                "second takes the first one's"
            ),
            "a sweeper decides about expiry, and until it comes the row blocks (DynamoDB TTL, a Firestore TTL policy)",
            "the timer of a key outlives its delete, and takes the next holder's key away",
            "a client remembers keys it has seen taken",
        ),
        checked_by=(
            "After a delete, and in timed programs after an expiry, many callers try the key together; exactly one "
            "must win, and the key must hold its value."
        ),
    ),
    Clause(
        id="COORD-SET-05",
        level=Level.MUST,
        sentence=(
            'The value comes back unchanged: empty, unicode, newlines, digits ("007", "1.0", "true"), 64 KiB; U+0000 '
            "and lone surrogates come back unchanged or raise without a change."
        ),
        why=(
            "A lock's token that comes back altered matches nobody, so no worker can tell that the lock is its own. An "
            "`any` join whose winner reads differently takes no branch's input."
        ),
        causes=(
            'json.loads on the way out: "007" fails, "true" becomes True',
            "an empty string is taken for absent by `if not value`, or stored as NULL",
            "text encoded or decoded with errors='replace' or 'ignore'",
            "a column that cuts or pads: VARCHAR(255), CHAR",
        ),
        checked_by=(
            "Hypothesis draws texts from the odd corners, 64 KiB of one, two and four byte characters among them, and "
            "compares what get returns. Broken text may be refused, then nothing may be stored."
        ),
    ),
    Clause(
        id="COORD-EXT-01",
        level=Level.MUST,
        sentence="An extend_ttl returns True exactly when the key is present.",
        why=(
            "The heartbeat learns from it whether its worker still owns the node. True for a lost lock lets two "
            "workers go on with one node; False for a held one stops a healthy worker."
        ),
        causes=(
            "an UPDATE without a condition on the expiry, which revives an expired row",
            "the row count is ignored, or the driver's 1 or 0 handed out in place of a bool",
            "a client that made the key answers from its own clock, though another has deleted it",
            "rows changed are asked for instead of rows matched: a second call with the same deadline gives 0",
        ),
        checked_by=(
            "Keys that are absent, set, counted, deleted and, in timed programs, expired are extended through another "
            "client than the one that wrote them, and by the one that wrote them after another has deleted them."
        ),
    ),
    Clause(
        id="COORD-EXT-02",
        level=Level.MUST,
        sentence="An extend_ttl sets the expiry to now + ttl, and the key outlives its first deadline.",
        why=(
            "A node that runs longer than the first TTL of its lock loses the lock in the middle of its work, and a "
            "second worker runs it too."
        ),
        causes=(
            "the TTL is added to what is left, so that the deadline drifts away with every heartbeat",
            "EXPIRE with NX or GT, which ignores the second deadline or a shorter one",
            "seconds handed to a call that takes milliseconds, as PEXPIRE does",
            "the new expiry is kept in the client and not sent",
        ),
        checked_by=(
            "Programs that extend a key to a later or an earlier deadline run side by side inside one wait; the key "
            "must be there after the first deadline and gone after the second."
        ),
    ),
    Clause(
        id="COORD-EXT-03",
        level=Level.MUST,
        sentence="An extend_ttl never creates a key and never changes a value.",
        why=(
            "A heartbeat that comes just after its lock was released would make the lock anew. No worker can take the "
            "node until that ghost expires."
        ),
        causes=(
            "SET with EX in place of EXPIRE: the value read earlier is written back over a newer one",
            "an upsert where an update is meant, as DynamoDB's UpdateItem is without a condition",
            "the whole record is read, changed and saved, over an increment that came in between",
        ),
        checked_by=(
            "Absent keys are extended and must stay absent and free to win; values and counters are extended and must "
            "read and count on as before."
        ),
    ),
    Clause(
        id="COORD-DEL-01",
        level=Level.MUST,
        sentence="A delete removes a key; deleting an absent key is no error; it returns None.",
        why=(
            "A lock that is not released keeps its node waiting for the whole TTL. A release that raises because the "
            "lock has just expired fails a node that did its work."
        ),
        causes=(
            "the backend's not-found error is passed on, as Cosmos DB's 404",
            "the number of deleted keys is handed out",
            "counters and values are kept apart, and only one of the two is deleted",
            "a soft delete that get hides and extend_ttl still finds",
        ),
        checked_by=(
            "Values and counters are deleted through another client than the writer's, present, absent and a second "
            "time; what is returned and what is left are compared."
        ),
    ),
    Clause(
        id="COORD-DEL-02",
        level=Level.MUST,
        sentence="After a delete an increment gives 1.",
        why=(
            "A join inside a loop counts its arrivals anew in every iteration. Where the old count comes back, the "
            "second iteration's join opens too early or never."
        ),
        causes=(
            "the delete clears the value or a flag and leaves the count",
            "a Cassandra counter column, which cannot be deleted and used again",
            "the client adds to a count it has cached",
        ),
        checked_by="Counters of different heights are deleted and incremented; the first increment must give 1.",
    ),
    Clause(
        id="COORD-GET-01",
        level=Level.MUST,
        sentence=(
            "A get gives None where the key is absent and a `str` otherwise; a counter reads as its decimal string."
        ),
        why=(
            "A worker compares the stored token with its own as text. Bytes or a number never equal it, so the worker "
            "takes its own lock for another's and defers its job again and again."
        ),
        causes=(
            "decode_responses is not set, and bytes come back",
            'the number of a counter is handed out as an int, or through a float as "3.0"',
            'an absent key reads as "" or as "None"',
            "a lookup error of the backend is passed on for an absent key",
        ),
        checked_by="Absent keys, drawn values and counters are read; value and type are compared with the model's.",
    ),
)
