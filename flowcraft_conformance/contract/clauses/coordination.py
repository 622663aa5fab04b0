"""COORD: the coordination store."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

_SEQUENTIAL = "Random sequential programs against one to three clients, shrunk to the shortest that breaks the rule."
_IN_ONE_WAIT = (
    "Many small programs run side by side in one wait; what each saw is held against every reading of the declared "
    "granularity and lag. On a target that takes a clock, virtual time replaces the wait."
)
_RACE = "Many callers on several clients start together, over and over; what they saw is judged as a history."

COORDINATION = (
    Clause(
        "COORD-INC-01",
        Level.MUST,
        "An increment of an absent key returns 1.",
        "The first arrival at a join is recognised by the number 1; any other start makes a join fire early or never.",
        (
            "the counter starts at 0 and the value before the increment is returned",
            "an initial write and the increment are two steps, and the second one sees the first",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-INC-02",
        Level.MUST,
        "Each increment returns the previous value + 1, as an int.",
        "Arrivals are counted by comparing this number with the number of predecessors; a text or a gap never matches.",
        (
            "the backend's reply is returned as text or bytes instead of an int",
            "a client keeps a copy of the counter and counts on from that",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-INC-03",
        Level.MUST,
        "Concurrent increments of one key return each of 1..N exactly once.",
        "Two branches that read the same number lose an arrival: the join waits for ever, or fires twice.",
        (
            "the counter is read, increased in Python and written back",
            "a lock guards the read-modify-write in one process only",
            "a retry after a conflict returns the value of the failed attempt",
        ),
        _RACE,
    ),
    Clause(
        "COORD-INC-04",
        Level.MUST,
        "Every increment re-arms the TTL to `ttl_seconds` from now.",
        "A join whose branches arrive far apart loses its count between two arrivals and never fires.",
        (
            "the expiry is set only when the counter is created (EXPIRE NX, or `if value == 1`)",
            "the new deadline is kept only where it is later than the old one",
        ),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-INC-05",
        Level.MUST,
        "An increment that is interrupted (cancelled, connection lost, process killed) leaves either no change or a "
        "value with an expiry.",
        "A counter without an expiry stays for ever, and a later run of the same id starts from its remains.",
        (
            "INCR and EXPIRE are two commands, and the worker dies between them",
            "a pipeline without MULTI, of which only the first part reached the server",
        ),
        "Calls are cancelled at every await, connections cut and processes killed; no key may be left without an expiry.",
    ),
    Clause(
        "COORD-INC-06",
        Level.MUST,
        'An increment of a key that holds a non-number ("x", "007", " 5", "1_0") raises and changes nothing; one that '
        "holds a canonical decimal set by set_if_not_exist may count on or raise.",
        "A lock taken for a counter would be overwritten without a word, and its owner would lose the node it runs.",
        (
            "Python's int() reads ' 5', '1_0' and '007' as numbers",
            "a value that cannot be read counts as 0",
            "locks and counters live in two tables under the same key",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-SET-01",
        Level.MUST,
        "set_if_not_exist on an absent key stores the value and returns True.",
        "A worker that is not told that it holds the lock puts the job back, and nobody runs the node.",
        (
            "the backend's reply (1, 'OK', None) is returned instead of a bool",
            "the answer says whether a row was touched, and an upsert always touches one",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-SET-02",
        Level.MUST,
        "set_if_not_exist on a present key returns False and changes neither value nor TTL; a counter counts as present.",
        "The loser of a lock must not prolong or overwrite the winner's; else a dead winner's lock never runs out.",
        (
            "SETNX followed by EXPIRE, whoever won",
            "an upsert that always writes the new deadline",
            "a counter that lives elsewhere is taken for an absent key",
        ),
        _SEQUENTIAL + " " + _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-SET-03",
        Level.MUST,
        "Of any number of concurrent callers of set_if_not_exist exactly one gets True, and the stored value is the winner's.",
        "Two winners run one node twice, or take an `any` join with two inputs.",
        (
            "the key is looked up first and written afterwards",
            "a unique-key conflict is retried as an update",
            "the loser's value overwrites the winner's",
        ),
        _RACE,
    ),
    Clause(
        "COORD-SET-04",
        Level.MUST,
        "After expiry or delete a key can be won again, by exactly one.",
        "The lock of a dead worker must be free for one other worker; for none, the run stalls; for two, a node runs twice.",
        (
            "an expired row that is not yet swept still conflicts",
            "expired rows are deleted and inserted in two steps, so that two callers both insert",
        ),
        _RACE + " " + _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-SET-05",
        Level.MUST,
        'The value comes back unchanged: empty, unicode, newlines, digits ("007", "1.0", "true"), 64 KiB; U+0000 and '
        "lone surrogates come back unchanged or raise without a change.",
        "Lock owners and join winners are compared by this value; one that comes back altered belongs to nobody.",
        (
            "the value passes through a JSON or number parser on its way back",
            "an empty string is stored as NULL",
            "a column or a key-value limit cuts long values silently",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-EXT-01",
        Level.MUST,
        "extend_ttl returns True exactly when the key is present.",
        "A worker learns by this answer that its lease is lost; a wrong True lets two workers run one node.",
        (
            "an expired row that is not yet swept is extended",
            "the answer tells whether the command was sent and not whether a key was there",
        ),
        _SEQUENTIAL + " " + _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-EXT-02",
        Level.MUST,
        "extend_ttl sets the expiry to now + ttl, and the key outlives its first deadline.",
        "A long node loses its lock in the middle of its work, and a second worker starts it again.",
        (
            "the new TTL is added to the old deadline, or kept only where it is later",
            "a timer that was started with the key deletes it at the first deadline",
        ),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-EXT-03",
        Level.MUST,
        "extend_ttl never creates a key and never changes a value.",
        "A lock that its own heartbeat revives after it was released keeps everybody from the node.",
        ("an upsert serves as the update", "the whole item is written back with the value as it was read before"),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-DEL-01",
        Level.MUST,
        "delete removes a key; deleting an absent key is no error; it returns None.",
        "A lock that is not released holds the next delivery of the job back until its TTL runs out.",
        ("the number of deleted keys is returned", "an absent key raises the backend's not-found error"),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-DEL-02",
        Level.MUST,
        "After delete an increment gives 1.",
        "A join in a loop counts from where the last iteration ended, and fires early.",
        (
            "delete removes the lock's row and leaves the counter's",
            "delete marks the row, and increment counts on from it",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-GET-01",
        Level.MUST,
        "get gives None where the key is absent and a `str` otherwise; a counter reads as its decimal string.",
        "Owners and winners are compared as text; bytes or an int never equal them.",
        (
            "bytes are returned undecoded",
            "counters and texts come back in different types",
            "an empty string reads as absent",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-TTL-01",
        Level.MUST,
        "A key is present for its whole TTL (less the declared granularity).",
        "A lock that expires early lets a second worker run the node beside the first.",
        (
            "seconds are taken for milliseconds, or a deadline is rounded down",
            "a clock of another machine or time zone is used for the deadline",
        ),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-TTL-02",
        Level.MUST,
        "A key past its TTL (plus the declared lag) is absent for all five operations.",
        "The lock of a dead worker keeps the run from going on, for as long as the backend does not sweep.",
        (
            "the backend sweeps expired items now and then, and reads do not compare the deadline",
            "only get compares the deadline; increment, set_if_not_exist or extend_ttl do not",
            "increment counts on from an expired value",
        ),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-TTL-03",
        Level.MUST,
        "One key's expiry, delete or extension touches no other key.",
        "The end of one node takes the locks of others with it.",
        ("one expiry for a whole hash or table", "keys are matched by prefix or pattern"),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-TTL-04",
        Level.SHOULD,
        "A TTL that is zero, negative, not a whole number, or a bool raises ValueError or TypeError and writes nothing.",
        "A configuration mistake shows at once instead of as locks that vanish or stay.",
        ("the TTL goes to the backend unchecked", "a bool passes as 1 because it is an int in Python"),
        _SEQUENTIAL,
    ),
    Clause(
        "COORD-TTL-05",
        Level.MUST,
        "No call, whatever its TTL argument and however it ends, leaves a key that never expires: after a TTL argument of "
        "2 or less, a fraction or an invalid one included, the key is absent after max(ttl, 1) + lag.",
        "A lock without an expiry whose owner died stops its run for ever.",
        (
            "the value is written first and a wrong TTL is refused by the second command",
            "a TTL of 0 or None means 'no expiry' to the backend",
        ),
        _IN_ONE_WAIT,
    ),
    Clause(
        "COORD-KEY-01",
        Level.MUST,
        "Keys are opaque: any non-empty string of up to 512 UTF-8 bytes; no two different strings meet (case, prefixes, "
        "trailing blanks, NFC/NFD, glob, SQL, path and quote characters); U+0000 and lone surrogates work or raise.",
        "Two nodes whose keys meet share one lock and one counter: one of them never runs.",
        (
            "a case-insensitive or trimming collation",
            "keys are cleaned of characters the backend does not like, so that two become one",
            "keys are put into a pattern, a path or a query text",
        ),
        "Families of keys that backends confuse are stored side by side, read back, and deleted one by one.",
    ),
    Clause(
        "COORD-LIN-01",
        Level.MUST,
        "Every concurrent history of the five operations is linearizable against the sequential model with time.",
        "Joins and locks rely on each answer being true at some moment during its call; a stale one breaks both.",
        (
            "reads go to a replica that lags behind",
            "an operation consists of several commands that others can come between",
            "a blind retry after a lost reply applies an operation twice",
        ),
        "Random concurrent programs are recorded and every history is searched for an order that explains it.",
    ),
    Clause(
        "COORD-PROC-01",
        Level.MUST,
        "All of the above holds between processes, where declared.",
        "Workers are processes: a store that is right in one only is no coordination store.",
        ("an asyncio or threading lock around a read-modify-write", "state that is cached in the process"),
        "The races run again with clients in several OS processes, their histories merged on one clock.",
        excused_by=("processes",),
    ),
    Clause(
        "COORD-ERR-01",
        Level.MUST,
        "A backend failure raises; it never reads as None, 0 or False.",
        "A failed read that looks like 'absent' makes a worker take a lock that somebody holds.",
        ("except Exception: return None", "the client library returns a default when it cannot connect"),
        "The connection is cut before requests and before replies; every answer must be an error or the truth.",
    ),
    Clause(
        "COORD-ERR-02",
        Level.MUST,
        "No operation hangs: with the backend silent it raises within `call_timeout_seconds`.",
        "A worker that waits for ever holds its job, and nobody else gets it.",
        ("no socket timeout", "a retry without an end", "a pool that waits for a free connection without a bound"),
        "The proxy goes silent in the middle of calls.",
    ),
    Clause(
        "COORD-ERR-03",
        Level.SHOULD,
        "Once the backend is back, the same store object works again.",
        "A worker that must be restarted by hand after each hiccup of the network stands still until somebody does.",
        ("a broken connection stays in the pool", "a client that closes itself at the first error"),
        "The connection is cut and restored under a store that stays open.",
    ),
    Clause(
        "COORD-ERR-04",
        Level.MUST,
        "Cancelling a call leaves the store usable, and no other caller's answer is crossed with it.",
        "A worker that is cancelled at its timeout would hand its answer to the next caller, who then holds a wrong lock.",
        (
            "a connection goes back to its pool with a reply still under way",
            "a lock inside the client is not released on cancellation",
        ),
        "Calls are cancelled at every await while others are under way on the same client.",
    ),
)
