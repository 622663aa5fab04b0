"""Worker processes make the store and the contexts of an adapter as the first process does: from its harness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    FinalResult,
    IAsyncContext,
    JobPayload,
    redis_service,
)
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import PatchOperation
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.harnesses import harness_class
from reference_adapters.memory import MemoryHarness, SharedMemoryStore
from reference_adapters.redis_bullmq import (
    RedisBullMQAdapter,
    RedisBullMQHarness,
    RedisContext,
    RedisCoordinationStore,
    connect,
)
from tests.right.contexts_files import FileContext
from tests.support import Outcome, judge, opened, opened_adapter


class _CountsInTwoCalls(RedisCoordinationStore):
    async def increment(self, key: str, ttl_seconds: int) -> int:
        count = int(await self.get(key) or 0) + 1
        await self._redis("SET", self._name(key), str(count), "EX", ttl_seconds)
        return count


class CountsInTwoCallsHarness(RedisBullMQHarness):
    """Its store is right as long as nobody else counts."""

    async def create_store(self) -> RedisCoordinationStore:
        return _CountsInTwoCalls(self._client(), prefix=self._prefix)


class _PatchesOneByOne(RedisContext):
    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for one in operations:
            await super().patch([one])


class PatchesOneByOneHarness(RedisBullMQHarness):
    """A patch of its contexts is cut in half by a kill."""

    async def create_adapter(self, options: AdapterOptions) -> RedisBullMQAdapter:
        adapter = await super().create_adapter(options)
        adapter.create_context = lambda run_id: _PatchesOneByOne(adapter._redis, run_id, prefix=self._prefix)  # type: ignore[method-assign]
        return adapter


class BareOnRedis(BaseDistributedAdapter):
    """Built from its options alone, with contexts that every process sees."""

    def create_context(self, run_id: str) -> IAsyncContext:
        return RedisContext(self._client, run_id)

    @cached_property
    def _client(self) -> Any:
        return connect(redis_service().url)

    async def disconnect(self) -> None:
        """Close the client, where there is one."""
        if "_client" in self.__dict__:
            await self.__dict__.pop("_client").aclose()

    async def process_jobs(self, handler: object) -> None:
        raise NotImplementedError

    async def enqueue_job(self, job: JobPayload) -> None:
        raise NotImplementedError

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        raise NotImplementedError(json.dumps(result.to_wire()))


def _judge(target: AdapterTarget, part: Target, clause: str) -> Outcome:
    factory = target.create_store if part is Target.STORE else target.create_context
    return judge(part, factory, target.settings_of(part), clause)


def test_the_parts_of_a_shared_adapter_are_raced_and_killed_between_processes() -> None:
    with opened_adapter(RedisBullMQHarness) as target:
        for part, clause in (
            (Target.STORE, "COORD-PROC-01"), (Target.STORE, "COORD-INC-05"), (Target.CONTEXT, "PATCH-ATOM-01"),
        ):  # fmt: skip
            assert _judge(target, part, clause) == (Verdict.PASS, "")


def test_a_store_that_is_wrong_between_processes_is_caught() -> None:
    with opened_adapter(CountsInTwoCallsHarness) as target:
        assert _judge(target, Target.STORE, "COORD-PROC-01")[0] is Verdict.FAIL


def test_a_patch_that_a_kill_cuts_in_half_is_caught() -> None:
    with opened_adapter(PatchesOneByOneHarness) as target:
        assert _judge(target, Target.CONTEXT, "PATCH-ATOM-01")[0] is Verdict.FAIL


def test_an_adapter_of_one_process_is_unsupported_and_says_so() -> None:
    with opened_adapter(MemoryHarness) as target:
        verdict, said = _judge(target, Target.STORE, "COORD-PROC-01")
    assert verdict is Verdict.UNSUPPORTED
    assert "processes is declared False" in said


def test_what_a_bare_class_shares_is_found_out() -> None:
    assert harness_class(BareOnRedis).capabilities.processes is False
    assert harness_class(BareOnRedis, SharedMemoryStore).capabilities.processes is None
    redis_service()  # before the worker processes, which would each start one of their own
    with opened_adapter(BareOnRedis) as target:
        target.settings_of(Target.CONTEXT).surroundings.pool()  # raises where it accuses or refuses


def test_where_there_are_only_files_no_address_is_asked_for() -> None:
    with opened(Target.CONTEXT, FileContext) as settings:
        verdict, said = judge(Target.CONTEXT, FileContext, settings, "PATCH-COST-01")
    assert verdict is Verdict.UNTESTED
    assert said.startswith("no proxy stands before its backend, and none can: it reaches a file and no server")
