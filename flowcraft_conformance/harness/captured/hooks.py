"""Whether the kit can take the place of an adapter's queue: it does so at methods of the adapter itself."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import DeleteOp, JobPayload
from flowcraft_conformance.contract.protocols import IAsyncContext
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.captured.records import QuietLogger
from flowcraft_conformance.harness.nodes import kit_registry

GOES_PAST = (
    "start_run called neither create_context nor enqueue_job of the adapter itself, and that is where the kit takes "
    "the place of its queue: let what runs its workflows call these two, publish_final_result and handle_job on the "
    "adapter that create_adapter gives, as BaseDistributedAdapter does"
)


async def goes_past_its_own_methods(harness: AdapterHarness) -> bool:
    """Whether a start is made past the methods that the kit replaces, by an object inside of the adapter, say.

    A start that raises is other checks' to judge.
    """
    blueprint, run_id = flow("kit-probe", node("a")), f"probe-{uuid.uuid4().hex[:8]}"
    runtime = RuntimeOptions(registry=kit_registry(), blueprints={blueprint.id: blueprint}, logger=QuietLogger())
    adapter: Any = await harness.create_adapter(AdapterOptions(runtime, await harness.create_store()))
    make_context, called = adapter.create_context, []

    def create_context(run_id: str) -> IAsyncContext:
        called.append("create_context")
        context: IAsyncContext = make_context(run_id)
        return context

    async def enqueue_job(_job: JobPayload) -> None:
        called.append("enqueue_job")

    adapter.create_context, adapter.enqueue_job = create_context, enqueue_job
    try:
        await adapter.open()
        await adapter.start_run(blueprint.id, {}, run_id)
    except Exception:
        return False
    else:
        return not called
    finally:
        with contextlib.suppress(Exception):
            context = make_context(run_id)
            await context.patch([DeleteOp(key) for key in await context.to_dict()])
        with contextlib.suppress(Exception):
            await adapter.close()
