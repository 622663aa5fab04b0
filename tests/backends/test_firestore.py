"""What only Firestore has: its limits, its layouts, its reserved names, documents that must be there to be updated."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import google.auth
import pytest
import pytest_asyncio
from google.api_core.exceptions import Aborted, GoogleAPICallError, InternalServerError, ServiceUnavailable
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import AsyncClient

from flowcraft_conformance import DeleteOp, FinalResult, IGuardedContext, PatchOperation, SetOp
from reference_adapters.firestore_pubsub import (
    FirestoreClient,
    GoogleSettings,
    KeyDocumentsContext,
    PubSubClient,
    RunDocumentContext,
    delete_collections,
    key_documents,
    read_result,
    run_document,
)
from reference_adapters.firestore_pubsub import clients as clients_module
from reference_adapters.firestore_pubsub.names import key_of, name_of, path_of
from reference_adapters.firestore_pubsub.results import write_result
from tests.backends.google import Database, database

pytestmark = pytest.mark.asyncio

Make = Callable[[str], IGuardedContext]
_LIMITS = {"run": run_document.MAX_PATCH_OPERATIONS, "key": key_documents.MAX_PATCH_OPERATIONS}


@pytest_asyncio.fixture
async def db() -> AsyncIterator[Database]:
    async with database() as made:
        yield made


def _contexts(db: Database, layout: str) -> Make:
    if layout == "run":
        return lambda run_id: RunDocumentContext(db.client, db.collections.runs, run_id)
    return lambda run_id: KeyDocumentsContext(db.client, db.collections.run_keys, run_id)


@pytest_asyncio.fixture(params=["run", "key"])
async def make(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Make]:
    yield _contexts(db, request.param)


async def _documents(db: Database, collection: str) -> int:
    async def once(client: AsyncClient) -> int:
        return len([document async for document in client.collection(collection).list_documents()])

    return await db.client(once)


async def test_a_state_of_five_megabytes_in_one_document_a_key(db: Database) -> None:
    context, reader = _contexts(db, "key")("big"), _contexts(db, "key")("big")
    want = {f"_outputs.{number}": f"{number}:" + "x" * 500_000 for number in range(11)}
    operations = [SetOp(key, value) for key, value in want.items()]
    for start in range(0, len(operations), 6):
        await context.patch(operations[start : start + 6])
    assert sum(len(value) for value in want.values()) > 5 * 1024 * 1024
    assert await reader.to_dict() == want
    await context.patch([SetOp("_outputs.7", "small"), DeleteOp("_outputs.8")])
    assert await reader.get("_outputs.7") == "small"
    assert not await reader.has("_outputs.8")
    await write_result(db.client, db.collections.results, "big", FinalResult("completed", want))
    assert await read_result(db.client, db.collections.results, "big") == FinalResult("completed", want)


async def test_a_state_that_one_document_cannot_hold_is_refused_with_the_way_out(db: Database) -> None:
    context = _contexts(db, "run")("r")
    want = {"a": "x" * 600_000}
    await context.set("a", want["a"])
    with pytest.raises(ValueError, match="one document a key"):
        await context.set("b", "y" * 600_000)
    with pytest.raises(ValueError, match="one document a key"):
        await context.patch([DeleteOp("c"), SetOp("b", "y" * 600_000)])
    with pytest.raises(ValueError, match="one document a key"):
        await context.patch_if_absent("c", [SetOp("b", "y" * 600_000)])
    assert await context.to_dict() == want


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_a_patch_beyond_the_limit_raises_and_changes_nothing(db: Database, layout: str) -> None:
    context, most = _contexts(db, layout)("r"), _LIMITS[layout]
    full: list[PatchOperation] = [SetOp(f"k{number}", number) for number in range(most)]
    assert await context.patch_if_absent("guard", full)
    with pytest.raises(ValueError, match="at most"):
        await context.patch([*full, DeleteOp("one more")])
    assert await context.to_dict() == {f"k{number}": number for number in range(most)}
    await context.patch([*full[:5], *full[:5], SetOp("k0", "last")])  # the later one counts
    assert await context.get("k0") == "last"


async def test_no_key_meets_a_reserved_name_or_becomes_a_path(make: Make) -> None:
    names = ["", ".", "..", "a.b", "a", "a/b", "__a__", "__name__", "`", "\\`", "a[0]", "~*/[]", "%2F", "/", "%", "k."]
    names += ["\r", "\r\n", "\n", "%0D", "\0", "é" * 120]
    context = make("r/1")
    for name in names:
        await context.set(name, name)
    assert await context.to_dict() == {name: name for name in names}
    await context.patch([SetOp(name, [name]) for name in names])
    for name in names:
        assert await context.get(name) == [name]
        assert not await context.patch_if_absent(name, [SetOp("other", 1)])
        assert await context.delete(name)
    assert await context.to_dict() == {}


async def test_names_have_1500_bytes_and_longer_keys_are_refused(make: Make) -> None:
    context = make("r")
    longest = "k" * 1496  # two more of ours, and two quotes where it is the name of a field
    await context.set(longest, 1)
    assert await context.get(longest) == 1
    for key in ("k" * 1499, "/" * 500):
        with pytest.raises(ValueError, match="at most 1500 bytes"):
            await context.set(key, 1)
    assert await context.to_dict() == {longest: 1}


@pytest.mark.parametrize("text", ["a", "%", "%2F", "/", "a/b%0D\r", "ü/ü", ""])
async def test_a_key_is_the_same_after_its_name(text: str) -> None:
    assert key_of(name_of(text)) == text
    assert "/" not in name_of(text)
    assert path_of("a.b") == "`k.a.b`"


async def test_a_map_replaces_the_one_that_is_there_as_a_whole(make: Make) -> None:
    """As Firestore's own values, maps are merged by set(merge=True), and a list in a list is refused."""
    context = make("r")
    await context.set("m", {"a": 1, "b": {"c": 2}})
    await context.patch([SetOp("m", {"b": {"d": [[3]]}})])
    assert await context.get("m") == {"b": {"d": [[3]]}}


