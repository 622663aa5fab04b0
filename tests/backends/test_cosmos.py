"""What only Cosmos DB has: ten operations a patch, removals that are refused, etags, items of 2 MB, names it takes."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from flowcraft_conformance import DeleteOp, FinalResult, SetOp
from reference_adapters.cosmos_azure_queue import (
    RUNS,
    Cosmos,
    CosmosAccount,
    QueueAccount,
    RunItemContext,
    WeakConsistencyError,
    read_result,
)
from reference_adapters.cosmos_azure_queue.accounts import COSMOS_KEY, QUEUE_KEY
from reference_adapters.cosmos_azure_queue.bare import bare_patch_of
from reference_adapters.cosmos_azure_queue.calls import OK, Items, require_strong
from reference_adapters.cosmos_azure_queue.names import item_id, key_of, property_of
from reference_adapters.cosmos_azure_queue.results import write_result
from tests.backends.azure import database


@pytest_asyncio.fixture
async def cosmos() -> AsyncIterator[Cosmos]:
    async with database() as made:
        yield made


class Requests(list[str]):
    """The requests for items that are sent, by the names of the client's methods."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        for name in ("read_item", "patch_item", "replace_item", "create_item"):
            monkeypatch.setattr(ContainerProxy, name, self._noting(name, getattr(ContainerProxy, name)))

    def _noting(self, name: str, method: Any) -> Any:
        async def noted(container: ContainerProxy, *arguments: Any, **options: Any) -> Any:
            self.append(name.removesuffix("_item"))
            return await method(container, *arguments, **options)

        return noted


def _sets(count: int, prefix: str = "k") -> list[SetOp]:
    return [SetOp(f"{prefix}{number}", number) for number in range(count)]


