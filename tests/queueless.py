"""What adapters for captured runs stand on, right and broken ones: the kit is their queue."""

from __future__ import annotations

from flowcraft_conformance import AdapterHarness, BaseDistributedAdapter, FinalResult, ICoordinationStore, JobPayload
from reference_adapters.memory import MemoryBackend, MemoryCoordinationStore


class Queueless(BaseDistributedAdapter):
    """The reference runtime without a queue and without results; a subclass has the contexts."""

    async def process_jobs(self, handler: object) -> None:
        raise NotImplementedError("captured runs only")

    async def enqueue_job(self, job: JobPayload) -> None:
        raise NotImplementedError("captured runs only")

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        raise NotImplementedError("captured runs only")


class OnMemory(AdapterHarness):
    """A harness with a backend of its own; a subclass makes the adapters."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.backend = MemoryBackend()

    async def create_store(self) -> ICoordinationStore:
        return MemoryCoordinationStore(self.backend)
