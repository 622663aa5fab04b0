"""An adapter on a list as its queue, stepped on virtual time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance import (
    AdapterOptions,
    BaseDistributedAdapter,
    CoordinationTtls,
    FinalResult,
    IAsyncContext,
    JobDeferred,
    JobPayload,
    NodeDefinition,
    PatchOperation,
    RuntimeOptions,
    WorkflowBlueprint,
)
from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.harness.nodes import CLOCK, kit_registry
from reference_adapters.memory import MemoryBackend, MemoryContext, MemoryCoordinationStore

ATTEMPTS = 5
MOST_DELIVERIES = 3_000


class UnguardedContext:
    """A context that offers no ``patch_if_absent``."""

    def __init__(self, inner: MemoryContext) -> None:
        self.get, self.set, self.has = inner.get, inner.set, inner.has
        self.delete, self.to_dict, self.patch = inner.delete, inner.to_dict, inner.patch


class CountedContext(MemoryContext):
    """A context that counts its calls by name."""

    def __init__(self, backend: MemoryBackend, run_id: str, calls: Counter[str]) -> None:
        super().__init__(backend, run_id)
        self._calls = calls

    async def get(self, key: str) -> Any:
        self._calls["get"] += 1
        return await super().get(key)

    async def set(self, key: str, value: Any) -> None:
        self._calls["set"] += 1
        await super().set(key, value)

    async def has(self, key: str) -> bool:
        self._calls["has"] += 1
        return await super().has(key)

    async def to_dict(self) -> dict[str, Any]:
        self._calls["to_dict"] += 1
        return await super().to_dict()

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        self._calls["patch_if_absent"] += 1
        return await super().patch_if_absent(guard, operations)


class ListAdapter(BaseDistributedAdapter):
    """Its queue is a list; ``deliver`` is the worker."""

    def __init__(
        self,
        *blueprints: WorkflowBlueprint,
        registry: Mapping[str, Any] | None = None,
        guarded: bool = True,
        in_process: bool = True,
        ttls: CoordinationTtls | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.backend = MemoryBackend()
        self.calls: Counter[str] = Counter()
        self.queue: list[JobPayload] = []
        self.results: list[FinalResult] = []
        self.handler: Callable[[JobPayload], Awaitable[None]] | None = None
        self.before_publishing: Callable[[], Awaitable[None]] | None = None
        self._guarded = guarded
        self._in_process = in_process
        options = RuntimeOptions(
            registry={**kit_registry(), **(registry or {})},
            blueprints={blueprint.id: blueprint for blueprint in blueprints},
            dependencies={CLOCK: self.clock},
            clock=self.clock,
            ttls=ttls or CoordinationTtls(),
        )
        super().__init__(AdapterOptions(options, MemoryCoordinationStore(self.backend, clock=self.clock)))

    def create_context(self, run_id: str) -> IAsyncContext:
        context = CountedContext(self.backend, run_id, self.calls)
        return context if self._guarded else UnguardedContext(context)

    async def process_jobs(self, handler: Callable[[JobPayload], Awaitable[None]]) -> None:
        self.handler = handler

    async def enqueue_job(self, job: JobPayload) -> None:
        self.queue.append(replace(job, attempt=1, is_last_attempt=False))

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        if self.before_publishing is not None:
            await self.before_publishing()
        self.results.append(result)

    def should_retry_in_process(self, node: NodeDefinition) -> bool:
        return self._in_process

    async def deliver(self, pick: Callable[[int], int] = lambda _: 0) -> None:
        """Deliver jobs until none is left."""
        for _ in range(MOST_DELIVERIES):
            if not self.queue:
                return
            job = self.queue.pop(pick(len(self.queue)))
            try:
                await self.handle_job(job)
            except JobDeferred as later:
                self.clock.advance(later.delay_seconds)
                self.queue.append(job)
            except Exception as error:
                if job.is_last_attempt:
                    await self.abandon_job(job, str(error))
                else:
                    number = job.attempt + 1
                    self.queue.append(JobPayload(job.run_id, job.blueprint_id, job.node_id, number, number == ATTEMPTS))
        raise AssertionError(f"jobs are still going round: {self.queue[:5]}")

    def state(self, run_id: str = "r") -> dict[str, Any]:
        """What is stored of a run."""
        return {key: json.loads(text) for key, text in self.backend.runs.get(run_id, {}).items()}
