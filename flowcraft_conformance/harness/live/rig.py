"""One scope of an adapter with its own queue: clients, workers with a handler of the kit's, and what reached them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.calls import outcome_of
from flowcraft_conformance.harness.errors import CallTimeoutError, describe_error
from flowcraft_conformance.harness.harnesses import BareHarness
from flowcraft_conformance.harness.live.lines import Lines
from flowcraft_conformance.harness.loop import bounded
from flowcraft_conformance.harness.profile import Profile

_LOOK_SECONDS = 0.02
SLACK_SECONDS = 10.0
"""Added to what a queue declares before something is called missing: a machine may be busy."""

_PATIENCES = 5
"""Waits for what is missing while something else comes."""

HANDLED_INSIDE = (
    "its queue gives jobs to something else than handle_job of the adapter itself, and that is where the kit puts a "
    "handler of its own: give process_jobs a handler that calls handle_job on the adapter that create_adapter gives, "
    "as BaseDistributedAdapter does"
)

Ids = tuple[str, str, str]


@dataclass(slots=True)
class Delivery:
    """One delivery, and what its handler came to."""

    job: JobPayload
    worker: str
    number: int
    """How many deliveries of the same job the rig had seen before."""
    began: float
    ended: float | None = None
    outcome: str = "running"

    @property
    def ids(self) -> Ids:
        """Run, blueprint and node."""
        return ids_of(self.job)


Conduct = Callable[[Delivery], Awaitable[None]]
"""What a handler does with a delivery."""


async def at_once(_delivery: Delivery) -> None:
    """Return."""


def ids_of(job: JobPayload) -> Ids:
    """Run, blueprint and node; what is no text, as no id of a job that was enqueued looks."""
    parts: tuple[Any, ...] = (job.run_id, job.blueprint_id, job.node_id)
    run, blueprint, node = (one if isinstance(one, str) else f"\0{one!r}" for one in parts)
    return run, blueprint, node


@dataclass(slots=True)
class Notes:
    """What a rig has seen so far."""

    deliveries: list[Delivery] = field(default_factory=list)
    given_up: list[tuple[JobPayload, str]] = field(default_factory=list)
    by_job: dict[Ids, list[Delivery]] = field(default_factory=dict)
    refused_at: float | None = None
    """When the first try to give a job up failed, as it was to."""
    contexts_made: bool = False
    """Whether a worker with a handler of the kit's, which needs no context, has made one: its own handler ran."""

    def of(self, job: JobPayload) -> list[Delivery]:
        """The deliveries of a job, oldest first."""
        return self.by_job.get(ids_of(job), [])


