"""The queue of one reference adapter, with handlers that note what reached them instead of running workflows."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance import AdapterHarness, AdapterOptions, BaseDistributedAdapter, JobPayload, RuntimeOptions

Handler = Callable[[JobPayload], Coroutine[Any, Any, None]]

BOUND_SECONDS = 30.0
"""How long a machine under load may take; no test waits this long where all is well."""
_PAUSE = 0.01


@dataclass(slots=True)
class Notes:
    """An ``ILogger`` that keeps its lines."""

    lines: list[str] = field(default_factory=list)

    def debug(self, message: str, **fields: Any) -> None:
        """Not kept: nobody reads these."""

    def info(self, message: str, **fields: Any) -> None:
        """Not kept: nobody reads these."""

    def warning(self, message: str, **fields: Any) -> None:
        """Keep the line."""
        self.lines.append(f"{message} {fields}")

    def error(self, message: str, **fields: Any) -> None:
        """Keep the line."""
        self.lines.append(f"{message} {fields}")


class Rig:
    """Makes workers and clients of one scope, and ends them."""

    def __init__(self, harness: AdapterHarness) -> None:
        self.harness = harness
        self.notes = Notes()
        self.abandoned: list[tuple[JobPayload, str]] = []
        self._adapters: list[BaseDistributedAdapter] = []

    async def client(self, **runtime: Any) -> BaseDistributedAdapter:
        """An adapter that is opened and takes no jobs."""
        options = AdapterOptions(RuntimeOptions(logger=self.notes, **runtime), await self.harness.create_store())
        adapter = await self.harness.create_adapter(options)
        assert isinstance(adapter, BaseDistributedAdapter)
        self._adapters.append(adapter)
        await adapter.open()
        return adapter

    async def worker(self, handler: Handler, **runtime: Any) -> BaseDistributedAdapter:
        """An adapter that is started, with ``handler`` in the place of its own; jobs given up are noted."""
        adapter = await self.client(**runtime)

        async def note(job: JobPayload, reason: str) -> None:
            self.abandoned.append((job, reason))

        adapter.handle_job = handler  # type: ignore[method-assign, assignment]
        adapter.abandon_job = note  # type: ignore[method-assign]
        await adapter.start()
        return adapter

    async def close(self) -> None:
        """Close every adapter and remove the scope."""
        for adapter in self._adapters:
            await adapter.close()
        await self.harness.teardown()


async def take_and_die(rig: Rig, node_id: str = "victim") -> None:
    """Have a job taken by a worker in another process, and kill that one."""
    harness = type(rig.harness)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.adapters.silent_worker", rig.harness.scope),
        f"{harness.__module__}:{harness.__qualname__}",
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        client = await rig.client()
        await client.enqueue_job(JobPayload("run", "b", node_id))
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), BOUND_SECONDS)
        assert said == f"{node_id}\n".encode()
    finally:
        process.kill()
        await process.communicate()


async def until(done: Callable[[], bool | Awaitable[bool]], what: str, within: float = BOUND_SECONDS) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come in time; the text says what was waited for.
    """
    try:
        async with asyncio.timeout(within):
            while True:
                answer = done()
                if await answer if isinstance(answer, Awaitable) else answer:
                    return
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within:g} s") from None
