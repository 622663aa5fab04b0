"""What only Cassandra has: conditional batches of one partition, their anchor and their limits, and the driver."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from flowcraft_conformance import DeleteOp, FinalResult, SetOp
from reference_adapters.cassandra_kafka import Database, DocumentContext, RowContext, documents, read_result, rows
from reference_adapters.cassandra_kafka.database import _host_of
from reference_adapters.cassandra_kafka.results import unfinished_runs, write_result
from reference_adapters.cassandra_kafka.schema import create_schema, drop_schema, table
from tests.backends.cassandra import KEYSPACE, cassandra_url, namespace

pytestmark = pytest.mark.asyncio

Context = RowContext | DocumentContext


@pytest_asyncio.fixture
async def place() -> AsyncIterator[tuple[Database, str]]:
    async with namespace() as made:
        yield made


@pytest.fixture(params=[RowContext, DocumentContext])
def context(request: pytest.FixtureRequest, place: tuple[Database, str]) -> Context:
    made: Context = request.param(place[0], "run", keyspace=KEYSPACE, namespace=place[1])
    return made


@pytest.fixture
def by_rows(place: tuple[Database, str]) -> RowContext:
    return RowContext(place[0], "run", keyspace=KEYSPACE, namespace=place[1])


async def test_a_delete_and_a_set_of_one_key_are_settled_before_the_batch(context: Context) -> None:
    """In one batch all cells have one time, and of a cell and its deletion the deletion would win."""
    await context.patch([DeleteOp("a"), SetOp("a", 1), SetOp("b", 1), DeleteOp("b"), DeleteOp("c"), SetOp("c", None)])
    assert await context.to_dict() == {"a": 1, "c": None}


async def test_what_is_written_right_after_a_deletion_stays(context: Context) -> None:
    """Two writes of one microsecond would leave the deletion."""
    for number in range(60):
        await context.set("k", number)
        assert await context.delete("k")
        await context.patch([SetOp("k", -number)])
        assert await context.get("k") == -number
        await context.patch([DeleteOp("k")])
        assert not await context.has("k")


async def test_a_guard_that_the_patch_deletes_or_does_not_touch_is_asked_all_the_same(context: Context) -> None:
    assert await context.patch_if_absent("guard", [SetOp("a", 1)])
    assert await context.patch_if_absent("guard", [DeleteOp("guard"), SetOp("a", 2)])
    assert await context.patch_if_absent("guard", [SetOp("guard", None)])
    assert not await context.patch_if_absent("guard", [DeleteOp("guard"), SetOp("a", 3)])
    assert not await context.patch_if_absent("guard", [])
    assert await context.to_dict() == {"a": 2, "guard": None}


async def test_a_run_that_was_refused_everything_has_no_state(by_rows: RowContext) -> None:
    assert not await by_rows.delete("a")
    assert await by_rows.patch_if_absent("a", [DeleteOp("a")])
    assert await by_rows.to_dict() == {}
    assert not await by_rows.has("")


async def test_the_anchor_of_a_run_meets_no_key(by_rows: RowContext) -> None:
    await by_rows.patch([SetOp("", "empty"), SetOp("k", "own")])
    assert await by_rows.to_dict() == {"": "empty", "k": "own"}
    assert await by_rows.delete("")
    await by_rows.set("after", 1)
    assert await by_rows.to_dict() == {"k": "own", "after": 1}


async def test_patches_beyond_what_cassandra_warns_and_fails_at_are_whole(by_rows: RowContext) -> None:
    """A batch without conditions fails above 50 KB by default."""
    large = {f"key {number}": "x" * 3000 for number in range(1000)}
    await by_rows.patch([SetOp(key, value) for key, value in large.items()])
    assert await by_rows.to_dict() == large


async def test_what_does_not_fit_is_refused_before_it_is_sent(context: Context) -> None:
    module = rows if isinstance(context, RowContext) else documents
    text = "x" * (module.MAX_VALUE_BYTES - 2)
    await context.set("largest", text)
    with pytest.raises(ValueError, match="at most"):
        await context.set("largest", text + "x")
    with pytest.raises(ValueError, match="at most"):
        await context.patch([SetOp(f"k{number}", text) for number in range(9)])
    assert set(await context.to_dict()) == {"largest"}


async def test_a_document_that_grows_too_large_is_refused(place: tuple[Database, str]) -> None:
    context = DocumentContext(place[0], "run", keyspace=KEYSPACE, namespace=place[1])
    text = "x" * (documents.MAX_VALUE_BYTES - 2)
    await context.patch([SetOp(f"k{number}", text) for number in range(7)])
    with pytest.raises(ValueError, match="one row a key"):
        await context.set("one more", text)
    assert len(await context.to_dict()) == 7


async def test_writers_that_share_nothing_lose_nothing(context: Context, place: tuple[Database, str]) -> None:
    """Without turns: each has connections of its own, as in processes of their own."""
    async with Database(cassandra_url()) as first, Database(cassandra_url()) as second:
        others = [type(context)(each, "run", keyspace=KEYSPACE, namespace=place[1]) for each in (first, second)]
        await asyncio.gather(*(each.set(f"{n} {m}", m) for n, each in enumerate(others) for m in range(10)))
        won = await asyncio.gather(*(each.patch_if_absent("g", [SetOp("g", n)]) for n, each in enumerate(others)))
    assert sorted(won) == [False, True]
    assert len(await context.to_dict()) == 21


async def test_namespaces_and_layouts_keep_runs_of_one_id_apart(context: Context, place: tuple[Database, str]) -> None:
    await context.set("k", 1)
    other = type(context)(place[0], "run", keyspace=KEYSPACE, namespace=f"{place[1]}-other")
    assert await other.to_dict() == {}


async def test_results_are_read_and_runs_without_one_are_found(
    by_rows: RowContext, place: tuple[Database, str]
) -> None:
    database, name = place
    done = RowContext(database, "done", keyspace=KEYSPACE, namespace=name)
    await by_rows.set("k", 1)
    await done.set("k", 1)
    result = FinalResult("completed", {"k": "\x00\ud800"})
    await write_result(database, "done", result, keyspace=KEYSPACE, namespace=name)
    assert await read_result(database, "done", keyspace=KEYSPACE, namespace=name) == result
    assert await read_result(database, "run", keyspace=KEYSPACE, namespace=name) is None
    found = [run async for run in unfinished_runs(database, keyspace=KEYSPACE, namespace=name)]
    assert found == ["run"]


async def test_closing_ends_the_drivers_threads_and_it_opens_again() -> None:
    def threads() -> int:
        return sum(
            not one.name.startswith("asyncio_") for one in threading.enumerate()
        )  # those are the loop's own pool

    database = Database(cassandra_url())
    counts: list[int] = []
    for _ in range(4):
        assert await database.run("SELECT key FROM system.local") == [("local",)]
        await database.close()
        for _ in range(100 if counts else 0):  # one that was told to end may still be at it
            if threads() <= counts[0]:
                break
            await asyncio.sleep(0.05)
        counts.append(threads())
    assert max(counts[1:]) <= counts[0]


async def test_many_may_make_the_schema_at_once() -> None:
    keyspace = f"t{uuid.uuid4().hex[:10]}"
    async with AsyncExitStack() as opened:
        databases = [await opened.enter_async_context(Database(cassandra_url())) for _ in range(4)]
        try:
            await asyncio.gather(*(create_schema(database, keyspace) for database in databases))
            await RowContext(databases[0], "run", keyspace=keyspace).set("a", 1)
            assert await RowContext(databases[1], "run", keyspace=keyspace).get("a") == 1
        finally:
            await drop_schema(databases[0], keyspace)


async def test_a_caller_who_is_cancelled_while_it_connects_harms_nobody() -> None:
    async with Database(cassandra_url()) as database:
        first = asyncio.create_task(database.run("SELECT key FROM system.local"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert await database.run("SELECT key FROM system.local") == [("local",)]
        assert first.cancelled()


@pytest.mark.parametrize(
    ("text", "host"),
    [("node-1", "node-1"), ("node-1:9043", ("node-1", 9043)), ("[::1]:9043", ("::1", 9043)), ("[::1]", "::1")],
)
async def test_a_host_of_the_url_has_a_port_or_none(text: str, host: object) -> None:
    assert _host_of(text) == host


@pytest.mark.parametrize("name", ["Upper", "a-b", "", "1a", "a" * 49, "a; DROP KEYSPACE b"])
async def test_a_keyspace_that_would_need_quotes_is_refused(name: str) -> None:
    database = Database("cassandra://127.0.0.1:1")
    with pytest.raises(ValueError, match="keyspace"):
        table(name, "state")
    with pytest.raises(ValueError, match="keyspace"):
        await create_schema(database, name)