class Rig:
    """Makes workers and clients of one scope, and ends them."""

    def __init__(self, harness: AdapterHarness, capabilities: Capabilities, profile: Profile) -> None:
        self.harness = harness
        self.profile = profile
        self.capabilities = capabilities
        self.lines = Lines()
        self.notes = Notes()
        self.origin = time.monotonic()
        self.refuses: str | None = None
        """The node whose job cannot be given up at the first try."""
        self._adapters: list[DistributedAdapter] = []

    @property
    def is_alone(self) -> bool:
        """Whether its queue is its own: on that of a bare class may be what others have left."""
        return not isinstance(self.harness, BareHarness)

    @property
    def is_passed_by(self) -> bool:
        """Whether jobs reach the adapter's own handler, and none reaches the kit's: see HANDLED_INSIDE."""
        return self.notes.contexts_made and not self.notes.deliveries

    @property
    def patience(self) -> float:
        """Seconds after which what a right queue delivers is missing."""
        return self.capabilities.redelivery_seconds + self.capabilities.lease_seconds + SLACK_SECONDS

    async def client(self) -> DistributedAdapter:
        """An adapter that is opened and takes no jobs."""
        return await self.client_on(await self.call("create_store", self.harness.create_store))

    async def client_on(self, store: ICoordinationStore, runtime: RuntimeOptions | None = None) -> DistributedAdapter:
        """The same on a store that was made before."""
        options = AdapterOptions(runtime or RuntimeOptions(logger=self.lines), store)
        adapter: DistributedAdapter = await self.call("create_adapter", lambda: self.harness.create_adapter(options))
        self._adapters.append(adapter)
        await self.call("open", adapter.open)
        return adapter

    def keep(self, adapter: DistributedAdapter) -> None:
        """Close it, too, in the end."""
        self._adapters.append(adapter)

    def forget(self, adapter: DistributedAdapter) -> None:
        """Leave an adapter that was closed to itself."""
        self._adapters.remove(adapter)

    async def worker(self, name: str, conduct: Conduct = at_once) -> DistributedAdapter:
        """An adapter that is started, with a handler of the kit's in the place of its own."""
        adapter = await self.client()
        self.give_handler(adapter, name, conduct)
        await self.call("start", adapter.start)
        return adapter

    def give_handler(self, adapter: DistributedAdapter, name: str, conduct: Conduct = at_once) -> None:
        """Put a handler of the kit's in the place of the adapter's own, and note what is given up."""

        async def handle(job: JobPayload) -> None:
            await self._deliver(job, name, conduct)

        async def abandon(job: JobPayload, reason: str) -> None:
            self.notes.given_up.append((job, reason))
            if job.node_id == self.refuses and self.notes.refused_at is None:
                self.notes.refused_at = time.monotonic()
                raise ConnectionError("the connection was lost")

        def create_context(run_id: str) -> IAsyncContext:
            self.notes.contexts_made = True
            return make_context(run_id)

        make_context = adapter.create_context
        adapter.create_context = create_context  # type: ignore[method-assign]
        adapter.handle_job = handle  # type: ignore[method-assign]
        adapter.abandon_job = abandon  # type: ignore[method-assign]

    async def enqueue(self, adapter: DistributedAdapter, jobs: Iterable[JobPayload]) -> None:
        """Put jobs on the queue, one after the other."""
        for job in jobs:
            await self.call("enqueue_job", lambda job=job: adapter.enqueue_job(job))  # type: ignore[misc]

    async def call(self, name: str, make: Callable[[], Awaitable[Any]], *, seconds: float = 0) -> Any:
        """Make one call of the adapter's, which has ``seconds`` more than any call.

        Raises:
            ClauseViolation: it raised, or did not return in time.
        """
        within = self.capabilities.call_timeout_seconds + seconds
        try:
            result, error = await bounded(lambda: outcome_of(name, make), within=within, what=name)
        except CallTimeoutError as late:
            raise ClauseViolation(str(late), self.told()) from None
        if error is not None:
            raise ClauseViolation(f"{name} raised {describe_error(error)}", self.told()) from error
        return result

    async def close_adapter(self, adapter: DistributedAdapter) -> None:
        """Close one.

        Raises:
            ClauseViolation: that raised, or did not return in time.
        """
        await self.call("close", adapter.close, seconds=SLACK_SECONDS)

    async def until(self, done: Callable[[], bool], within: float | None = None) -> bool:
        """Wait for something to be so, as long as a right queue may take or ``within``; whether it came."""
        deadline = time.monotonic() + (self.patience if within is None else within)
        while not done():
            if time.monotonic() > deadline:
                return done()
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def delivered(self, jobs: Iterable[JobPayload], within: float | None = None) -> list[JobPayload]:
        """Wait for a delivery of each job; those that are missing. As long as others come, it goes on waiting."""
        wanted = list(jobs)

        def missing() -> list[JobPayload]:
            return [job for job in wanted if not self.notes.of(job)]

        for _ in range(_PATIENCES):
            seen = len(self.notes.deliveries)
            if await self.until(lambda: not missing(), within) or seen == len(self.notes.deliveries):
                break
        return missing()

    async def close(self) -> None:
        """Close every adapter; what fails here harms no verdict."""
        for adapter in self._adapters:
            with contextlib.suppress(ClauseViolation):
                await self.call("close", adapter.close)
        self.lines.close()

    def told(self, jobs: Iterable[JobPayload] = (), most: int = 30) -> str:
        """The deliveries of some jobs, or of all, one a line."""
        wanted = {ids_of(job) for job in jobs}
        told = [one for one in self.notes.deliveries if not wanted or one.ids in wanted]
        lines = [
            f"{one.began - self.origin:7.2f} s {one.worker}: {_shown(one.job)} attempt {one.job.attempt}"
            f"{' (last)' if one.job.is_last_attempt else ''} -> {one.outcome}"
            + (f" at {one.ended - self.origin:.2f} s" if one.ended is not None else "")
            for one in told[:most]
        ]
        return "\n".join([*lines, *([f"... and {len(told) - most} deliveries more"] if len(told) > most else [])])

    async def _deliver(self, job: JobPayload, worker: str, conduct: Conduct) -> None:
        of_job = self.notes.by_job.setdefault(ids_of(job), [])
        delivery = Delivery(job, worker, len(of_job), time.monotonic())
        of_job.append(delivery)
        self.notes.deliveries.append(delivery)
        try:
            await conduct(delivery)
        except JobDeferred:
            delivery.outcome = "deferred"
            raise
        except asyncio.CancelledError:
            delivery.outcome = "cancelled"
            raise
        except Exception:
            delivery.outcome = "raised"
            raise
        else:
            delivery.outcome = "returned"
        finally:
            delivery.ended = time.monotonic()


def _shown(job: JobPayload) -> str:
    return f"job {job.node_id!r} of run {job.run_id!r}"
