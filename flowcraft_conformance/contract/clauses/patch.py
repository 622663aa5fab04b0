"""Patches: delta-based persistence that equals a full write, all or nothing."""

from __future__ import annotations

from flowcraft_conformance.contract.clauses.model import Clause, Level

PATCH: tuple[Clause, ...] = (
    Clause(
        id="PATCH-EQ-01",
        level=Level.MUST,
        sentence="A patch(ops) leaves the same state as the same operations one by one, for every key and value.",
        why=(
            "What a node changes is stored by a patch. Where that does something else than set and delete would, a "
            "distributed run goes on from another state than the run in one process."
        ),
        causes=(
            "set escapes the key or serializes the value, and patch does not, or does it twice",
            "a SetOp with None is taken for a deletion",
            "jsonb_set with a missing parent, which changes nothing and says nothing",
            "an update that takes a dot in the key for a path, where set does not",
        ),
        checked_by=(
            "Hypothesis draws states and patches with odd keys and values; the patch on one run and its single "
            "operations on another must give the same to_dict."
        ),
    ),
    Clause(
        id="PATCH-EQ-02",
        level=Level.MUST,
        sentence=(
            "For any two states, patching their difference gives the same to_dict as writing the new state in full."
        ),
        why=(
            "After each node only the difference is sent. If it does not add up to the new state, what a node removed "
            "is still there, and later nodes work with stale values."
        ),
        causes=(
            "nested values are merged with the old ones, so that removed fields stay",
            "removals are skipped, or undone by a stale copy that is written afterwards",
            "one statement with both `a` and `a.b`, which the backend takes for overlapping paths",
            "values that look equal to the backend, such as 1 and True, are not written",
        ),
        checked_by=(
            "Hypothesis draws two states, writes the first, patches the difference and compares with the second "
            "written in full: the law patch(diff(a, b)) == write(b)."
        ),
    ),
    Clause(
        id="PATCH-ORD-01",
        level=Level.MUST,
        sentence="Operations apply in list order; the later one on a key wins.",
        why=(
            "A node that clears a key and sets it again ends with the wrong one of the two: its fresh output is gone, "
            "or a marker it removed is back."
        ),
        causes=(
            "all sets are sent before all deletes, HSET before HDEL, whatever their order",
            "operations are gathered in one dict of sets and one set of deletes",
            "a Cassandra batch gives all its statements one timestamp, and then a delete wins over a set",
            "operations are sent concurrently with asyncio.gather",
        ),
        checked_by=(
            "Patches that set, delete and set the same few keys again are drawn, on runs with and without state, and "
            "compared with the operations applied in order."
        ),
    ),
    Clause(
        id="PATCH-NEW-01",
        level=Level.MUST,
        sentence=(
            "A patch on a run without state creates it; an empty patch does nothing; deleting an absent key is fine."
        ),
        why=(
            "The first write of a run is often a patch. If it needs a document that is not there yet, the first node's "
            "output is lost and the run never gets beyond it."
        ),
        causes=(
            "an update that needs the document: UPDATE ... WHERE that finds no row, Firestore's update()",
            "Cosmos DB's remove of a path that is not there, which fails the whole patch",
            "an empty UpdateExpression, or HSET without a field, which the backend refuses",
            "an empty patch that rewrites the state from an old copy",
        ),
        checked_by=(
            "Drawn patches are the first write of a run and are read by another client; empty patches and deletions of "
            "absent keys must leave the state as it was."
        ),
    ),
    Clause(
        id="PATCH-ATOM-01",
        level=Level.MUST,
        sentence=(
            "A patch is all or nothing: one bad operation, or a connection cut in the middle, leaves no part of it."
        ),
        why=(
            "A patch is the commit of a node: its output, its changes and its routing decision. With half of it stored "
            "the node counts as done, and nobody follows its edges."
        ),
        causes=(
            "one command per operation, without MULTI/EXEC or a transaction, or in autocommit mode",
            "values are serialized while they are sent, and the bad one is met when others are already stored",
            "a transaction or a buffer that is left open by the error, and goes out with the client's next call",
            (
                "a long patch is split at the backend's limit (10 operations in Cosmos DB, 100 in DynamoDB), each part "
                "on its own"
            ),
        ),
        checked_by=(
            "A bad operation stands at every position of drawn patches, and at the end of patches of up to a thousand; "
            "calls are cancelled at every await, connections cut in the middle and processes killed. Either all of the "
            "patch is there or none of it, after the client's next write too."
        ),
    ),
    Clause(
        id="PATCH-ATOM-02",
        level=Level.MUST,
        sentence=(
            "No concurrent reader's to_dict shows half of a patch (excused where `snapshot_reads` is declared absent)."
        ),
        why=(
            "A worker that reads while another commits would see an output without the changes that belong to it, and "
            "start a node on a state that never was."
        ),
        causes=(
            "to_dict reads key by key or page by page, without a snapshot",
            "HSCAN in place of HGETALL",
            "several statements at READ COMMITTED, each with a snapshot of its own",
            "a batch over several partitions, which is all or nothing and yet not isolated (Cassandra)",
        ),
        checked_by=(
            "Writers patch many keys to one common value, with and without a guard, while readers call to_dict, in "
            "other OS processes too where shared; a reader that finds the keys apart has seen half a patch."
        ),
        excused_by=("snapshot_reads",),
    ),
    Clause(
        id="PATCH-RACE-01",
        level=Level.MUST,
        sentence=(
            "Concurrent patches with disjoint keys all survive; with shared keys the result is that of some order."
        ),
        why=(
            "Parallel branches commit at the same time. A lost patch is a lost node: its job is acknowledged, its "
            "output is gone, and the join behind it never runs."
        ),
        causes=(
            "read-modify-write of one document per run, without a condition on its revision",
            "a conflict after which the patch is dropped, or written again from the old copy",
            "patches that interleave operation by operation, so that the keys end as a mixture",
            "two first patches of a new run that each create its document",
            "a log of changes is shortened by two at once, and the slower one writes what is out of date",
        ),
        checked_by=(
            "Clients, and OS processes where shared, patch keys of their own, all of which must be there, and the same "
            "keys, which must all end with one client's values; on new and existing runs."
            " Hundreds of patches go to one run, too."
        ),
    ),
    Clause(
        id="PATCH-MANY-01",
        level=Level.MUST,
        sentence=(
            "A patch takes any number of operations up to 1,000 (or `max_patch_operations`, beyond which it raises and "
            "changes nothing)."
        ),
        why=(
            "A batch node writes hundreds of keys at once. A patch that fails or is cut short at the backend's limit "
            "loses work that was fine in every small test."
        ),
        causes=(
            (
                "a limit that is not declared: 10 operations per patch in Cosmos DB, 100 per transaction in DynamoDB, "
                "500 per batch in older Firestore"
            ),
            (
                "a statement that grows with the patch beyond what the server takes: 4 KB per expression in DynamoDB, "
                "65,535 parameters in PostgreSQL"
            ),
            "operations beyond the limit are cut off in silence",
            "nested jsonb_set calls, one inside the other for each operation",
        ),
        checked_by=(
            "Patches of 0, 1, 10, 11, 25, 26, 100, 101, 500 and 1,000 operations set keys and delete them again. "
            "Beyond a declared limit the call must raise and leave nothing."
        ),
    ),
    Clause(
        id="PATCH-GUARD-01",
        level=Level.MUST,
        sentence=(
            "Of concurrent patch_if_absent calls with one guard key that they set, exactly one returns True; the "
            "others change nothing."
        ),
        why=(
            "The guard decides who commits a node when a worker has lost its lease without knowing it. With two "
            "commits the outputs mix, and successors start from a result that is then replaced."
        ),
        causes=(
            "has(guard) and then patch, as two calls",
            "WATCH without a look at what EXEC returned, or on another key than the guard's",
            (
                "a call sent again after a lost reply meets its own guard and returns False, and no caller learns of "
                "the commit"
            ),
            "an ON CONFLICT DO NOTHING that protects the guard while the other operations are applied all the same",
        ),
        checked_by=(
            "Many clients, and OS processes where shared, race with one guard key and operations of their own; one "
            "must be told True, and the state must hold the winner's operations alone."
        ),
        needs_offer="patch_if_absent",
    ),
    Clause(
        id="PATCH-COST-01",
        level=Level.SHOULD,
        sentence=(
            "Where `delta_persistence` is declared, the bytes sent and received for a patch depend on the patch and "
            "not on the size of the state."
        ),
        why=(
            "A run with 5 MB of state would move 5 MB after every node. A workflow of a few hundred nodes then spends "
            "its time on the network, and the backend's bill grows with the square of the run."
        ),
        causes=(
            "the document is read, changed and written back whole, behind a method called patch",
            "the state is read first, to find out what has changed",
            "the whole row comes back: RETURNING *, ReturnValues=ALL_NEW, a Cosmos DB response with the content",
            "one jsonb column per run that the server ships whole to the client for every update",
        ),
        checked_by=(
            "A patch of fixed size is applied to states from 10 KB to 10 MB, and a proxy counts the bytes in both "
            "directions; the count must stay flat, and the report shows it."
        ),
        excused_by=("delta_persistence",),
    ),
)
