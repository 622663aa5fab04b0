"""A worker process is killed in the middle of a node, and the run completes: ``python -m tests.live.redis_kill``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_conformance import FinalResult, redis_service
from reference_adapters.redis_bullmq import RedisBullMQHarness
from tests.live.workflow import options

_BOUND_SECONDS = 60.0
_PAUSE = 0.05


class _Workers:
    """Worker processes and what they say; none outlives this."""

    def __init__(self, scope: str, count: int) -> None:
        environment = {**os.environ, "FLOWCRAFT_REDIS_URL": redis_service().url}
        command = [sys.executable, "-m", "tests.live.worker", scope]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
            for _ in range(count)
        ]
        self.said: list[str] = []

    async def listen(self) -> None:
        """Collect the lines of all workers until they end."""
        await asyncio.gather(*(self._lines(process) for process in self._processes))

    async def _lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            while line := await asyncio.to_thread(lines.readline):
                self.said.append(line.strip())

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End them all."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def run() -> dict[str, Any]:
    """The story: what the workers said, who was killed, the result and the state."""
    scope = f"live{uuid.uuid4().hex[:8]}"
    harness = RedisBullMQHarness(scope)
    workers = _Workers(scope, 2)
    listening = asyncio.ensure_future(workers.listen())
    client = await harness.create_adapter(options(await harness.create_store()))
    try:
        await _until(lambda: workers.said.count("ready") == 2)
        await client.start_run("live", {"k": 1}, "run:1")
        await _until(lambda: any(line.endswith("node b") for line in workers.said))
        killed = int(next(line for line in workers.said if line.endswith("node b")).split()[0])
        workers.kill(killed)
        resumed: set[str] = set()
        while not resumed:
            resumed = await client.resume_with_action("run:1", "approved", {"who": "me"})
            await asyncio.sleep(_PAUSE)
        results: list[FinalResult] = []

        async def finished() -> bool:
            results[:] = await harness.read_results("run:1")
            return bool(results)

        await _until(finished)
        state = await client.create_context("run:1").to_dict()
        return {"said": workers.said, "killed": killed, "results": results, "state": state}
    finally:
        await client.close()
        workers.close()
        await listening
        await harness.teardown()


async def _until(done: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while True:
            answer = done()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(_PAUSE)


def main() -> None:
    """Run it and show it."""
    story = asyncio.run(run())
    for line in story["said"]:
        print(line, "   <- killed here" if line == f"{story['killed']} node b" else "")
    print("result:", json.dumps([result.to_wire() for result in story["results"]])[:400])
    print("state:")
    for key, value in sorted(story["state"].items()):
        print(f"  {key} = {json.dumps(value)[:110]}")


if __name__ == "__main__":
    main()
