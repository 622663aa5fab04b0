"""The state of one run: presence, values, copies, keys, runs, concurrent clients, sizes."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

CONTEXT: tuple[Clause, ...] = (
    Clause(
        id="CTX-GET-01",
        level=Level.MUST,
        sentence="A get of an absent key gives None, has gives False, and to_dict lacks it; a stored None is present.",
        why=(
            "A node whose output is None would count as one that has not run. It runs again, or the join behind it "
            "waits for ever."
        ),
        causes=(
            "has is written as get(...) is not None",
            "to_dict leaves out null values, or a set to None is turned into a removal",
            "JSON null and SQL NULL are taken for the same thing",
            "an absent key, or a run without state, raises as a dict or a document lookup does",
        ),
        checked_by=(
            "Hypothesis draws keys; get, has and to_dict are compared before the key exists, with a stored None, and "
            "beside other keys."
        ),
    ),
    Clause(
        id="CTX-SET-01",
        level=Level.MUST,
        sentence="A set replaces the whole value, never merges.",
        why=(
            "Fields of an earlier attempt or iteration would shine through the new output, and the next node decides "
            "by data that nobody wrote for it."
        ),
        causes=(
            "a merge where a replacement is meant: Firestore set(merge=True), jsonb `||`, a deep dict update",
            "a nested value is stored as one entry per leaf, and leaves of the old value stay behind",
            "a list is appended to because the backend's type is a list",
        ),
        checked_by=(
            "One key is set again and again to nested values with different fields; after each, get and to_dict must "
            "show the last alone."
        ),
    ),
    Clause(
        id="CTX-SET-02",
        level=Level.MUST,
        sentence='Falsy values (None, 0, "", False, [], {}) are kept as they are.',
        why=(
            "0, False and an empty list are results like any other. Where they get lost, a condition takes the wrong "
            "edge and a join hands on None for a branch that had an answer."
        ),
        causes=(
            "`if value:` before the write, or `value or default` after the read",
            "a layout of one entry per leaf, in which an empty container has none",
            "a backend that stores the empty string as NULL, or refuses it",
            "False stored as 0, in a backend whose booleans are numbers",
        ),
        checked_by=(
            "Each falsy value is set over another value, through one client, and compared in has, get and to_dict "
            "through a second."
        ),
    ),
    Clause(
        id="CTX-SET-03",
        level=Level.MUST,
        sentence=(
            "A JSON value comes back equal: nested, unicode, whole numbers up to 2^53, finite floats (0, or 1e-130 to "
            "1e125 in size), strings that look like JSON. Numbers compare by value; a bool is no number, a string no "
            "number."
        ),
        why=(
            "An output is the input of another node on another worker. A value that changes on the way makes the "
            "distributed run end differently from the same run in one process."
        ),
        causes=(
            'text is parsed because it looks like JSON: "[1]" comes back as a list, "1.50" as a number',
            "the backend's types are handed out: Decimal for numbers, 1 for True",
            "str() or repr() in place of JSON",
            "a number column that rounds, or that ends at 2^31",
        ),
        checked_by=(
            "Hypothesis draws nested JSON values with numbers at the borders and strings that look like JSON; get and "
            "to_dict of a second client are compared strictly by JSON type."
        ),
    ),
    Clause(
        id="CTX-SET-04",
        level=Level.MUST,
        sentence=(
            "A value that cannot be stored (not JSON, NaN, above the declared limit, U+0000 or a lone surrogate where "
            "the backend has none) raises and changes nothing; nothing is stored altered."
        ),
        why=(
            "A value that is altered in silence fails in the node that reads it, hours later and on another worker. An "
            "error at the write names the node that made it."
        ),
        causes=(
            "json.dumps with default=str, which stores a datetime or any object as text",
            "json.dumps with allow_nan left at True, which writes NaN",
            "dict keys that are no strings become text, or vanish with skipkeys=True",
            "text cut at the column's length, or encoded with errors='replace'",
        ),
        checked_by=(
            "Objects, sets, bytes, NaN and too large values are set over an old value and on a new key; the call must "
            "raise and to_dict must stay as it was. Broken text may come back unchanged instead."
        ),
    ),
    Clause(
        id="CTX-SET-06",
        level=Level.SHOULD,
        sentence="The types int and float stay apart (1 and 1.0), and -0.0 keeps its sign.",
        why=(
            "A node that formats, divides or signs its input sees 1 where 1.0 was stored, and a distributed run prints "
            "another amount or another checksum than the run in one process."
        ),
        causes=(
            "a backend with one number type: DynamoDB's N, JavaScript in Cosmos DB",
            "jsonb keeps numbers as numeric, which has no negative zero",
            "Decimals are turned into int wherever they are whole",
        ),
        checked_by=(
            "Numbers that are equal and of different type are stored alone and in lists; what comes back is compared "
            "with its type and sign."
        ),
    ),
    Clause(
        id="CTX-SET-05",
        level=Level.MUST,
        sentence="What is stored is a copy: changing the object passed in, or one handed out, changes nothing stored.",
        why=(
            "A node that changes its input in place would change the run's state under the nodes beside it, without a "
            "write, and only where both happen to run on one worker."
        ),
        causes=(
            "a context in memory stores the reference",
            "a read cache hands out its own object",
            "copy.copy or dict(value), which copy the outer container only",
            "a patch keeps the objects and serializes them later",
        ),
        checked_by=(
            "Values are stored by set and by patch, then the object passed in and those handed out by get and to_dict "
            "are changed at every depth; nothing stored may change. Values are small and large."
        ),
    ),
    Clause(
        id="CTX-DEL-01",
        level=Level.MUST,
        sentence="A delete tells whether the key existed; an absent key or run is no error.",
        why=(
            "A worker that clears a wait learns from the answer whether it was the first. A wrong one resumes the wait "
            "twice or never; an error fails a node that did nothing wrong."
        ),
        causes=(
            "True is returned without a look at whether anything was removed",
            "the truth of the old value is returned, so that a stored None or 0 reads as absent",
            "the backend's not-found error is passed on where the run has no document yet",
            "the number of removed fields is handed out in place of a bool",
        ),
        checked_by=(
            "Keys with drawn values, falsy ones among them, are deleted once and again through another client, in runs "
            "with and without state."
        ),
    ),
    Clause(
        id="CTX-ALL-01",
        level=Level.MUST,
        sentence="A to_dict gives all keys of this run and of no other, however the run ids look alike.",
        why=(
            "The final result of a run is made from it. A client would receive another run's data, or a result in "
            "which some of its outputs are missing."
        ),
        causes=(
            "a search by prefix or LIKE: run `a` also finds `a1`, and `_` in an id matches any character",
            "the first page of a paged query is taken for all of it (1 MB per page in DynamoDB)",
            "run and key are joined by a separator that both may contain",
            "a run id that is folded in case, trimmed or cut on its way to the index",
        ),
        checked_by=(
            "Runs whose ids are prefixes, globs or look-alikes of each other are written together; each to_dict must "
            "show its own keys and no other."
        ),
    ),
    Clause(
        id="CTX-KEY-01",
        level=Level.MUST,
        sentence=(
            "Keys are opaque (dots, slashes, quotes, braces, brackets, tildes, `$`, `__proto__`, `id`, blanks, "
            "unicode, 1 to 255 bytes), and the same in get, set, patch and to_dict; U+0000 and lone surrogates work or "
            "raise."
        ),
        why=(
            "Node ids become keys, as in `_outputs.{node}`. A key that is read as a path writes into another node's "
            "output or nowhere, and the join behind it waits for ever."
        ),
        causes=(
            (
                "a dot is taken for a path: Firestore field paths, DynamoDB expressions without attribute names, a "
                "split key in jsonb_set"
            ),
            "Cosmos DB patch paths without ~0 and ~1 for `~` and `/`",
            "a key meets a field of the document itself: `id`, `_etag`, the run id's column",
            "set escapes the key, and patch or to_dict does not",
        ),
        checked_by=(
            "Families of odd and look-alike keys are written by set and by patch and read by get, has and to_dict; no "
            "two may meet. Broken text may be refused."
        ),
    ),
    Clause(
        id="CTX-RUN-01",
        level=Level.MUST,
        sentence="A second client of the same run sees each completed write: reads are strongly consistent.",
        why=(
            "A successor may start on another worker as soon as the write has returned. If it does not see its "
            "predecessor's output it works with None, or takes itself for not ready, and nobody wakes it again."
        ),
        causes=(
            "eventually consistent reads: DynamoDB without ConsistentRead, a replica, Cassandra at ONE",
            "Cosmos DB at session consistency, where another client does not have the session token",
            "the context object caches what it has read",
            "writes are buffered until a flush or close",
            "outputs are cached because one is written once, which in a loop it is not",
        ),
        checked_by=(
            "Programs of writes through one client, each followed by reads through another, also in another OS process "
            "where shared, are compared with the model; get, has and to_dict are all asked."
        ),
    ),
    Clause(
        id="CTX-RACE-01",
        level=Level.MUST,
        sentence="Concurrent writes to different keys of one run all survive, on an existing and on a new run.",
        why=(
            "Two branches end at the same moment and each stores its output. Where one write wipes out the other, the "
            "join behind both never runs, or runs without one input."
        ),
        causes=(
            "a dict stored as one JSON document and written back whole",
            "the first write creates the run's document, and of two creators the second overwrites the first",
            "a conflict of ETags or revisions that is swallowed instead of tried again",
            "a cached copy of the state, which later writes start from",
        ),
        checked_by=(
            "Many tasks on several clients, and OS processes where shared, write keys of their own by set and by "
            "patch, on new and on existing runs; to_dict must hold them all."
        ),
    ),
    Clause(
        id="CTX-RACE-02",
        level=Level.MUST,
        sentence="Concurrent histories of get, set, has and delete on one key are linearizable.",
        why=(
            "A worker that reads an old value after a newer one takes a finished node for unfinished and runs it "
            "again, or a cleared wait for one that still waits."
        ),
        causes=(
            "delete tells what a read before it saw, so that two callers both get True",
            "last writer wins by the clients' clocks, as in Cassandra: a later write loses to one whose clock is ahead",
            "get asks the backend and has asks a cache",
            "reads spread over replicas, one behind the other",
        ),
        checked_by=(
            "Several clients, and OS processes where shared, call get, set, has and delete on one key together; the "
            "recorded history is checked for linearizability. Targets that can run in process are also driven by a "
            "schedule search."
        ),
    ),
    Clause(
        id="CTX-RACE-03",
        level=Level.MUST,
        sentence="Of two clients that each write a key and then read the other's, at least one sees the other's write.",
        why=(
            "Two branches that end together each note their arrival and then look for the other's. If neither sees the "
            "other, each leaves the join to the other and nobody starts it."
        ),
        causes=(
            "the read comes from a snapshot that was taken before the client's own write",
            "a write is acknowledged before others can read it: asynchronous replication, write-behind",
            "the whole state was loaded when the context was made",
            "reads and writes at levels that do not overlap: Cassandra writes at ONE and reads at ONE",
        ),
        checked_by=(
            "Pairs of clients, and OS processes where shared, start together; each writes its key by set or patch and "
            "looks for the other's by get, has or to_dict, in many rounds; one in which neither sees the other breaks it."
        ),
    ),
    Clause(
        id="CTX-SIZE-01",
        level=Level.MUST,
        sentence="Values up to `max_value_bytes` and states of many keys round-trip.",
        why=(
            "It is the big run that breaks: the report of a thousand items is lost at its last node, after hours of "
            "work that went well."
        ),
        causes=(
            (
                "a limit that is not declared: 400 KB per item in DynamoDB, 1 MiB per document in Firestore, 2 MB per "
                "item in Cosmos DB"
            ),
            "the state of a run in one document, so that many small keys add up to the limit of one",
            "lengths counted in characters, where the backend counts UTF-8 bytes",
            "to_dict reads one page of keys",
        ),
        checked_by=(
            "Values at the declared limit (1 MiB where none is declared), in one and more byte characters, and states "
            "of hundreds to thousands of keys are written and read back."
        ),
    ),
)
