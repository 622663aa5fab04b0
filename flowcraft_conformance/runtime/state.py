"""The durable state of one run: which keys it uses, and how each is written so that it is decided once.

What is durable decides; coordination keys only save work. Where the context offers ``patch_if_absent`` each decision is
one atomic step. Without it a decision is read and then written, which holds as long as no worker is paused for longer
than its lease between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.keys import (
    BLUEPRINT_ID,
    BLUEPRINT_VERSION,
    CoordinationKeys,
    output_key,
)
from flowcraft_conformance.contract.payloads import (
    DeleteOp,
    FinalResult,
    PatchOperation,
    RunStatus,
    SetOp,
)
from flowcraft_conformance.contract.protocols import IAsyncContext
from flowcraft_conformance.runtime.added import ADDED_PREFIX, definition_from_json, group_key, group_size
from flowcraft_conformance.runtime.routing import SKIPPED, Decision
from flowcraft_conformance.runtime.short_keys import with_short_keys

RUNTIME = "_runtime"
THIS_RUNTIME = "flowcraft-conformance/1"
STATUS = "_status"
DONE_PREFIX = "_done."
WALKED_PREFIX = "_walked."
AWAITING_PREFIX = "_awaiting."
RESUME_PREFIX = "_resume."
ATTEMPTS_PREFIX = "_attempts."

WAKE_PREFIX = "_wake."

RESERVED_PREFIXES = (
    DONE_PREFIX, WALKED_PREFIX, AWAITING_PREFIX, RESUME_PREFIX, ATTEMPTS_PREFIX, ADDED_PREFIX, WAKE_PREFIX,
    "_arrived.", "_winner.", "_came.", "_outputs.", "_sub.", "_worker.",
)  # fmt: skip
RESERVED = (RUNTIME, STATUS, BLUEPRINT_ID, BLUEPRINT_VERSION)


def is_reserved(key: str) -> bool:
    """Whether a key of the state belongs to the runtime."""
    return key in RESERVED or key.startswith(RESERVED_PREFIXES)


@dataclass(frozen=True, slots=True)
class RunStatusRecord:
    """The end of a run as it was decided, and whether it has been published."""

    status: RunStatus
    reason: str | None = None
    published: bool = False

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> RunStatusRecord:
        """As it is stored."""
        return cls(stored["status"], stored.get("reason"), bool(stored.get("published")))

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"status": self.status, "reason": self.reason, "published": self.published}


class RunState:
    """The durable keys of one run over its context."""

    def __init__(self, run_id: str, context: IAsyncContext) -> None:
        self.run_id = run_id
        self.context = with_short_keys(context)
        self.keys = CoordinationKeys(run_id)
        self.guarded = getattr(self.context, "patch_if_absent", None)

    async def write_once(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """Apply the operations if the key ``guard`` is absent; they must set it. False: it was there."""
        if self.guarded is not None:
            return bool(await self.guarded(guard, operations))
        if await self.context.has(guard):
            return False
        await self.context.patch(operations)
        return True

    # The run

    async def begin(self, blueprint_id: str, version: object, initial: Sequence[PatchOperation]) -> bool:
        """Bind the run to a blueprint; False where it was begun before."""
        return await self.write_once(
            BLUEPRINT_ID,
            [
                *initial,
                SetOp(BLUEPRINT_ID, blueprint_id),
                SetOp(BLUEPRINT_VERSION, version),
                SetOp(RUNTIME, THIS_RUNTIME),
            ],
        )

    async def status(self) -> RunStatusRecord | None:
        """How the run ended, or None."""
        stored = await self.context.get(STATUS)
        return None if stored is None else RunStatusRecord.from_json(stored)

    async def decide_status(self, result: FinalResult) -> RunStatusRecord:
        """The end of the run: this one, or the one that was decided before."""
        record = RunStatusRecord(result.status, result.reason)
        if await self.write_once(STATUS, [SetOp(STATUS, record.to_json())]):
            return record
        return await self.status() or record

    async def mark_published(self, record: RunStatusRecord) -> None:
        """Note that the client has been told."""
        told = RunStatusRecord(record.status, record.reason, published=True)
        await self.context.set(STATUS, told.to_json())

    # One node

    async def decision(self, node_id: str) -> Decision | None:
        """What became of the node, or None."""
        stored = await self.context.get(DONE_PREFIX + node_id)
        return None if stored is None else Decision.from_json(stored)

    async def commit(
        self, node_id: str, decision: Decision, output: Any, ran: Sequence[str], changes: Sequence[PatchOperation]
    ) -> bool:
        """The one atomic step that makes a node done; False where it was done before."""
        # The runtime's own keys come last: what a node writes under such a name does not stand.
        outputs = [SetOp(output_key(name), output) for name in ran]
        decided = SetOp(DONE_PREFIX + node_id, decision.to_json())
        return await self.write_once(DONE_PREFIX + node_id, [*changes, *outputs, decided])

    async def added(self, node_id: str, position: int, count: int) -> NodeDefinition | None:
        """One of so many nodes that the node has added, or None."""
        size = group_size(count)
        group = await self.context.get(group_key(node_id, position // size))
        return None if group is None else definition_from_json(group[position % size])

    async def wake_at(self, node_id: str, moment: float) -> float:
        """When a sleeping node wakes (seconds since 1970): at this moment, unless that was decided before."""
        key = WAKE_PREFIX + node_id
        decided: float | None = await self.context.get(key)
        if decided is None:
            await self.write_once(key, [SetOp(key, moment)])
            decided = await self.context.get(key)
        return moment if decided is None else decided

    async def skip(self, node_id: str) -> None:
        """Note that the node can no longer run."""
        await self.context.set(DONE_PREFIX + node_id, SKIPPED.to_json())

    async def fail(self, node_id: str, reason: str) -> bool:
        """Note that the node has failed for good; False where it was done before."""
        key = DONE_PREFIX + node_id
        return await self.write_once(key, [SetOp(key, Decision(failure=reason).to_json())])

    async def is_walked(self, node_id: str) -> bool:
        """Whether everything behind the node has been told."""
        return await self.context.has(WALKED_PREFIX + node_id)

    async def mark_walked(self, node_id: str) -> None:
        """Note that everything behind the node has been told."""
        await self.context.set(WALKED_PREFIX + node_id, True)

    async def count_attempt(self, node_id: str, failed_at: float) -> int:
        """Count a failed attempt that the queue is to repeat; the number of them."""
        count = 1 + len(await self.attempts(node_id))
        await self.context.set(ATTEMPTS_PREFIX + node_id, [*[0.0] * (count - 1), failed_at])
        return count

    async def attempts(self, node_id: str) -> list[float]:
        """When the node's attempts through the queue failed (seconds since 1970), the last one exactly."""
        return await self.context.get(ATTEMPTS_PREFIX + node_id) or []

    # Waiting

    async def await_resume(self, node_id: str, details: Any) -> None:
        """Note that the node waits."""
        operations = [SetOp(AWAITING_PREFIX + node_id, details)]
        if self.guarded is not None:  # not after it was resumed and done
            await self.guarded(DONE_PREFIX + node_id, operations)
        else:
            await self.context.patch(operations)

    async def is_waiting(self, node_id: str) -> bool:
        """Whether the node waits and has not gone on."""
        return await self.context.has(AWAITING_PREFIX + node_id) and not await self.context.has(DONE_PREFIX + node_id)

    async def resume(self, node_id: str, action: str, output: Any) -> bool:
        """Give a waiting node its answer; False where it has another one already."""
        answer = {"action": action, "output": output}
        if await self.write_once(RESUME_PREFIX + node_id, [SetOp(RESUME_PREFIX + node_id, answer)]):
            return True
        return bool(await self.answer(node_id) == answer)

    async def answer(self, node_id: str) -> dict[str, Any] | None:
        """The answer a waiting node got: its action and output; None as long as there is none."""
        answer: dict[str, Any] | None = await self.context.get(RESUME_PREFIX + node_id)
        return answer


def no_longer_waiting(node_id: str) -> DeleteOp:
    """The change that ends a wait."""
    return DeleteOp(AWAITING_PREFIX + node_id)
