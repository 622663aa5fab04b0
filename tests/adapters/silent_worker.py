"""A worker that never finishes its job: ``python -m tests.adapters.silent_worker SCOPE``; it says when it has one."""

from __future__ import annotations

import asyncio
import sys

from flowcraft_conformance import JobPayload
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.adapters.rig import BOUND_SECONDS, Rig


async def _work(scope: str) -> None:
    async def never(job: JobPayload) -> None:
        print(job.node_id, flush=True)
        await asyncio.sleep(BOUND_SECONDS)

    await Rig(RedisBullMQHarness(scope)).worker(never)
    await asyncio.sleep(2 * BOUND_SECONDS)  # then it ends by itself, should nobody kill it


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
