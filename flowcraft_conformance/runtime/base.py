"""The reference implementation of a distributed adapter: right under at-least-once delivery, crashes and duplicates."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.options import AdapterOptions
from flowcraft_conformance.contract.payloads import FinalResult, JobPayload, WebhookEndpoint
from flowcraft_conformance.contract.protocols import IAsyncContext
from flowcraft_conformance.runtime.core import RuntimeCore
from flowcraft_conformance.runtime.in_flight import JobsInFlight
from flowcraft_conformance.runtime.jobs import JobHandler
from flowcraft_conformance.runtime.runs import Runs

Handler = Callable[[JobPayload], Awaitable[None]]


class BaseDistributedAdapter(ABC):
    """Runs workflows over a queue, a context and a coordination store that a subclass brings.

    A subclass implements :meth:`create_context`, :meth:`process_jobs`, :meth:`enqueue_job` and
    :meth:`publish_final_result`. A worker calls :meth:`start`, a client only :meth:`open`; ``async with adapter:`` is
    open and close.
    """

    def __init__(self, options: AdapterOptions) -> None:
        self.options = options
        self.coordination_store = options.coordination_store
        self.runtime_options = options.runtime_options
        self.logger = RuntimeCore.logger_of(options)
        self._in_flight = JobsInFlight(self.runtime_options.clock, self.logger)
        core = RuntimeCore(self, options)
        self._jobs = JobHandler(core)
        self._runs = Runs(core)

    # What an adapter implements

    @abstractmethod
    def create_context(self, run_id: str) -> IAsyncContext:
        """Another client of the state of the run."""

    @abstractmethod
    async def process_jobs(self, handler: Handler) -> None:
        """Begin to listen, and return once the listener is ready.

        The handler returns: acknowledge. It raises: deliver again with ``attempt`` + 1 until the queue's attempts are
        used up. It raises JobDeferred: put the job back without using up an attempt.
        """

    @abstractmethod
    async def enqueue_job(self, job: JobPayload) -> None:
        """Put one job on the queue; it is durable once this returns."""

    @abstractmethod
    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Make the result visible to the run's client. After a crash it may be called again with the same result."""

    # What it may override

    async def register_webhook_endpoint(self, run_id: str, node_id: str) -> WebhookEndpoint:
        """An address that resumes the waiting node when it is called.

        Raises:
            NotImplementedError: this adapter has no webhooks.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no webhooks: override register_webhook_endpoint to run node {node_id!r}"
        )

    async def on_job_start(self, run_id: str, blueprint_id: str, node_id: str) -> None:  # noqa: B027 - optional
        """Called before a node is executed; what it raises counts as a failed delivery."""

    def should_retry_in_process(self, node: NodeDefinition) -> bool:  # noqa: ARG002 - for overriding
        """Whether a failed attempt is repeated inside its job (the default), or by the queue."""
        return True

    async def open(self) -> None:  # noqa: B027 - optional
        """Connect; may be called twice."""

    async def stop_jobs(self) -> None:  # noqa: B027 - optional
        """Take no new job."""

    async def disconnect(self) -> None:  # noqa: B027 - optional
        """Release every connection."""

    # What the base gives

    async def start(self) -> None:
        """Open and listen: a worker. Returns once jobs are taken (JOB-LIFE-01)."""
        await self.open()
        self._in_flight.reopen()
        await self.process_jobs(self._in_flight.counting(self.handle_job))

    async def close(self) -> None:
        """Take no new job, let those in flight finish for ``shutdown_grace_seconds``, disconnect. May be called twice.

        A job that is not done by then is cancelled; the queue delivers it again.
        """
        await self.stop_jobs()
        await self._in_flight.drain(self.runtime_options.shutdown_grace_seconds)
        await self.disconnect()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start_run(
        self, blueprint_id: str, initial_context: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> str:
        """Start a run and return its id. Calling it again with the same run id starts nothing twice (START-01).

        Raises:
            BlueprintError: the blueprint cannot be run.
            LookupError: there is no such blueprint.
            ValueError: the run id belongs to a run of another blueprint or runtime, or ``initial_context`` has a key
                that is the runtime's own.
        """
        run = run_id if run_id is not None else uuid.uuid4().hex
        await self._runs.start(blueprint_id, initial_context or {}, run)
        return run

    async def handle_job(self, job: JobPayload) -> None:
        """Do one job: a job is a hint, the durable state decides what is to be done.

        Raises:
            JobDeferred: not now: another worker has the node, or the run is another version's or runtime's.
            Exception: the job is not done; deliver it again.
        """
        await self._jobs.handle(job)

    async def abandon_job(self, job: JobPayload, reason: str) -> None:
        """For a dead-letter consumer: the job will not be delivered again; its run fails, with the reason (DLQ-01)."""
        await self._jobs.abandon(job, reason)

    async def reconcile(self, run_id: str) -> set[str]:
        """Enqueue every node that is ready and neither done nor running; the node ids enqueued (RECON-01)."""
        return await self._runs.reconcile(run_id)

    async def resume_with_action(
        self, run_id: str, action: str, output: Any = None, *, node_id: str | None = None
    ) -> set[str]:
        """Resume one waiting node, or with ``node_id`` None every waiting node; the node ids resumed (HITL-01).

        A node of a subflow has the id ``subflow/node``. One in a loop is resumed at the visit at which it waits; its
        later visits are ``node@2`` and so on among the ids that are returned.
        """
        return await self._runs.resume(run_id, action, output, node_id)
