"""What an adapter's parts look like from outside: the protocols of the contract, section 1."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from flowcraft_conformance.contract.blueprint import NodeDefinition
    from flowcraft_conformance.contract.payloads import (
        FinalResult,
        JobPayload,
        NodeContext,
        NodeResult,
        PatchOperation,
        WebhookEndpoint,
    )


@runtime_checkable
class ICoordinationStore(Protocol):
    """An atomic key-value store shared by all workers: joins and locks are settled in it.

    Keys and values are strings, time to live is in whole seconds. Every operation raises when the backend
    fails; none of them turns a failure into ``None``, ``0`` or ``False`` (COORD-ERR-01).
    """

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Add one to the counter, starting from 0, re-arm its expiry and return the new value."""

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """Store the value if the key is absent; True for the one caller who stored it."""

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """Set the expiry of a present key to now + ``ttl_seconds``; False where it is absent."""

    async def delete(self, key: str) -> None:
        """Remove the key; an absent key is no error."""

    async def get(self, key: str) -> str | None:
        """The value, a counter as its decimal string, None where absent or expired."""


@runtime_checkable
class IAsyncContext(Protocol):
    """The state of one run: JSON values under opaque string keys."""

    async def get(self, key: str) -> Any:
        """The value, or None where absent; :meth:`has` tells None from absent."""

    async def set(self, key: str, value: Any) -> None:
        """Replace the whole value of one key."""

    async def has(self, key: str) -> bool:
        """Whether the key is present; a stored None is present."""

    async def delete(self, key: str) -> bool:
        """Remove the key and tell whether it existed."""

    async def to_dict(self) -> dict[str, Any]:
        """All keys of this run with their values."""

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Apply the operations in order, all or none (PATCH-ATOM-01)."""


@runtime_checkable
class IGuardedContext(IAsyncContext, Protocol):
    """A context that can make a patch conditional; the base adapter commits nodes with it where it is present."""

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """Apply the operations only if the key ``guard`` is absent, atomically; False means nothing changed."""


class Clock(Protocol):
    """Where time comes from. All values are in seconds."""

    def monotonic(self) -> float:
        """A reading that never goes back; only differences mean something."""

    def time(self) -> float:
        """Seconds since 1970, comparable between machines as far as their clocks agree."""

    async def sleep(self, seconds: float) -> None:
        """Return no earlier than ``seconds`` from now."""


class IEventBus(Protocol):
    """Receives what happens: ``job:enqueued``, ``job:processed``, ``job:failed`` and node events (EVT-01)."""

    async def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Publish one event; a failure here never harms a run."""


class ILogger(Protocol):
    """A logger that takes a message and structured fields."""

    def debug(self, message: str, **fields: Any) -> None:
        """Detail for whoever looks for a fault."""

    def info(self, message: str, **fields: Any) -> None:
        """What an operator may want to know."""

    def warning(self, message: str, **fields: Any) -> None:
        """Something went wrong and the work goes on."""

    def error(self, message: str, **fields: Any) -> None:
        """Something went wrong and work did not get done."""


class IEvaluator(Protocol):
    """Evaluates edge conditions and transforms, which are untrusted text: it must never run code."""

    def evaluate(self, expression: str, variables: Mapping[str, Any]) -> Any:
        """The value of the expression; raises ValueError for text that is not an expression it knows."""


class ISerializer(Protocol):
    """Turns the state of a run into text and back."""

    def serialize(self, data: Mapping[str, Any]) -> str:
        """Text for ``data``; raises ValueError or TypeError for what it cannot express."""

    def deserialize(self, text: str) -> dict[str, Any]:
        """The inverse of :meth:`serialize`."""


NodeFunction = Callable[["NodeContext"], Awaitable["NodeResult | Any"]]
"""The implementation of a node: what it returns is a NodeResult, or else its output."""


class Middleware(Protocol):
    """Wraps the execution of every node."""

    async def around_node(
        self, node: NodeDefinition, context: NodeContext, call_next: Callable[[], Awaitable[NodeResult]]
    ) -> NodeResult:
        """Call ``call_next`` once or not at all and return the node's result."""


class DistributedAdapter(Protocol):
    """What the kit asks of an adapter; :class:`BaseDistributedAdapter` is one implementation."""

    def create_context(self, run_id: str) -> IAsyncContext:
        """Another client of the state of the run."""

    async def process_jobs(self, handler: Callable[[JobPayload], Awaitable[None]]) -> None:
        """Begin to listen and return once the listener is ready.

        The handler returns: acknowledge. It raises: deliver again with ``attempt`` + 1 until the queue's attempts
        are used up. It raises JobDeferred: put back without using up an attempt.
        """

    async def enqueue_job(self, job: JobPayload) -> None:
        """Put one job on the queue; it is durable once this returns."""

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        """Make the result of the run visible to its client."""

    async def register_webhook_endpoint(self, run_id: str, node_id: str) -> WebhookEndpoint:
        """An address that resumes the waiting node when called."""

    async def open(self) -> None:
        """Connect; may be called twice."""

    async def start(self) -> None:
        """Open and listen: a worker. A client only opens."""

    async def stop_jobs(self) -> None:
        """Take no new job."""

    async def disconnect(self) -> None:
        """Release every connection."""

    async def close(self) -> None:
        """Stop taking jobs, let those in flight finish, release every connection."""

    async def start_run(
        self, blueprint_id: str, initial_context: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> str:
        """Start a run and return its id."""

    async def handle_job(self, job: JobPayload) -> None:
        """Do one job; see :meth:`process_jobs` for what its outcome tells the queue."""

    async def abandon_job(self, job: JobPayload, reason: str) -> None:
        """For a dead-letter consumer: the run fails, with the reason."""

    async def reconcile(self, run_id: str) -> set[str]:
        """Enqueue every node that is ready and neither committed nor running; the node ids enqueued."""

    async def resume_with_action(
        self, run_id: str, action: str, output: Any = None, *, node_id: str | None = None
    ) -> set[str]:
        """Resume one waiting node, or with ``node_id`` None every waiting node; the node ids resumed."""
