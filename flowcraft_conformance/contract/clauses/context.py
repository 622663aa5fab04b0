"""CTX and PATCH: the state of a run, and its changes."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

_SEQUENTIAL = "Random sequential programs on one to three clients against a dict, shrunk to the shortest that differs."
_RACE = "Several clients of one run start together, over and over, on new and on existing runs."

CONTEXT = (
    Clause(
        "CTX-GET-01",
        Level.MUST,
        "get of an absent key gives None, has gives False, to_dict lacks it; a stored None is present.",
        "A node whose output is None looks as if it never ran, and runs again or stalls its successors.",
        ("absence is derived from the value being None", "null values are dropped when the state is written"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-SET-01",
        Level.MUST,
        "set replaces the whole value, never merges.",
        "Parts of an old output survive in a new one, and the next node works on a mixture.",
        ("the backend's update merges nested objects (Firestore merge, jsonb ||)", "dict.update on the old value"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-SET-02",
        Level.MUST,
        'Falsy values (None, 0, "", False, [], {}) are kept as they are.',
        "A condition on an output of 0 or False takes the wrong branch.",
        ("`value or default` on the way in or out", "empty containers and empty strings are taken for deletions"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-SET-03",
        Level.MUST,
        "A JSON value comes back equal: nested, unicode, whole numbers up to 2^53, finite floats (0, or 1e-130 to 1e125 "
        "in size), strings that look like JSON. Numbers compare by value; a bool is no number, a string no number.",
        "The next node computes with another value than the one that was put out.",
        (
            "strings are parsed again when they look like JSON",
            "numbers pass through a float or a decimal type of the backend and lose digits",
            "bools come back as 0 and 1",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-SET-04",
        Level.MUST,
        "A value that cannot be stored (not JSON, NaN, above the declared limit, U+0000 or a lone surrogate where the "
        "backend has none) raises and changes nothing; nothing is stored altered.",
        "A node's output is lost or changed without a word; the error shows far away, if at all.",
        (
            "json.dumps(default=str), or NaN written as NaN or null",
            "dict keys that are no strings are turned into strings",
            "a limit of the backend cuts the value or fails after half of the write",
        ),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-SET-05",
        Level.MUST,
        "What is stored is a copy: changing the object passed in, or one handed out, changes nothing stored.",
        "A node that goes on working with its own output changes what other nodes read, on this worker only.",
        ("objects are kept in a local dict and written later", "a read cache hands out its own object"),
        "Objects passed in and handed out are changed afterwards; every read must still give the stored value.",
    ),
    Clause(
        "CTX-SET-06",
        Level.SHOULD,
        "int and float stay apart (1 and 1.0), and -0.0 keeps its sign.",
        "Code that formats or dispatches on the type of a number behaves differently after a round trip.",
        ("numbers are stored in a numeric type of the backend", "1.0 is written as 1"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-DEL-01",
        Level.MUST,
        "delete tells whether the key existed; an absent key or run is no error.",
        "The answer decides who cleans up; a wrong one repeats or skips it.",
        ("the answer is derived from the value, so that None or 0 counts as absent", "delete of an absent run raises"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-ALL-01",
        Level.MUST,
        "to_dict gives all keys of this run and of no other, however the run ids look alike.",
        "One run reads, and reports as its result, the state of another customer's run.",
        (
            "keys of a run are found by prefix or pattern (`state:r*` also finds `state:r1`)",
            "run ids are cleaned or folded, so that two become one",
            "a scan that misses keys on a second page",
        ),
        "Runs with ids that backends confuse are written side by side and read back.",
    ),
    Clause(
        "CTX-KEY-01",
        Level.MUST,
        "Keys are opaque (dots, slashes, quotes, braces, brackets, tildes, `$`, `__proto__`, `id`, blanks, unicode, 1 to "
        "255 bytes), and the same in get, set, patch and to_dict; U+0000 and lone surrogates work or raise.",
        "Node ids become parts of keys: an output of node `a.b` ends up inside the output of node `a`.",
        (
            "a key is used as a path: jsonb_set, UpdateExpression, Cosmos patch paths, Firestore field paths",
            "patch escapes keys, and set does not",
            "a reserved name of the backend (`id`, `_etag`) collides with a key",
        ),
        "Keys that backends take for paths, patterns or reserved names go through every operation.",
    ),
    Clause(
        "CTX-RUN-01",
        Level.MUST,
        "A second client of the same run sees each completed write; strongly consistent.",
        "The next node runs on another worker: it reads an old output, or none.",
        ("eventually consistent reads", "writes that are buffered until later", "a cache that is not told of writes"),
        _SEQUENTIAL,
    ),
    Clause(
        "CTX-RACE-01",
        Level.MUST,
        "Concurrent writes to different keys of one run all survive, on an existing and on a new run.",
        "Two branches finish at the same time and one output is gone; the join waits for ever or lacks a part.",
        (
            "the whole state is read, changed and written back",
            "the first writer creates the document and so does the second",
        ),
        _RACE,
    ),
    Clause(
        "CTX-RACE-02",
        Level.MUST,
        "Concurrent histories of get, set, has and delete on one key are linearizable.",
        "A worker acts on a value that was never the latest.",
        ("reads from a lagging replica", "set consists of a delete and an insert that readers can come between"),
        "Random concurrent programs on one key are recorded and searched for an order that explains them.",
    ),
    Clause(
        "CTX-RACE-03",
        Level.MUST,
        "Of two clients that each write a key and then read the other's, at least one sees the other's write.",
        "The last two branches of a join each believe that the other has not finished, and nobody goes on.",
        (
            "snapshot isolation over both steps",
            "reads from a replica",
            "writes that are acknowledged before they are visible",
        ),
        "Two clients write and look, over and over, in every combination of operations.",
    ),
    Clause(
        "CTX-SIZE-01",
        Level.MUST,
        "Values up to `max_value_bytes` and states of many keys round-trip.",
        "A workflow that grew over the months stops at a size nobody tested.",
        ("a limit of the item and not of the value", "a page size of the read", "a packet or parameter limit"),
        "Values at the declared limit and states of hundreds of keys are written and read back.",
    ),
)

PATCH = (
    Clause(
        "PATCH-EQ-01",
        Level.MUST,
        "patch(ops) leaves the same state as the same operations one by one, for every key and value.",
        "The delta is how every node's result is written: where it differs from a full write, results differ.",
        ("sets are applied before deletes, or grouped by kind", "patch encodes keys or values in another way than set"),
        _SEQUENTIAL,
    ),
    Clause(
        "PATCH-EQ-02",
        Level.MUST,
        "For any two states, patching their difference gives the same to_dict as writing the new state in full.",
        "A state that drifts from what a full write would have left is found when a run is resumed days later.",
        ("a set to an equal-looking value (0, False, '') is dropped", "deleted keys come back"),
        _SEQUENTIAL,
    ),
    Clause(
        "PATCH-ORD-01",
        Level.MUST,
        "Operations apply in list order; the later one on a key wins.",
        "A value that was deleted and set again is gone, or one that was set and deleted stays.",
        ("sets and deletes are collected in two lists", "the backend refuses two operations on one path"),
        _SEQUENTIAL,
    ),
    Clause(
        "PATCH-NEW-01",
        Level.MUST,
        "A patch on a run without state creates it; an empty patch does nothing; deleting an absent key is fine.",
        "The first output of a run disappears.",
        ("an UPDATE that finds no row", "a set into a parent that does not exist yet", "an empty command is an error"),
        _SEQUENTIAL,
    ),
    Clause(
        "PATCH-ATOM-01",
        Level.MUST,
        "A patch is all or nothing: one bad operation, or a connection cut in the middle, leaves no part of it.",
        "An output without its routing decision, or the reverse, stalls the run or takes it down two branches.",
        (
            "values are encoded while earlier ones are already written",
            "batches that are split at a limit of the backend",
            "a pipeline without a transaction",
        ),
        "A bad operation is put at every position; connections are cut and processes killed in the middle.",
    ),
    Clause(
        "PATCH-ATOM-02",
        Level.MUST,
        "No concurrent reader's to_dict shows half of a patch (excused where `snapshot_reads` is declared absent).",
        "A worker decides on a state that never existed.",
        ("to_dict reads key by key or page by page", "a patch of several statements outside of a transaction"),
        "Readers watch keys that every patch sets to one value while writers patch.",
        excused_by=("snapshot_reads",),
    ),
    Clause(
        "PATCH-RACE-01",
        Level.MUST,
        "Concurrent patches with disjoint keys all survive; with shared keys the result is that of some order.",
        "Outputs of parallel branches overwrite each other.",
        ("read-modify-write of the whole document", "a version check whose conflict is swallowed"),
        _RACE,
    ),
    Clause(
        "PATCH-MANY-01",
        Level.MUST,
        "Any number of operations up to 1,000 (or `max_patch_operations`, beyond which it raises and changes nothing).",
        "A node that writes many keys fails, or half of them are written.",
        (
            "Cosmos DB takes 10 operations, DynamoDB 100 items, a statement so many parameters",
            "a patch above the limit is split and so no longer atomic",
        ),
        "Patches of 0 to 1,000 operations, around each limit that a backend is known for.",
    ),
    Clause(
        "PATCH-GUARD-01",
        Level.MUST,
        "Of concurrent patch_if_absent with one guard key that they set, exactly one returns True; the others change nothing.",
        "The guard is what keeps a worker that woke up too late from committing a node a second time.",
        (
            "the guard is read first and the patch written afterwards",
            "the guard's absence is not part of the transaction",
        ),
        _RACE,
        needs_offer="patch_if_absent",
    ),
    Clause(
        "PATCH-COST-01",
        Level.SHOULD,
        "Where `delta_persistence` is declared, the bytes sent and received for a patch depend on the patch and not on "
        "the size of the state.",
        "Each node of a run with a large state pays for the whole of it.",
        ("the whole document is read before or written after each change", "a conflict check that fetches the state"),
        "A proxy counts the bytes of one patch while the state grows from 10 KB to 10 MB.",
        excused_by=("delta_persistence",),
    ),
)