async def test_numbers_are_exact(make: Make) -> None:
    """Firestore's own numbers have 64 bits."""
    numbers = [10**60 + 1, 2**63, 1e-200, 1e300, 0.1 + 0.2, -0.0, 1, 1.0, 2**53]
    context = make("r")
    await context.set("n", numbers)
    got = await context.get("n")
    assert [repr(number) for number in got] == [repr(number) for number in numbers]
    assert math.copysign(1, got[5]) == -1


@pytest.mark.parametrize("layout", ["run", "key"])
async def test_only_deletes_make_no_document_of_a_run_without_state(db: Database, layout: str) -> None:
    context = _contexts(db, layout)("r")
    await context.patch([DeleteOp("a"), DeleteOp("b")])
    await context.patch([])
    assert not await context.delete("a")
    assert await context.patch_if_absent("guard", [DeleteOp("a")])
    assert await _documents(db, db.collections.runs) + await _documents(db, db.collections.run_keys) == 0


async def test_a_new_document_comes_with_the_first_patch_though_it_deletes_too(make: Make) -> None:
    context = make("r")
    await context.patch([DeleteOp("a.b"), SetOp("c.d", 1)])
    assert await context.to_dict() == {"c.d": 1}


async def test_a_guard_that_the_patch_itself_does_not_touch(make: Make) -> None:
    context = make("r")
    assert await context.patch_if_absent("guard", [SetOp("a", 1)])
    assert await context.patch_if_absent("guard", [])
    await context.set("guard", 0)
    assert not await context.patch_if_absent("guard", [SetOp("a", 2)])
    assert not await context.patch_if_absent("guard", [DeleteOp("guard"), SetOp("a", 2)])
    assert not await context.patch_if_absent("guard", [])
    assert await context.to_dict() == {"a": 1, "guard": 0}


