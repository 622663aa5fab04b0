"""An adapter that runs workflows of the kit on its own queue, and notes what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import AdapterOptions, CoordinationTtls, RuntimeOptions, SystemClock
from flowcraft_conformance.contract.payloads import FinalResult, JobPayload, NodeContext
from flowcraft_conformance.contract.protocols import DistributedAdapter, ILogger, NodeFunction
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.live.fates import Fates
from flowcraft_conformance.harness.nodes import CLOCK, kit_registry

Note = Callable[[dict[str, Any]], None]

NODE_LOCK_SECONDS = 4
"""The lease of a node, short for the checks: when its worker is dead, another waits so long."""


async def make_flow_adapter(
    harness: AdapterHarness, blueprints: Iterable[WorkflowBlueprint], logger: ILogger, note: Note, fates: Fates
) -> DistributedAdapter:
    """An adapter with nodes of the kit's, not yet opened."""
    clock = SystemClock()
    runtime = RuntimeOptions(
        registry={name: _noted(function, note) for name, function in kit_registry().items()},
        blueprints={one.id: one for one in blueprints},
        dependencies={CLOCK: clock},
        logger=logger,
        ttls=CoordinationTtls(nodelock=NODE_LOCK_SECONDS),
        clock=clock,
    )
    store = fates.around(await harness.create_store())
    adapter = await harness.create_adapter(AdapterOptions(runtime, store))
    _note_calls(adapter, note, fates)
    return adapter


def _note_calls(adapter: DistributedAdapter, note: Note, fates: Fates) -> None:
    make_context, handle = adapter.create_context, adapter.handle_job
    enqueue, publish = adapter.enqueue_job, adapter.publish_final_result

    async def handle_job(job: JobPayload) -> None:
        note({"what": "job", "run": job.run_id, "node": job.node_id, "attempt": job.attempt, "at": time.monotonic()})
        fates.begin(job.run_id, job.node_id)
        fates.moment()
        try:
            await handle(job)
        finally:
            fates.moment(last=True)

    async def enqueue_job(job: JobPayload) -> None:
        fates.moment()
        await enqueue(job)
        fates.moment(enqueued=True)

    async def publish_final_result(run_id: str, result: FinalResult) -> None:
        fates.moment()
        await publish(run_id, result)
        note({"what": "published", "run": run_id, "result": result.to_wire()})
        fates.moment()

    adapter.create_context = lambda run_id: fates.around(make_context(run_id))  # type: ignore[method-assign]
    adapter.handle_job = handle_job  # type: ignore[method-assign]
    adapter.enqueue_job = enqueue_job  # type: ignore[method-assign]
    adapter.publish_final_result = publish_final_result  # type: ignore[method-assign]


def _noted(function: NodeFunction, note: Note) -> NodeFunction:
    async def run(given: NodeContext) -> Any:
        note({"what": "node", "node": given.params.get("name"), "at": time.monotonic()})
        return await function(given)

    return run
