"""What only the PostgreSQL state and store have: a schema, a pool, rows that are locked, numbers kept as they are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from flowcraft_conformance import DeleteOp, IGuardedContext, SetOp
from reference_adapters.postgres_rabbitmq import (
    Database,
    DocumentContext,
    PostgresCoordinationStore,
    RowContext,
    migrate,
)
from reference_adapters.postgres_rabbitmq.schema import drop

pytestmark = pytest.mark.asyncio

LAYOUTS = pytest.mark.parametrize("layout", [RowContext, DocumentContext], ids=["rows", "document"])
_WRITERS = 6


@pytest.fixture
def schema() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest_asyncio.fixture
async def database(flowcraft_postgres: str, schema: str) -> AsyncIterator[Database]:
    made = Database(flowcraft_postgres, connections=_WRITERS)
    await migrate(made, schema)
    yield made
    await drop(made, schema)
    await made.close()


async def test_many_may_migrate_at_once_and_again(flowcraft_postgres: str, schema: str) -> None:
    databases = [Database(flowcraft_postgres) for _ in range(4)]
    try:
        await asyncio.gather(*(migrate(each, schema) for each in databases))
        await migrate(databases[0], schema)
        assert await PostgresCoordinationStore(databases[1], schema=schema).increment("k", 5) == 1
    finally:
        await drop(databases[0], schema)
        for each in databases:
            await each.close()


async def test_a_schema_that_is_newer_is_left_alone(database: Database, schema: str) -> None:
    table = sql.Identifier(schema, "schema_version")
    await database.run(sql.SQL("UPDATE {} SET version = 1000").format(table))
    with pytest.raises(RuntimeError, match="version 1000"):
        await migrate(database, schema)
    assert await database.run(sql.SQL("SELECT version FROM {}").format(table)) == [(1000,)]


async def test_a_cancelled_call_crosses_no_answers_and_gives_its_place_back(database: Database) -> None:
    slow = sql.SQL("SELECT pg_sleep(30), {}").format(sql.Literal("late"))
    for _ in range(3):
        calls = [asyncio.create_task(database.run(slow)) for _ in range(_WRITERS)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
        answers = await asyncio.gather(
            *(database.run(sql.SQL("SELECT {}").format(sql.Literal(number))) for number in range(3 * _WRITERS))
        )
        assert answers == [[(number,)] for number in range(3 * _WRITERS)]


async def test_connections_that_the_server_closed_are_replaced_without_a_failure(
    database: Database, flowcraft_postgres: str
) -> None:
    pid = sql.SQL("SELECT pg_backend_pid()").format()
    ((before,),) = await database.run(pid)
    with psycopg.connect(flowcraft_postgres, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    ((after,),) = await database.run(pid)
    assert after != before


async def test_expired_keys_are_removed_in_time(
    database: Database, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reference_adapters.postgres_rabbitmq.coordination._PURGE_SECONDS", 0.0)
    store = PostgresCoordinationStore(database, schema=schema)
    await store.set_if_not_exist("short", "v", 1)
    await asyncio.sleep(1.05)
    await store.set_if_not_exist("long", "v", 60)
    kept = await database.run(sql.SQL("SELECT key FROM {}").format(sql.Identifier(schema, "coordination")))
    assert kept == [("long",)]


async def test_a_ttl_is_counted_from_when_the_call_was_carried_out(database: Database, schema: str) -> None:
    """A call that waited for the row of another must not set an expiry that has passed by then."""
    store = PostgresCoordinationStore(database, schema=schema)
    await store.increment("k", 60)
    table = sql.Identifier(schema, "coordination")
    async with database.connection() as holder, holder.transaction():
        await holder.execute(sql.SQL("SELECT * FROM {} FOR UPDATE").format(table))
        waiting = asyncio.create_task(store.increment("k", 1))
        await asyncio.sleep(1.2)
    assert await waiting == 2
    assert await store.get("k") == "2"


@LAYOUTS
@pytest.mark.parametrize(
    "value",
    [1, 1.0, -0.0, 1e16, 1e22, 1e300, 5e-324, 2**53 + 1, 10**40, {"$json": "1"}, {"a": [{"b": -0.0}]}, [1e21, "1e21"]],
    ids=repr,
)
async def test_values_come_back_exactly(database: Database, schema: str, layout: Any, value: Any) -> None:
    context = layout(database, "r", schema=schema)
    await context.set("k", value)
    await context.patch([SetOp("in a patch", value)])
    assert repr(await context.get("k")) == repr(value)
    assert repr(await context.to_dict()) in {
        repr({"k": value, "in a patch": value}),
        repr({"in a patch": value, "k": value}),
    }


@LAYOUTS
async def test_keys_are_parameters(database: Database, schema: str, layout: Any) -> None:
    context = layout(database, "r'); DROP", schema=schema)
    keys = ["{a,b}", "a.b", "'; DROP TABLE", '"', "\\", "$$", "%s", "%(run)s", "{0}", "0", "-1", "$json", ""]
    await context.patch([SetOp(key, key) for key in keys])
    assert await context.to_dict() == {key: key for key in keys}
    for key in keys:
        assert await context.delete(key)
    assert await context.to_dict() == {}


@LAYOUTS
async def test_a_value_the_database_refuses_changes_nothing(database: Database, schema: str, layout: Any) -> None:
    context = layout(database, "r", schema=schema)
    await context.set("k", 1)
    with pytest.raises((psycopg.Error, ValueError)):
        await context.patch([SetOp("k", 2), SetOp("nul\0", 1)])
    assert await context.to_dict() == {"k": 1}


@LAYOUTS
async def test_patches_on_the_same_keys_end_as_in_some_order(database: Database, schema: str, layout: Any) -> None:
    """One sets what the other deletes: a DELETE that does not see a row being written would mix the two."""
    for number in range(40):
        context: IGuardedContext = layout(database, f"r{number}", schema=schema)
        await context.set("b", "old")
        await asyncio.gather(
            context.patch([SetOp("a", 1), SetOp("b", 1)]), context.patch([DeleteOp("a"), SetOp("b", 2)])
        )
        assert await context.to_dict() in ({"a": 1, "b": 1}, {"b": 2})


@LAYOUTS
@pytest.mark.parametrize("sets_the_guard", [True, False])
async def test_a_guard_decides_between_patches(
    database: Database, schema: str, layout: Any, sets_the_guard: bool
) -> None:
    """Against a patch that sets the guard: whoever comes second sees what the first one did."""
    for number in range(40):
        context: IGuardedContext = layout(database, f"r{number}", schema=schema)
        own = [SetOp("guard", "mine")] if sets_the_guard else []
        applied, _ = await asyncio.gather(
            context.patch_if_absent("guard", [*own, SetOp("waits", True)]),
            context.patch([SetOp("guard", "other"), DeleteOp("waits")]),
        )
        assert await context.to_dict() == {"guard": "other"}, f"applied: {applied}"
