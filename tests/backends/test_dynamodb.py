"""What only DynamoDB has: its limits, its layouts, its reserved names, its own idea of what has expired."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from flowcraft_conformance import DeleteOp, FinalResult, IGuardedContext, PatchOperation, SetOp
from reference_adapters.dynamodb_sqs import (
    AwsClient,
    AwsSettings,
    DynamoDbCoordinationStore,
    KeyItemsContext,
    RunItemContext,
    create_tables,
    delete_tables,
    key_items,
    read_result,
    run_item,
)
from reference_adapters.dynamodb_sqs.results import write_result
from tests.backends.aws import Database, database

pytestmark = pytest.mark.asyncio

Make = Callable[[str], IGuardedContext]
_LIMITS = {"run": run_item.MAX_PATCH_OPERATIONS, "key": key_items.MAX_PATCH_OPERATIONS}


@pytest_asyncio.fixture
async def db() -> AsyncIterator[Database]:
    async with database() as made:
        yield made


def _contexts(db: Database, layout: str) -> Make:
    if layout == "run":
        return lambda run_id: RunItemContext(db.client, db.tables.runs, run_id)
    return lambda run_id: KeyItemsContext(db.client, db.tables.run_keys, run_id)


@pytest_asyncio.fixture(params=["run", "key"])
async def make(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Make]:
    yield _contexts(db, request.param)


async def _items(db: Database, table: str) -> int:
    return int((await db.client("scan", TableName=table, Select="COUNT", ConsistentRead=True))["Count"])


async def test_a_state_of_five_megabytes_in_one_item_a_key(db: Database) -> None:
    context, reader = _contexts(db, "key")("big"), _contexts(db, "key")("big")
    want = {f"_outputs.{number}": f"{number}:" + "x" * 50_000 for number in range(105)}
    operations = [SetOp(key, value) for key, value in want.items()]
    for start in range(0, len(operations), 50):
        await context.patch(operations[start : start + 50])
    assert sum(len(value) for value in want.values()) > 5 * 1024 * 1024
    assert await reader.to_dict() == want
    await context.patch([SetOp("_outputs.7", "small"), DeleteOp("_outputs.8")])
    assert await reader.get("_outputs.7") == "small"
    assert not await reader.has("_outputs.8")
    await write_result(db.client, db.tables.results, "big", FinalResult("completed", want))
    assert await read_result(db.client, db.tables.results, "big") == FinalResult("completed", want)


async def test_a_state_that_one_item_cannot_hold_is_refused_with_the_way_out(db: Database) -> None:
    context = _contexts(db, "run")("r")
    want = {"a": "x" * 250_000}
    await context.set("a", want["a"])
    with pytest.raises(ValueError, match="one item a key"):
        await context.set("b", "y" * 250_000)
    with pytest.raises(ValueError, match="one item a key"):
        await context.patch([DeleteOp("c"), SetOp("b", "y" * 250_000)])
    assert await context.to_dict() == want


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_a_patch_beyond_the_limit_raises_and_changes_nothing(db: Database, layout: str) -> None:
    context, most = _contexts(db, layout)("r"), _LIMITS[layout]
    full: list[PatchOperation] = [SetOp(f"k{number}", number) for number in range(most)]
    assert await context.patch_if_absent("guard", full)
    with pytest.raises(ValueError, match="at most"):
        await context.patch([*full, DeleteOp("one more")])
    assert await context.to_dict() == {f"k{number}": number for number in range(most)}
    await context.patch([*full, *full, SetOp("k0", "last")])  # the keys count, not how often they are named
    assert await context.get("k0") == "last"


async def test_no_key_meets_a_name_of_the_items_own_or_a_reserved_word(make: Make) -> None:
    names = ["run", "key", "value", "", "k.run", "k.", "#0", ":0", "#run", "#guard", "size", "SELECT", "a.b", "a[0]"]
    context = make("r")
    for name in names:
        await context.set(name, name)
    assert await context.to_dict() == {name: name for name in names}
    await context.patch([SetOp(name, [name]) for name in names])
    for name in names:
        assert await context.get(name) == [name]
        assert not await context.patch_if_absent(name, [SetOp("other", 1)])
        assert await context.delete(name)
    assert await context.to_dict() == {}


async def test_the_same_key_several_times_in_one_patch(make: Make) -> None:
    context = make("r")
    await context.patch([SetOp("a", 1), DeleteOp("a"), SetOp("a", 2), SetOp("b", 1), SetOp("b", 2), DeleteOp("b")])
    assert await context.to_dict() == {"a": 2}


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_only_deletes_leave_no_item_of_a_run_without_state(db: Database, layout: str) -> None:
    context = _contexts(db, layout)("r")
    await context.patch([DeleteOp("a"), DeleteOp("b")])
    await context.patch([])
    assert not await context.delete("a")
    assert await _items(db, db.tables.runs) + await _items(db, db.tables.run_keys) == 0


async def test_a_guard_that_the_patch_itself_does_not_touch(make: Make) -> None:
    context = make("r")
    assert await context.patch_if_absent("guard", [SetOp("a", 1)])
    assert await context.patch_if_absent("guard", [])
    await context.set("guard", 0)
    assert not await context.patch_if_absent("guard", [SetOp("a", 2)])
    assert not await context.patch_if_absent("guard", [DeleteOp("guard"), SetOp("a", 2)])
    assert not await context.patch_if_absent("guard", [])
    assert await context.to_dict() == {"a": 1, "guard": 0}


async def test_numbers_are_exact(make: Make) -> None:
    """DynamoDB's own numbers have 38 digits, end at 1e126 and know neither -0.0 nor a float that is whole."""
    numbers = [10**60 + 1, 1e-200, 1e300, 0.1 + 0.2, -0.0, 1, 1.0, 2**53]
    context = make("r")
    await context.set("n", numbers)
    got = await context.get("n")
    assert [repr(number) for number in got] == [repr(number) for number in numbers]
    assert math.copysign(1, got[4]) == -1