async def test_one_of_many_wins_a_guard_and_what_others_write_meanwhile_stays(make: Make) -> None:
    contexts = [make("r") for _ in range(8)]
    claims = [context.patch_if_absent("g", [SetOp("g", number)]) for number, context in enumerate(contexts)]
    writes = [context.set(f"w{number}", number) for number, context in enumerate(contexts)]
    won, _ = await asyncio.gather(asyncio.gather(*claims), asyncio.gather(*writes))
    assert won.count(True) == 1
    want = {f"w{number}": number for number in range(8)} | {"g": won.index(True)}
    assert await contexts[0].to_dict() == want


async def test_collections_can_be_removed_twice(db: Database) -> None:
    for layout in ("run", "key"):
        await _contexts(db, layout)("r").patch([SetOp(f"k{number}", 1) for number in range(450)])  # several pages
    await write_result(db.client, db.collections.results, "r", FinalResult("completed", {"x": "x" * 1_200_000}))
    await delete_collections(db.client, db.collections)
    await delete_collections(db.client, db.collections)
    assert [await _documents(db, name) for name in db.collections.names()] == [0, 0, 0]
    for layout in ("run", "key"):
        assert await _contexts(db, layout)("r").to_dict() == {}
    assert await read_result(db.client, db.collections.results, "r") is None


@pytest.mark.parametrize(
    ("refusal", "calls"),
    [(Aborted, 2), (InternalServerError, 1), (ServiceUnavailable, 1)],
    ids=["contention", "unknown", "away"],
)
async def test_only_what_was_surely_refused_is_sent_again(refusal: type[GoogleAPICallError], calls: int) -> None:
    made = 0

    async def once(_: AsyncClient) -> str:
        nonlocal made
        made += 1
        if made == 1:
            raise refusal("no")
        return "done"

    async with FirestoreClient(GoogleSettings.at("http://127.0.0.1:9")) as client:
        if calls == 1:
            with pytest.raises(refusal):
                await client(once)
        else:
            assert await client(once) == "done"
    assert made == calls


async def test_contention_that_does_not_end_ends_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients_module, "CALL_SECONDS", 0.2)

    async def never(_: AsyncClient) -> None:
        raise Aborted("others write")  # type: ignore[no-untyped-call]

    async with FirestoreClient(GoogleSettings.at("http://127.0.0.1:9")) as client:
        with pytest.raises(TimeoutError, match="firestore"):
            await asyncio.wait_for(client(never), 20)


async def test_a_users_own_credentials_go_to_google_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(**_: Any) -> None:
        raise AssertionError("the user's credentials were asked for")

    monkeypatch.setattr(google.auth, "default", ask)
    for url in ("http://127.0.0.1:8000", "http://firestore.googleapis.com", "https://x.googleapis.com.example.org"):
        async with FirestoreClient(GoogleSettings.at(url)) as client:
            await client._opened()
    async with FirestoreClient(GoogleSettings.at("https://firestore.googleapis.com")) as client:
        with pytest.raises(AssertionError, match="asked for"):
            await client._opened()


async def test_without_a_project_the_way_to_name_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))
    async with PubSubClient(GoogleSettings()) as client:
        with pytest.raises(ValueError, match="GOOGLE_CLOUD_PROJECT"):
            await client.topic("jobs")
    async with PubSubClient(GoogleSettings(project="shop")) as client:
        assert await client.topic("jobs") == "projects/shop/topics/jobs"
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, "theirs"))
    async with PubSubClient(GoogleSettings()) as client:
        assert await client.subscription("jobs") == "projects/theirs/subscriptions/jobs"


@pytest.mark.parametrize("library", ["google.cloud.firestore_v1", "google.pubsub_v1", "redis"])
async def test_a_library_that_is_missing_is_told_by_its_extra(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import reference_adapters.firestore_pubsub"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"pip install 'flowcraft-conformance[firestore]'" in said
