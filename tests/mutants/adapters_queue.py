"""The adapter in memory, on which broken queues and right ones are built for the job suite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from flowcraft_conformance import AdapterOptions, JobPayload
from reference_adapters.memory import MemoryAdapter, MemoryHarness
from reference_adapters.memory.queue import MemoryConsumer

Handler = Callable[[JobPayload], Awaitable[None]]


class QueueMutant(MemoryAdapter):
    """An adapter in memory whose consumer can be another one."""

    breaks: ClassVar[str] = ""
    profile: ClassVar[str] = "quick"
    consumer: ClassVar[type[MemoryConsumer]] = MemoryConsumer

    async def process_jobs(self, handler: Handler) -> None:
        """As the right one does."""
        if self._consumer is None:
            queue = self._cluster.queue
            self._consumer = self.consumer(queue, queue.clock, self._concurrency, self.abandon_job, self._note)
            self._consumer.start(handler)


def harness_of(adapter: type[MemoryAdapter]) -> type[MemoryHarness]:
    """A harness class for one adapter."""

    class Harness(MemoryHarness):
        async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
            return adapter(options, self._cluster)

        async def teardown(self) -> None:
            for left in vars(self._cluster).get("sockets", ()):
                left.close()
            for task in vars(self._cluster).get("tasks", ()):
                task.cancel()

    Harness.__name__ = f"{adapter.__name__}Harness"
    return Harness
