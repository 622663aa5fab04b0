"""A worker that never finishes its job: ``python -m tests.adapters.silent_worker SCOPE HARNESS``; it says when it has
one. HARNESS is ``module:name``."""

from __future__ import annotations

import asyncio
import importlib
import sys

from flowcraft_conformance import JobPayload
from tests.adapters.rig import BOUND_SECONDS, Rig


async def _work(scope: str, harness: str) -> None:
    async def never(job: JobPayload) -> None:
        print(job.node_id, flush=True)
        await asyncio.sleep(BOUND_SECONDS)

    module, _, name = harness.partition(":")
    await Rig(getattr(importlib.import_module(module), name)(scope)).worker(never)
    await asyncio.sleep(2 * BOUND_SECONDS)  # then it ends by itself, should nobody kill it


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]))
