"""The adapter in memory, and its harness."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance import (
    AdapterHarness,
    AdapterOptions,
    BaseDistributedAdapter,
    Capabilities,
    Clock,
    FinalResult,
    IAsyncContext,
    ICoordinationStore,
    JobPayload,
    SystemClock,
)
from reference_adapters.memory.queue import Handler, MemoryConsumer, MemoryQueue
from reference_adapters.memory.state import (
    BarePatch,
    MemoryBackend,
    MemoryContext,
    MemoryCoordinationStore,
    bare_patch_of,
)

LEASE_SECONDS = 30.0
ATTEMPTS = 5


class MemoryCluster:
    """What the adapters of one scope share: state, coordination keys, queue and results; ``clock`` is the queue's."""

    def __init__(
        self, *, lease_seconds: float = LEASE_SECONDS, attempts: int = ATTEMPTS, clock: Clock | None = None
    ) -> None:
        self.backend = MemoryBackend()
        self.queue = MemoryQueue(clock or SystemClock(), lease_seconds, attempts)
        self.results: dict[str, list[FinalResult]] = {}


class MemoryAdapter(BaseDistributedAdapter):
    """Workers and clients in one process; ``concurrency``: jobs a worker takes at a time."""

    def __init__(self, options: AdapterOptions, cluster: MemoryCluster | None = None, *, concurrency: int = 16) -> None:
        super().__init__(options)
        self._cluster = cluster or MemoryCluster(clock=options.runtime_options.clock)
        self._concurrency = concurrency
        self._consumer: MemoryConsumer | None = None

    def create_context(self, run_id: str) -> IAsyncContext:
        """The state of the run in the cluster."""
        return MemoryContext(self._cluster.backend, run_id)

    async def process_jobs(self, handler: Handler) -> None:
        """Begin to take jobs."""
        if self._consumer is None:
            queue = self._cluster.queue
            self._consumer = MemoryConsumer(queue, queue.clock, self._concurrency, self.abandon_job, self._note)
            self._consumer.start(handler)

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put the job on the cluster's queue."""
        self._cluster.queue.send(job.to_json())

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Add the result to those of the run."""
        self._cluster.results.setdefault(run_id, []).append(result)

    async def stop_jobs(self) -> None:
        """Take no new job."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def disconnect(self) -> None:
        """Drop what is still in flight after the time of grace."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.abort()

    def _note(self, message: str, body: bytes) -> None:
        self.logger.error(message, body=body[:200])


class MemoryHarness(AdapterHarness):
    """The memory adapter as a target: ``--flowcraft-adapter=reference_adapters.memory:MemoryHarness``."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        processes=False,  # its state is this process's
        ttl_granularity=0,
        ttl_lag=0.05,
        lease_seconds=1,
        redelivery_seconds=3,
        queue_attempts=ATTEMPTS,
    )

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self._cluster = MemoryCluster(lease_seconds=self.capabilities.lease_seconds)

    async def create_store(self) -> ICoordinationStore:
        """A store on the scope's cluster."""
        return MemoryCoordinationStore(self._cluster.backend)

    async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
        """An adapter on the scope's cluster."""
        return MemoryAdapter(options, self._cluster)

    async def send_raw(self, body: bytes) -> None:
        """Put bytes on the queue."""
        self._cluster.queue.send(body)

    async def read_results(self, run_id: str) -> list[FinalResult]:
        """What was published."""
        return list(self._cluster.results.get(run_id, []))

    async def create_bare_patch(self, run_id: str) -> BarePatch:
        """The least that a patch can do here."""
        return bare_patch_of(self._cluster.backend, run_id)
