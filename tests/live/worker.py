"""One worker process: ``python -m tests.live.worker SCOPE``. It ends when its standard input does."""

from __future__ import annotations

import asyncio
import sys

from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.live.workflow import options


async def _work(scope: str) -> None:
    harness = RedisBullMQHarness(scope)
    adapter = await harness.create_adapter(options(await harness.create_store()))
    await adapter.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await adapter.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
