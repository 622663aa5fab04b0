"""Runs that lead to every await of the reference runtime that a captured run can lead to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from flowcraft_conformance import (
    DistributedAdapter,
    EdgeDefinition,
    IAsyncContext,
    JobDeferred,
    JobPayload,
    NodeConfig,
    NodeDefinition,
    NodeResult,
    PatchOperation,
    WebhookEndpoint,
    WorkflowBlueprint,
)
from flowcraft_conformance.checking.blueprints import EXAMPLES, WAITING, flow, node
from flowcraft_conformance.checking.dynamic_blueprints import again, batch, leave, loop, subflow
from flowcraft_conformance.contract.keys import CoordinationKeys
from flowcraft_conformance.harness.captured.scenario import Scenario, Step
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import Outcome, PossibleOutcomes
from reference_adapters.memory import MemoryContext
from tests.mutants.adapters import QueuelessAdapter


class PlainContext:
    """A context in memory without the guarded patch."""

    def __init__(self, inner: MemoryContext) -> None:
        self._inner = inner

    async def get(self, key: str) -> Any:
        return await self._inner.get(key)

    async def set(self, key: str, value: Any) -> None:
        await self._inner.set(key, value)

    async def has(self, key: str) -> bool:
        return await self._inner.has(key)

    async def delete(self, key: str) -> bool:
        return await self._inner.delete(key)

    async def to_dict(self) -> dict[str, Any]:
        return await self._inner.to_dict()

    async def patch(self, operations: list[PatchOperation]) -> None:
        await self._inner.patch(operations)


class UnguardedAdapter(QueuelessAdapter):
    """The reference adapter on contexts without ``patch_if_absent``."""

    def create_context(self, run_id: str) -> IAsyncContext:
        return PlainContext(MemoryContext(self.backend, run_id))  # type: ignore[return-value]


class QueueRetriesAdapter(QueuelessAdapter):
    """The reference adapter, whose retries are the queue's, and which looks something up before each job."""

    async def on_job_start(self, run_id: str, blueprint_id: str, node_id: str) -> None:
        await self.coordination_store.get(f"rate:{blueprint_id}:{node_id}")

    def should_retry_in_process(self, node: NodeDefinition) -> bool:
        return False


class WebhookAdapter(QueuelessAdapter):
    """The reference adapter, with webhooks that are kept in its store."""

    async def register_webhook_endpoint(self, run_id: str, node_id: str) -> WebhookEndpoint:
        await self.coordination_store.set_if_not_exist(f"webhook:{run_id}:{node_id}", node_id, 60)
        return WebhookEndpoint(f"https://example.org/{run_id}/{node_id}", node_id)


def resume(node_id: str | None, output: Any, *, times: int = 1, lose_jobs: bool = False) -> Step:
    """A client that resumes; ``lose_jobs``: what it enqueued is lost."""

    async def resume_run(world: World, client: DistributedAdapter) -> None:
        for _ in range(times):
            await client.resume_with_action(world.run_id, "yes", output, node_id=node_id)
        if lose_jobs:
            world.queue.clear()

    return resume_run


async def reconcile(world: World, client: DistributedAdapter) -> None:
    """A client that looks after the run, and again when the claim of one that died here has expired."""
    await client.reconcile(world.run_id)
    await world.clock.sleep(world.scenario.ttls.nodelock + 1)
    await client.reconcile(world.run_id)


def lose_after(count: int) -> Step:
    """So many jobs are done, and the others are lost."""

    async def lose(world: World, client: DistributedAdapter) -> None:
        await client.start_run(world.scenario.blueprint.id, {"k": 1}, world.run_id)
        for _ in range(count):
            if world.queue:
                with suppress(JobDeferred):
                    await client.handle_job(world.queue.pop(0).job)
        world.queue.clear()

    return lose


async def start_again(world: World, client: DistributedAdapter) -> None:
    """A client that was not sure."""
    await client.start_run(world.scenario.blueprint.id, {}, world.run_id)


async def enqueue_only(world: World, client: DistributedAdapter) -> None:
    """Somebody who puts a job on the queue and starts no run."""
    await client.enqueue_job(JobPayload(world.run_id, world.scenario.blueprint.id, "a"))


async def enqueue_unknown(world: World, client: DistributedAdapter) -> None:
    """The same, of a blueprint that nobody has."""
    await client.enqueue_job(JobPayload(world.run_id, _UNKNOWN, "a"))


async def give_up(world: World, client: DistributedAdapter) -> None:
    """A dead-letter consumer that got the job of the resumed node."""
    await client.abandon_job(JobPayload(world.run_id, world.scenario.blueprint.id, "w"), "delivered too often")


def undo_end(last: str, *, told: bool = False) -> Step:
    """As if the worker of the last node and its job were lost shortly before the end of the run: before it decided on
    the end, or ``told``: before it told the client.
    """

    async def undo(world: World, _client: DistributedAdapter) -> None:
        context = world.open_context()
        status = await context.get("_status")
        if told and status is not None:
            await context.set("_status", {**status, "published": False})
        else:
            await context.delete("_status")
        await context.delete(f"_walked.{last}")
        store = await world.harness.create_store()
        await store.delete(CoordinationKeys(world.run_id).final())
        world.published.clear()

    return undo


@dataclass(frozen=True, slots=True)
class Reach:
    """A scenario, the adapter it is run on, and what may come of it where the oracle is not asked."""

    name: str
    scenario: Scenario
    adapter: type[QueuelessAdapter] = QueuelessAdapter
    answers: Mapping[str, NodeResult] | None = None
    allowed: PossibleOutcomes | None = None
    twice: bool = False
    """Whether workers are killed too that woke up late, and those that go on after another was killed at the end."""