@pytest.mark.asyncio
async def test_up_to_ten_keys_are_one_request_and_more_are_one_write(
    cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = RunItemContext(cosmos, RUNS, "run")
    sent = Requests(monkeypatch)
    await context.set("first", 1)
    assert sent == ["patch", "read", "create"], "there was no item yet"
    sent.clear()
    await context.patch([*_sets(9), DeleteOp("first")])
    assert sent == ["patch"]
    sent.clear()
    assert await context.patch_if_absent("guard", [*_sets(9), SetOp("guard", 1)])
    assert not await context.patch_if_absent("guard", _sets(9))
    assert sent == ["patch", "patch"]
    sent.clear()
    await context.patch(_sets(11))
    assert sent == ["read", "replace"]
    sent.clear()
    await context.patch([*_sets(2), DeleteOp("never"), DeleteOp("k8")])
    assert sent == ["patch", "read", "patch"], "a removal of what is not there is refused as a whole"
    assert set(await context.to_dict()) == {f"k{number}" for number in (*range(8), 9, 10)} | {"guard"}


@pytest.mark.asyncio
async def test_large_and_small_patches_at_once_lose_nothing(cosmos: Cosmos) -> None:
    async def write(number: int, count: int) -> None:
        writer = RunItemContext(cosmos, RUNS, "run")
        await writer.patch([*_sets(count, f"{number}."), DeleteOp("not there")])

    await asyncio.gather(*[write(number, 15 if number % 2 else 3) for number in range(8)])
    state = await RunItemContext(cosmos, RUNS, "run").to_dict()
    assert state == {f"{number}.{key}": key for number in range(8) for key in range(15 if number % 2 else 3)}


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [3, 15], ids=["patched", "replaced"])
async def test_a_write_between_reading_and_writing_is_not_lost(
    cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    mine, other = RunItemContext(cosmos, RUNS, "run"), RunItemContext(cosmos, RUNS, "run")
    await mine.patch([SetOp("old", 1), SetOp("k0", "old")])
    read = Items.read
    intruded: list[str] = []

    async def overtaken(items: Items, key: str) -> dict[str, Any] | None:
        found = await read(items, key)
        if not intruded:
            intruded.append(key)
            await other.patch([SetOp("other", 2), DeleteOp("old")])
        return found

    monkeypatch.setattr(Items, "read", overtaken)
    await mine.patch([*_sets(count), DeleteOp("old"), DeleteOp("never")])
    assert intruded
    assert await other.to_dict() == {f"k{number}": number for number in range(count)} | {"other": 2}


@pytest.mark.asyncio
async def test_a_guard_that_comes_between_reading_and_writing_stops_a_large_patch(
    cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = RunItemContext(cosmos, RUNS, "run"), RunItemContext(cosmos, RUNS, "run")
    await mine.set("old", 1)
    read = Items.read
    won: list[bool] = []

    async def overtaken(items: Items, key: str) -> dict[str, Any] | None:
        found = await read(items, key)
        if not won:
            won.append(await other.patch_if_absent("guard", [SetOp("guard", "other")]))
        return found

    monkeypatch.setattr(Items, "read", overtaken)
    assert not await mine.patch_if_absent("guard", [*_sets(15), SetOp("guard", "mine")])
    assert won == [True]
    assert await other.to_dict() == {"old": 1, "guard": "other"}


@pytest.mark.asyncio
async def test_deleting_makes_no_item_and_an_item_is_what_the_page_says(cosmos: Cosmos) -> None:
    context, items = RunItemContext(cosmos, RUNS, "a/run"), Items(cosmos, RUNS)
    await context.patch([DeleteOp("a"), DeleteOp("b")])
    assert not await context.delete("a")
    assert await items.read(item_id("a/run")) is None
    await context.patch([SetOp("_outputs.Nodé", {"x": 1.0})])
    item = await items.read(item_id("a/run")) or {}
    own = {name: value for name, value in item.items() if not name.startswith("_")}
    assert own == {"id": item_id("a/run"), "run": "a/run", "k__5foutputs._4eod_c3_a9": '{"x":1.0}'}


@pytest.mark.asyncio
async def test_a_container_that_is_not_there_is_no_empty_state(cosmos: Cosmos) -> None:
    context = RunItemContext(cosmos, "nowhere", "run")
    for call in (context.get("a"), context.has("a"), context.delete("a"), context.to_dict(), context.set("a", 1)):
        with pytest.raises(CosmosResourceNotFoundError):
            await call


@pytest.mark.asyncio
async def test_a_result_of_five_megabytes(cosmos: Cosmos) -> None:
    result = FinalResult("completed", {f"_outputs.{number}": '"\\' * 25_000 for number in range(105)})
    assert await read_result(cosmos, "run") is None
    await write_result(cosmos, "run", result)
    assert await read_result(cosmos, "run") == result


@pytest.mark.asyncio
async def test_a_context_reads_what_the_bare_client_wrote(cosmos: Cosmos) -> None:
    context = RunItemContext(cosmos, RUNS, "run")
    async with bare_patch_of(cosmos.account, cosmos.database, "run") as patch:
        await patch(_sets(12))
        await patch([SetOp("k1", 1.5), DeleteOp("k0")])
    assert await context.to_dict() == {f"k{number}": number for number in range(2, 12)} | {"k1": 1.5}


class _Answers(Cosmos):
    """A container that answers with one status after the other, for what the stand-in never says."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(CosmosAccount("http://127.0.0.1:1", "key"), "none")
        self.left = list(statuses)

    async def container(self, name: str) -> Any:
        return self

    async def upsert_item(self, item: dict[str, Any], **_: Any) -> None:
        self._answer()

    async def patch_item(self, *_: Any, **__: Any) -> None:
        self._answer()

    def _answer(self) -> None:
        status = self.left.pop(0)
        if status != OK:
            raise CosmosHttpResponseError(status_code=status, message="as told")  # type: ignore[no-untyped-call]


@pytest.mark.asyncio
async def test_what_was_surely_refused_is_sent_again_and_nothing_else() -> None:
    answers = _Answers(449, 429, OK)
    await Items(answers, RUNS).put({"id": "a"})
    assert not answers.left
    for status in (408, 500, 503):
        answers = _Answers(status, OK)
        with pytest.raises(CosmosHttpResponseError):
            await Items(answers, RUNS).put({"id": "a"})
        assert answers.left == [OK]


@pytest.mark.asyncio
async def test_a_patch_that_is_wrong_by_itself_is_not_taken_for_a_removal_of_nothing() -> None:
    with pytest.raises(CosmosHttpResponseError, match="as told"):
        await RunItemContext(_Answers(400), RUNS, "run").set("a", 1)


@pytest.mark.asyncio
async def test_an_item_beyond_two_megabytes_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="2 MB"):
        await Items(_Answers(413), RUNS).put({"id": "a"})


@pytest.mark.parametrize("level", ["Session", "BoundedStaleness", "ConsistentPrefix", "Eventual", None])
def test_an_account_that_may_read_what_is_old_is_refused(level: str | None) -> None:
    with pytest.raises(WeakConsistencyError, match="--default-consistency-level Strong"):
        require_strong(level, "https://x")
    require_strong("Strong", "https://x")


def test_keys_go_to_azure_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COSMOS_KEY, "secret")
    monkeypatch.setenv(QUEUE_KEY, "secret")
    for url in ("http://127.0.0.1:1/a", "https://x.documents.azure.com.evil.org/", "https://evil.org/.azure.com"):
        assert "secret" not in (CosmosAccount.at(url).credential, str(QueueAccount.at(url).credential))
    assert CosmosAccount.at("https://x.documents.azure.com:443/").credential == "secret"
    assert QueueAccount.at("https://x.queue.core.windows.net").credential == "secret"
    assert "secret" not in repr(CosmosAccount.at("https://x.documents.azure.com:443/"))
    monkeypatch.delenv(COSMOS_KEY)
    with pytest.raises(KeyError, match=COSMOS_KEY):
        CosmosAccount.at("https://x.documents.azure.com:443/")


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(_TEXT)
def test_every_key_comes_back_from_its_property(key: str) -> None:
    name = property_of(key)
    assert key_of(name) == key
    assert re.fullmatch(r"k_[a-z0-9._-]*", name), "neither a path nor a condition has anything to escape"


def test_properties_of_the_items_own_are_no_keys() -> None:
    for name in ("id", "run", "_etag", "_ts", "k", "K_a"):
        assert key_of(name) is None


@given(_TEXT, _TEXT)
def test_ids_of_different_runs_never_meet(one: str, other: str) -> None:
    assert (item_id(one) == item_id(other)) == (one == other)
    assert re.fullmatch(r"[rh]\.[A-Za-z0-9._-]{1,128}", item_id(one))


@pytest.mark.parametrize(
    ("run_id", "readable"), [("order-17", True), ("x" * 128, True), ("x" * 129, False), ("a/b", False), ("", False)]
)
def test_plain_run_ids_stay_readable(run_id: str, readable: bool) -> None:
    assert (item_id(run_id) == f"r.{run_id}") == readable


def test_a_lone_surrogate_is_refused() -> None:
    for make in (item_id, property_of):
        with pytest.raises(UnicodeEncodeError):
            make("\ud800")


@pytest.mark.parametrize("missing", ["azure.cosmos", "azure.storage.queue", "aiohttp", "redis"])
def test_a_missing_client_library_says_which_extra_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import reference_adapters.cosmos_azure_queue"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].endswith("pip install 'flowcraft-conformance[cosmos]'")
