"""The records that travel: patch operations, jobs, results. All frozen, all with upstream's camelCase on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flowcraft_conformance.contract.blueprint import NodeDefinition
    from flowcraft_conformance.contract.protocols import IAsyncContext

RunStatus = Literal["completed", "failed"]


@dataclass(frozen=True, slots=True)
class SetOp:
    """Replace the whole value of one key."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class DeleteOp:
    """Remove one key; an absent key is fine."""

    key: str


PatchOperation = SetOp | DeleteOp


class InvalidJobError(ValueError):
    """A message on the job queue that is no job (JOB-BAD-01); the text says which field is wrong."""


class JobDeferred(Exception):
    """Raised by a job handler: put the job back without using up an attempt.

    ``delay_seconds``: how long to wait before the next delivery, 0 or more.
    """

    def __init__(self, delay_seconds: float, reason: str = "") -> None:
        super().__init__(f"deferred for {delay_seconds} s" + (f": {reason}" if reason else ""))
        self.delay_seconds = delay_seconds
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JobPayload:
    """One job: run one node of one run. ``attempt`` counts deliveries from 1 and is filled in by the consumer."""

    run_id: str
    blueprint_id: str
    node_id: str
    attempt: int = 1
    is_last_attempt: bool = True

    def to_wire(self) -> dict[str, Any]:
        """The JSON object that goes on the queue, with upstream's names."""
        return {
            "runId": self.run_id,
            "blueprintId": self.blueprint_id,
            "nodeId": self.node_id,
            "attempt": self.attempt,
            "isLastAttempt": self.is_last_attempt,
        }

    def to_json(self) -> bytes:
        """The text of :meth:`to_wire` in ASCII: any id survives any queue, lone surrogates included."""
        return json.dumps(self.to_wire()).encode("ascii")

    @classmethod
    def from_wire(cls, message: object) -> JobPayload:
        """Read a job from a JSON object, or from its text as str or bytes.

        ``attempt`` and ``isLastAttempt`` are optional, unknown fields are ignored.

        Raises:
            InvalidJobError: the message is no job.
        """
        if isinstance(message, str | bytes | bytearray):
            try:
                message = json.loads(message)
            except ValueError as error:
                raise InvalidJobError(f"the message is not JSON: {error}") from error
        if not isinstance(message, Mapping):
            raise InvalidJobError(f"a job is a JSON object, this is {type(message).__name__}")
        return cls(
            run_id=_text(message, "runId"),
            blueprint_id=_text(message, "blueprintId"),
            node_id=_text(message, "nodeId"),
            attempt=_attempt(message.get("attempt", 1)),
            is_last_attempt=_flag(message.get("isLastAttempt", True)),
        )


def _text(message: Mapping[Any, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidJobError(f"field {name!r} must be a non-empty string, this is {value!r}")
    return value


def _attempt(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidJobError(f"field 'attempt' must be a whole number from 1, this is {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidJobError(f"field 'isLastAttempt' must be true or false, this is {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where an outside caller resumes a waiting node: the URL to call and the event it stands for."""

    url: str
    event: str


@dataclass(frozen=True, slots=True)
class FinalResult:
    """The end of a run. ``payload`` is the final state of a completed run, ``reason`` why a failed one failed."""

    status: RunStatus
    payload: Any = None
    reason: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The JSON object a client reads; absent parts are left out."""
        wire: dict[str, Any] = {"status": self.status}
        if self.payload is not None:
            wire["payload"] = self.payload
        if self.reason is not None:
            wire["reason"] = self.reason
        return wire

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> FinalResult:
        """The inverse of :meth:`to_wire`; raises ValueError for a status that is neither completed nor failed."""
        status = message.get("status")
        if status not in ("completed", "failed"):
            raise ValueError(f"a final status is 'completed' or 'failed', this is {status!r}")
        return cls(status=status, payload=message.get("payload"), reason=message.get("reason"))


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What a node gives back: its output, the action that routes, and nodes to add to this run.

    The edges of a node are settled once all that it has added is done. An added node has an id that no node beside it
    has, uses what is in the registry or ``sleep``, and is given the output of the node that added it, unless it has
    ``inputs``; where it cannot be added the node that adds it fails.
    """

    output: Any = None
    action: str | None = None
    dynamic_nodes: tuple[NodeDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What a node is given: the run's state, its input, its params from the blueprint, the runtime's dependencies."""

    context: IAsyncContext
    input: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    dependencies: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeError:
    """One failure of one node: its id, the message, and how many attempts were made."""

    node_id: str
    message: str
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class WorkflowResult:
    """The end of a run in the in-process runtime.

    ``status`` is ``completed``, ``failed``, or ``waiting`` for a run that rests until resumed.
    """

    context: Mapping[str, Any]
    serialized_context: str
    status: Literal["completed", "failed", "waiting"]
    errors: tuple[NodeError, ...] = ()
