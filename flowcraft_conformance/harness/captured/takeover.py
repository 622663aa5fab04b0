"""An adapter in a captured run: the kit stands behind its store, contexts, nodes, clock, bus, queue and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import FinalResult, JobPayload
from flowcraft_conformance.contract.protocols import IAsyncContext, ICoordinationStore, NodeFunction
from flowcraft_conformance.harness.captured.records import Queued, QuietLogger
from flowcraft_conformance.harness.captured.worker import Worker
from flowcraft_conformance.harness.captured.wrapped import (
    WrappedBus,
    WrappedClock,
    WrappedStore,
    wrap_context,
    wrap_node,
)
from flowcraft_conformance.harness.nodes import CLOCK


def options_for(
    worker: Worker, nodes: Mapping[str, NodeFunction], store: ICoordinationStore, known: tuple[WorkflowBlueprint, ...]
) -> AdapterOptions:
    """What the worker's adapter is made from; ``known``: the blueprints that it knows."""
    clock = WrappedClock(worker)
    return AdapterOptions(
        RuntimeOptions(
            registry={name: wrap_node(name, function, worker) for name, function in nodes.items()},
            blueprints={blueprint.id: blueprint for blueprint in known},
            dependencies={CLOCK: clock},
            ttls=worker.world.scenario.ttls,
            clock=clock,
            logger=QuietLogger(),
        ),
        WrappedStore(store, worker),
        WrappedBus(worker),
    )


def take_over(adapter: Any, worker: Worker) -> Callable[[str], IAsyncContext]:
    """Take the place of the adapter's queue, and stand between it and its contexts and results.

    What makes contexts without the kit between.
    """
    world = worker.world
    make_context: Callable[[str], IAsyncContext] = adapter.create_context

    async def enqueue_job(job: JobPayload) -> None:
        copy = JobPayload(job.run_id, job.blueprint_id, job.node_id)

        async def put() -> None:
            world.enqueued.append(copy.node_id)
            world.queue.append(Queued(copy, world.clock.monotonic()))

        await worker.call("queue", "enqueue_job", copy.node_id, put)

    async def publish_final_result(run_id: str, result: FinalResult) -> None:
        async def publish() -> None:
            world.published.append((run_id, result))

        await worker.call("result", "publish_final_result", result.status, publish)

    adapter.create_context = lambda run_id: wrap_context(make_context(run_id), worker)
    adapter.enqueue_job = enqueue_job
    adapter.publish_final_result = publish_final_result
    return make_context
