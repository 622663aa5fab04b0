"""An error of the kit's own in a captured run is never told as the adapter's, nor the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    BaseDistributedAdapter,
    JobPayload,
    PatchOperation,
)
from flowcraft_conformance.checking.blueprints import EXAMPLES
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.captured.delivering import Delivering
from flowcraft_conformance.harness.captured.happenings import Happenings
from flowcraft_conformance.harness.captured.judging import Problem, judge
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.records import CallSeen, LiveKeys
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.worker import Worker
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.errors import InternalError
from flowcraft_conformance.harness.nodes import kit_registry
from reference_adapters.memory import MemoryBackend, MemoryContext, MemoryCoordinationStore
from tests.empty_folder import prepare, run
from tests.mutants.adapters import QueuelessAdapter, QueuelessHarness, harness_of

_DIAMOND = Scenario(EXAMPLES["diamond"], kit_registry)


class _Slip(Exception):
    """A mistake, the kit's or the target's."""


def _slip(*_: Any, **__: Any) -> Any:
    raise _Slip("off by one")


def _run(harness: type[AdapterHarness], plan: str = "plain", scenario: Scenario = _DIAMOND) -> Problem | None:
    async def body() -> Problem | None:
        trace = await Captured(harness("test")).run_plan(scenario, Plan.decode(plan))
        return judge(trace, await _DIAMOND.outcomes())

    return asyncio.run(body())


# The kit's


@pytest.mark.parametrize(
    ("owner", "name", "plan"),
    [
        (LiveKeys, "arm", "plain"),
        (LiveKeys, "expired", "plain"),
        (World, "note_call", "plain"),
        (World, "note_execution", "plain"),
        (Worker, "_held", "plain"),
        (Happenings, "at", "plain"),
        (Happenings, "_expire", "x30:0"),
        (Happenings, "_pause", "p9"),
        (Delivering, "_finish", "plain"),
        (Delivering, "due", "plain"),
    ],
)
def test_code_of_the_kit_that_fails_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, owner: type[Any], name: str, plan: str
) -> None:
    monkeypatch.setattr(owner, name, _slip)
    with pytest.raises(InternalError, match=rf"(?s)internal error of the kit in .*'diamond', plan {plan}.*_Slip: off"):
        _run(QueuelessHarness, plan)


def test_it_is_one_also_where_the_adapter_has_swallowed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    note_call = World.note_call

    def fails_at_events(self: World, worker: Worker, part: str, *rest: Any) -> CallSeen:
        return _slip() if part == "bus" else note_call(self, worker, part, *rest)

    monkeypatch.setattr(World, "note_call", fails_at_events)
    with pytest.raises(InternalError):
        _run(QueuelessHarness)  # whose runtime lets no failure of the bus harm a run


def test_a_client_of_the_kit_that_fails_is_an_internal_error() -> None:
    async def steps_wrongly(world: World, client: DistributedAdapter) -> None:
        await client.start_run(world.scenario.blueprint.id, {}, world.run_id)
        _slip()

    with pytest.raises(InternalError, match="_Slip"):
        _run(QueuelessHarness, scenario=Scenario(EXAMPLES["diamond"], kit_registry, first=steps_wrongly))


def test_it_is_inconclusive_and_shown_as_what_it_is(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "from flowcraft_conformance.harness.captured.records import LiveKeys\nLiveKeys.arm = None\n"
    folder = prepare(pytester, monkeypatch, mine=f"{broken}from reference_adapters.memory import MemoryHarness")
    shown = run(folder, "--flowcraft-adapter=mine:MemoryHarness", "-k", "JOIN-ALL-01")
    shown.stdout.fnmatch_lines(
        ["*InternalError: an internal error of the kit in a captured run*", "*JOIN-ALL-01*", "verdict: inconclusive*"]
    )
    assert "JOIN-ALL-01 fail" not in shown.stdout.str()
    assert shown.ret == 1


# The target's


class _GivesNoThirdAdapter(QueuelessHarness):
    made = 0

    async def create_adapter(self, options: AdapterOptions) -> BaseDistributedAdapter:
        self.made += 1
        return _slip() if self.made > 2 else await super().create_adapter(options)


class _HasNoStartRun(QueuelessAdapter):
    start_run: Any = None


class _StartFails(QueuelessAdapter):
    async def start_run(
        self, blueprint_id: str, initial_context: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> str:
        return _slip()  # type: ignore[no-any-return]


class _EveryJobFails(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        _slip()


class _CancelsItself(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)


class _PublishesNothing(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        await self.publish_final_result(job.run_id, None)  # type: ignore[arg-type]


class _TellsTheBusNothing(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        bus: Any = self.options.event_bus
        await bus.emit("job:processed", None)


class _SleepsForAWord(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        clock: Any = self.runtime_options.clock
        await clock.sleep("long")


class _LocksForAWord(QueuelessAdapter):
    async def handle_job(self, job: JobPayload) -> None:
        await self.coordination_store.increment("k", "long")  # type: ignore[arg-type]


class _TakesAnyTtl(MemoryCoordinationStore):
    async def increment(self, key: str, ttl_seconds: int) -> int:
        return 1


class _TakesAnyTtlHarness(QueuelessHarness):
    adapter = _LocksForAWord

    async def create_store(self) -> MemoryCoordinationStore:
        return _TakesAnyTtl(self.backend)


class _CannotBeWritten(MemoryContext):
    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        return _slip()  # type: ignore[no-any-return]


class _CannotWriteItsState(QueuelessAdapter):
    def create_context(self, run_id: str) -> MemoryContext:
        return _CannotBeWritten(self.backend, run_id)


@pytest.mark.parametrize(
    ("harness", "got"),
    [
        (_GivesNoThirdAdapter, "the run did not end: _Slip: off by one"),
        (harness_of(_HasNoStartRun), "a client did not get through with start: TypeError"),
        (harness_of(_StartFails), "a client did not get through with start: _Slip"),
        (harness_of(_EveryJobFails), "published failed"),
        (harness_of(_CancelsItself), "published failed"),
        (harness_of(_PublishesNothing), "published failed"),
        (harness_of(_TellsTheBusNothing), "published failed"),
        (harness_of(_SleepsForAWord), "published failed"),
        (_TakesAnyTtlHarness, "published failed"),
        (harness_of(_CannotWriteItsState), "_Slip"),
    ],
)
def test_what_the_target_raises_is_the_targets(harness: type[AdapterHarness], got: str) -> None:
    problem = _run(harness)
    assert problem is not None
    assert got in problem.got


class _KeysStay(MemoryCoordinationStore):
    asked = 0

    async def delete(self, key: str) -> None:
        self.asked += 1
        _slip()


def test_a_store_that_fails_where_the_kit_itself_calls_it_is_the_targets() -> None:
    store = _KeysStay(MemoryBackend())

    class KeysStay(QueuelessHarness):
        async def create_store(self) -> MemoryCoordinationStore:
            return store

    async def body() -> None:
        world = await Captured(KeysStay("test")).world(_DIAMOND, Plan.decode("p20"))
        await world.run()  # raises nothing: the adapter gets over it
        assert store.asked > sum(call.name == "delete" for call in world.calls)

    asyncio.run(body())


class _AsksTheStoreFirst(QueuelessAdapter):
    async def open(self) -> None:
        await self.coordination_store.get("ready?")


def test_a_failure_that_the_plan_asks_for_is_nobodys_internal_error() -> None:
    for at in range(12):
        _run(harness_of(_AsksTheStoreFirst), f"f{at}")
