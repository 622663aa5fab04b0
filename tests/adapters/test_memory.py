"""What only the queue in memory has: a clock that a test can move."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft_conformance import AdapterOptions, JobDeferred, JobPayload, RuntimeOptions
from flowcraft_conformance.checking.clock import VirtualClock
from reference_adapters.memory import MemoryAdapter, MemoryCoordinationStore
from tests.adapters.rig import until


@pytest.mark.asyncio
async def test_a_bare_adapter_waits_by_the_clock_of_its_runtime() -> None:
    clock = VirtualClock()
    deliveries: list[int] = []

    async def defer_once(job: JobPayload) -> None:
        deliveries.append(job.attempt)
        if len(deliveries) == 1:
            raise JobDeferred(1000)

    adapter = MemoryAdapter(AdapterOptions(RuntimeOptions(clock=clock), MemoryCoordinationStore()))
    adapter.handle_job = defer_once  # type: ignore[method-assign]
    await adapter.start()
    await adapter.enqueue_job(JobPayload("r", "b", "n"))
    await until(lambda: deliveries == [1], "the first delivery")
    clock.advance(999)
    await asyncio.sleep(0.05)
    assert deliveries == [1]
    clock.advance(2)

    def delivered() -> bool:
        clock.advance(0.1)  # a queue that had not begun to wait when time moved on looks again a moment later
        return len(deliveries) == 2

    await until(delivered, "the delivery after the deferral")
    await adapter.close()
    assert deliveries == [1, 1]