async def test_an_expired_item_is_absent_though_it_is_still_there(db: Database) -> None:
    store = DynamoDbCoordinationStore(db.client, db.tables.coordination)
    for key in ("counter", "value", "extended"):
        await store.set_if_not_exist(key, "old", 1)
    await asyncio.sleep(1.2)
    assert await _items(db, db.tables.coordination) == 3
    assert await store.get("value") is None
    assert not await store.extend_ttl("extended", 60)
    assert await store.increment("counter", 60) == 1
    assert await store.set_if_not_exist("value", "new", 60)
    assert await store.get("value") == "new"
    item = await db.client("get_item", TableName=db.tables.coordination, Key={"key": {"S": "value"}})
    assert int(item["Item"]["expires"]["N"]) > time.time() + 60, "what DynamoDB clears away expired long ago"


async def test_tables_can_be_made_and_removed_twice(db: Database) -> None:
    await create_tables(db.client, db.tables)
    await delete_tables(db.client, db.tables)
    await delete_tables(db.client, db.tables)
    left = (await db.client("list_tables"))["TableNames"]
    assert not [name for name in left if name.startswith(db.tables.prefix)]


class _Refusing:
    """A client whose service refuses some calls before it carries one out."""

    def __init__(self, *refusals: dict[str, Any]) -> None:
        self.refusals = list(refusals)
        self.calls = 0

    async def put_item(self) -> dict[str, Any]:
        self.calls += 1
        if self.refusals:
            raise ClientError(self.refusals.pop(0), "PutItem")
        return {"done": True}


def _cancelled(*codes: str) -> dict[str, Any]:
    return {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def _refusal(code: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": ""}}


@pytest.mark.parametrize(
    ("refusal", "calls"),
    [
        (_refusal("ThrottlingException"), 2),
        (_refusal("TransactionConflictException"), 2),
        (_cancelled("None", "TransactionConflict"), 2),
        (_cancelled("ConditionalCheckFailed", "TransactionConflict"), 1),
        (_refusal("InternalServerError"), 1),
        (_refusal("ConditionalCheckFailedException"), 1),
    ],
    ids=["throttled", "conflict", "conflict inside", "condition and conflict", "unknown", "condition"],
)
async def test_only_what_was_surely_refused_is_sent_again(refusal: dict[str, Any], calls: int) -> None:
    service = _Refusing(refusal)
    client = AwsClient("dynamodb", AwsSettings())
    client._client = service
    if calls == 1:
        with pytest.raises(ClientError):
            await client("put_item")
    else:
        assert await client("put_item") == {"done": True}
    assert service.calls == calls


async def test_a_users_own_credentials_go_to_amazon_alone() -> None:
    assert AwsSettings.at("https://dynamodb.eu-west-1.amazonaws.com").access_key is None
    for url in ("http://127.0.0.1:8000", "https://dynamodb.amazonaws.com.example.org"):
        assert AwsSettings.at(url).access_key == "local"
