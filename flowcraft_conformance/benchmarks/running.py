"""Workflows a second on an adapter with so many workers, and how long a job waits until its node starts."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from flowcraft_conformance.benchmarks.plan import BenchPlan
from flowcraft_conformance.benchmarks.rounds import WARM_UP_CALLS, Lane, NotMeasuredError, Now, Series, measure
from flowcraft_conformance.benchmarks.states import Case, build_state
from flowcraft_conformance.contract.blueprint import EdgeDefinition, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import FinalResult, JobPayload, NodeContext, SetOp
from flowcraft_conformance.harness.adapter_harness import AdapterHarness

CHAIN = "chain of 20"
FAN = "fan-out and fan-in of 50"
PIPELINE = "large-state pipeline of 10"
WORKFLOWS = (CHAIN, FAN, PIPELINE)

_WRITTEN_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """One workflow with so many workers. ``waits``: seconds from enqueue_job being called to its node starting."""

    workflow: str
    workers: int
    nodes: int
    state_bytes: int
    runs: int
    series: Series
    waits: Sequence[float]


async def measure_flows(
    harness: type[AdapterHarness], plan: BenchPlan, *, now: Now, within: float, seed: int
) -> list[FlowFigures]:
    """Every workflow with every number of workers; the workflows side by side, one number of workers after the other.

    Each number has a scope of its own, but a bare adapter class may know no scopes: its workers must not meet.
    ``within``: seconds that the runs of one round may take.
    """
    found = [
        await _with_workers(_Rig(harness, count, plan.flow_runs, now), plan, within, seed) for count in plan.workers
    ]
    return [figures for name in WORKFLOWS for every in found for figures in every if figures.workflow == name]


async def _with_workers(rig: _Rig, plan: BenchPlan, within: float, seed: int) -> list[FlowFigures]:
    state = build_state(Case(plan.pipeline_bytes), rig.harness.capabilities.max_value_bytes, seed)
    large = {operation.key: operation.value for operation in state.full[0] if isinstance(operation, SetOp)}
    async with AsyncExitStack() as stack:
        await rig.open(stack)
        lanes = [
            Lane(name, partial(rig.round, name, large if name == PIPELINE else {}), plan.flow_runs)
            for name in WORKFLOWS
        ]
        measured = await measure(lanes, plan.flow_rounds, now=rig.now, call_within=within, dice=random.Random(seed))
    return [
        FlowFigures(
            name, rig.workers, len(_nodes(name)), state.size if name == PIPELINE else 0, plan.flow_runs,
            measured[name], tuple(rig.waits[name]),
        )
        for name in WORKFLOWS
    ]  # fmt: skip


@dataclass(slots=True, eq=False)
class _Rig:
    """Workers and one client of one scope. Each run of a round has its own blueprint, so that nodes know theirs."""

    harness: type[AdapterHarness]
    workers: int
    runs: int
    now: Now
    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WORKFLOWS})
    _rounds: Counter[str] = field(default_factory=Counter)
    _enqueued: dict[tuple[str, str], float] = field(default_factory=dict)
    _ends: dict[str, asyncio.Future[FinalResult]] = field(default_factory=dict)
    _client: Any = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Set the scope up and start the workers; the stack closes and removes them."""
        harness = self.harness(f"fb{uuid.uuid4().hex[:10]}")
        await harness.setup()
        stack.push_async_callback(harness.teardown)
        for number in range(self.workers + 1):
            adapter = await harness.create_adapter(AdapterOptions(self._options(), await harness.create_store()))
            self._watch(adapter)
            if number == 0:
                await adapter.open()
                self._client = adapter
            else:
                await adapter.start()
            stack.push_async_callback(adapter.close)

    async def round(self, workflow: str, initial: Mapping[str, Any], _number: int) -> None:
        """Start the runs of one round and wait for the end of all.

        Raises:
            NotMeasuredError: a run failed.
        """
        self._rounds[workflow] += 1
        ends = []
        for slot in range(self.runs):
            run_id = f"fc-bench-{uuid.uuid4().hex[:12]}"
            self._ends[run_id] = asyncio.get_running_loop().create_future()
            ends.append(self._ends[run_id])
            await self._client.start_run(_blueprint_id(workflow, slot), initial, run_id)
        for result in await asyncio.gather(*ends):
            if result.status != "completed":
                raise NotMeasuredError(f"a run of the {workflow} failed: {result.reason}")

    def _options(self) -> RuntimeOptions:
        blueprints = [_blueprint(name, slot) for name in WORKFLOWS for slot in range(self.runs)]
        return RuntimeOptions(
            registry={"step": self._step, "write": self._write},
            blueprints={blueprint.id: blueprint for blueprint in blueprints},
        )

    def _watch(self, adapter: Any) -> None:
        """Note when jobs are enqueued and when runs end."""
        enqueue, publish = adapter.enqueue_job, adapter.publish_final_result

        async def enqueue_job(job: JobPayload) -> None:
            self._enqueued.setdefault((job.blueprint_id, job.node_id), self.now())
            await enqueue(job)

        async def publish_final_result(run_id: str, result: FinalResult) -> None:
            await publish(run_id, result)
            end = self._ends.pop(run_id, None)
            if end is not None and not end.done():
                end.set_result(result)

        adapter.enqueue_job = enqueue_job
        adapter.publish_final_result = publish_final_result

    def _started(self, given: NodeContext) -> None:
        enqueued = self._enqueued.pop((given.params["flow"], given.params["name"]), None)
        if enqueued is not None and self._rounds[given.params["workflow"]] > WARM_UP_CALLS:
            self.waits[given.params["workflow"]].append(self.now() - enqueued)

    async def _step(self, given: NodeContext) -> str:
        self._started(given)
        return str(given.params["name"])

    async def _write(self, given: NodeContext) -> str:
        self._started(given)
        await given.context.set(f"written.{given.params['name']}", "x" * _WRITTEN_BYTES)
        return str(given.params["name"])


def _blueprint_id(workflow: str, slot: int) -> str:
    return f"{workflow.replace(' ', '-')}-{slot}"


def _nodes(workflow: str) -> list[str]:
    if workflow == FAN:
        return ["start", *(f"branch{number}" for number in range(50)), "end"]
    return [f"step{number}" for number in range(20 if workflow == CHAIN else 10)]


def _blueprint(workflow: str, slot: int) -> WorkflowBlueprint:
    names, flow = _nodes(workflow), _blueprint_id(workflow, slot)
    uses = "write" if workflow == PIPELINE else "step"
    nodes = tuple(NodeDefinition(name, uses, {"name": name, "flow": flow, "workflow": workflow}) for name in names)
    if workflow == FAN:
        pairs = [pair for branch in names[1:-1] for pair in (("start", branch), (branch, "end"))]
    else:
        pairs = list(pairwise(names))
    return WorkflowBlueprint(flow, nodes, tuple(EdgeDefinition(*pair) for pair in pairs))