def _of(name: str, *steps: Step, adapter: type[QueuelessAdapter] = QueuelessAdapter, **answers: NodeResult) -> Reach:
    blueprint = {**EXAMPLES, **WAITING}[name]
    return Reach(f"{name} on {adapter.__name__}", Scenario(blueprint, kit_registry, {"k": 1}, steps), adapter, answers)


def _own(
    name: str, *parts: Any, adapter: type[QueuelessAdapter] = QueuelessAdapter, steps: Any = (), **more: Any
) -> Reach:
    return Reach(name, Scenario(flow(name, *parts), kit_registry, {"k": 1}, steps), adapter, **more)


def _added(name: str, *parts: Any, done: int) -> Reach:
    return Reach(name, Scenario(flow(name, *parts), kit_registry, {"k": 1}, (reconcile,), first=lose_after(done)))


def _with(name: str, child: WorkflowBlueprint, *parts: Any) -> Reach:
    return Reach(name, Scenario(flow(name, *parts), kit_registry, {"k": 1}, blueprints=(child,)))


_YES = NodeResult(1, "yes")
_KID = flow("kid", node("x", "put", set={"n": 1}, delete=["gone"]), "x>z",
            EdgeDefinition("x", "y", condition="context['n'] == 1"))  # fmt: skip
_INNER = [node("m", "add", nodes=[node("o").to_dict()]).to_dict()]
_UNKNOWN = "nobody-knows-this"
_NO_BLUEPRINT = PossibleOutcomes((Outcome("failed", {}, _UNKNOWN),), complete=True)
_ABANDONED = PossibleOutcomes((Outcome("failed", {}, "w"),), complete=True)
_PATIENT = NodeConfig(max_retries=3, retry_delay=1000)

REACH: tuple[Reach, ...] = (
    *(_of(name) for name in ("any", "skipped-join", "action", "transform", "inputs", "fallback")),
    *(replace(_of(name), twice=True) for name in ("diamond", "failure")),
    *(_of(name, adapter=UnguardedAdapter) for name in ("diamond", "any", "failure", "writes")),
    _of("wait", resume("w", 1, times=2), w=_YES),
    _of("wait", resume("w", 1), adapter=UnguardedAdapter, w=_YES),
    _of("wait", reconcile, resume("w", 1, lose_jobs=True), reconcile, w=_YES),
    _of("wait-beside-work", reconcile, resume(None, 1), w=_YES),
    Reach("given up", Scenario(WAITING["wait"], kit_registry, {}, (resume("w", 1, lose_jobs=True), give_up)),
          allowed=_ABANDONED),
    _of("diamond", start_again),
    _of("chain", undo_end("c"), reconcile),
    _of("chain", undo_end("c", told=True), reconcile),
    _of("two-sinks", undo_end("c"), reconcile),
    Reach("not started", Scenario(EXAMPLES["chain"], kit_registry, first=enqueue_only)),
    Reach("unknown", Scenario(EXAMPLES["chain"], kit_registry, first=enqueue_unknown), allowed=_NO_BLUEPRINT),
    _of("failure-at-once", undo_end("a"), reconcile),
    _own("condition-on-state", EdgeDefinition("a", "b", condition="k == 1 and context['k'] == 1")),
    _own("action-and-state", node("a", "act", action="go"), EdgeDefinition("a", "b", action="go", condition="k == 1"),
         EdgeDefinition("a", "c", action="go", transform="k")),
    _own("input-by-name", NodeDefinition("b", "echo", {"name": "b"}, inputs="k"), "a>b",
         NodeDefinition("c", "echo", {"name": "c"}, inputs={"own": "_outputs.a"}), "b>c"),
    _own("delays", node("a", "flaky", failures=2, config=_PATIENT), "a>b",
         NodeDefinition("s", "sleep", {"duration": 5000, "name": "s"}), "b>s"),
    _own("long", node("a", "slow", seconds=500), "a>b"),
    _own("timed", node("a", "put", set={"k": 2}, delete=["gone"], config=NodeConfig(timeout=5000)), "a>b"),
    _own("retries-of-the-queue", node("a", "flaky", failures=2, config=_PATIENT), "a>b",
         adapter=QueueRetriesAdapter),
    _own("fallback-after-the-queue", node("a", "fail", config=NodeConfig(max_retries=2, fallback="f")), node("f"),
         "a>b",
         adapter=QueueRetriesAdapter),
    _own("webhook", NodeDefinition("w", "webhook"), "a>w w>b", adapter=WebhookAdapter, steps=(resume("w", 1),),
         answers={"w": _YES}),
    _own("loops", node("b", "count"), NodeDefinition("w", "wait"), node("c", "count", key="m"), loop("l", "n < 3"),
         loop("o", "m < 1"), "b>w w>l", again("l", "b"), leave("l", "c", transform="input"), "c>o", again("o", "b"),
         steps=(resume(None, 1), resume(None, 1), reconcile, resume(None, 1)), answers={"w": _YES}),
    _added("batch", node("a", "constant", value=[1, 2, 3]), *batch("s", "a", chunk=2, key="all"), "a>s", done=3),
    _added("added", node("a", "add", nodes=_INNER), "a>b", done=2),
    _with("subflow", _KID, subflow("p", "kid", inputs={"n": "k", "from": "a"}, outputs={"m": "n", "of": "y"}), "a>p"),
    _with("small-subflow", flow("one", node("x")), subflow("p", "one")),
)  # fmt: skip
"""The scenarios."""
