"""Adapters whose workers hinder each other or die of bad messages: each is the one in memory with one mistake."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from flowcraft_conformance import AdapterOptions, InvalidJobError, JobPayload
from flowcraft_conformance.runtime.graph import END, Graph
from flowcraft_conformance.runtime.joins import Joins
from flowcraft_conformance.runtime.state import RunState
from reference_adapters.memory.queue import Handler, MemoryConsumer, _Message
from tests.mutants.adapters_queue import QueueMutant

# Workers


class _WithoutRenewal(MemoryConsumer):
    async def _renew(self, message: _Message, receipt: int) -> None:
        await asyncio.Event().wait()


class NeverRenewsTheLease(QueueMutant):
    """The lease of a long job ends while its handler runs."""

    breaks = "JOB-LONG-01"
    consumer = _WithoutRenewal


class ServesOneWorkerOnly(QueueMutant):
    """An exclusive consumer: who came first gets everything."""

    breaks = "JOB-CONC-01"

    async def process_jobs(self, handler: Handler) -> None:
        if vars(self._cluster).setdefault("only", self) is self:
            await super().process_jobs(handler)


class _OneAfterTheOther(MemoryConsumer):
    """Takes ten messages at a time, and the next ten once these are done."""

    async def _listen(self, handler: Handler) -> None:
        while True:
            batch = [message for _ in range(10) if (message := self._queue.receive()) is not None]
            held = [asyncio.ensure_future(self._renew(message, message.receipt)) for message in batch]
            for message in batch:
                task = asyncio.ensure_future(self._deliver(message, message.receipt, handler))
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)
                await asyncio.wait({task})
            for renewing in held:
                renewing.cancel()
            if not batch:
                await self._wait_for_more()


class TakesTenAtATime(QueueMutant):
    """Jobs taken ahead wait behind a slow one, while another worker is idle."""

    breaks = "JOB-CONC-02"
    consumer = _OneAfterTheOther


class HandlesOneJobInAll(QueueMutant):
    """A lock of the whole queue is held while a handler runs."""

    breaks = "JOB-CONC-02"

    async def process_jobs(self, handler: Handler) -> None:
        lock = vars(self._cluster).setdefault("lock", asyncio.Lock())

        async def alone(job: JobPayload) -> None:
            async with lock:
                await handler(job)

        await super().process_jobs(alone)


# Messages


class _DiesOfBadMessages(MemoryConsumer):
    def _next(self) -> _Message | None:
        message = super()._next()
        if message is not None:
            JobPayload.from_wire(message.body)
        return message


class DiesOfABadMessage(QueueMutant):
    """The message is parsed outside of the try block, and the consumer's task ends."""

    breaks = "JOB-BAD-01"
    consumer = _DiesOfBadMessages


class SwallowsBadMessages(QueueMutant):
    """Drops them without a word."""

    breaks = "JOB-BAD-01"

    def _note(self, message: str, body: bytes) -> None:
        return


class _Believes(MemoryConsumer):
    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        with contextlib.suppress(ValueError):
            wire = json.loads(message.body)
            if isinstance(wire, dict) and {"runId", "blueprintId", "nodeId"} <= set(wire):
                job = JobPayload(str(wire["runId"]), str(wire["blueprintId"]), str(wire["nodeId"]))
                with contextlib.suppress(InvalidJobError):
                    JobPayload.from_wire(message.body)
                    return await super()._deliver(message, receipt, handler)
                self._note("odd types", message.body)
                await handler(job)
                return self._queue.acknowledge(message, receipt)
        return await super()._deliver(message, receipt, handler)


class BelievesEveryType(QueueMutant):
    """Makes text of whatever stands in a field."""

    breaks = "JOB-BAD-01"
    consumer = _Believes


class _Strict(MemoryConsumer):
    async def _deliver(self, message: _Message, receipt: int, handler: Handler) -> None:
        with contextlib.suppress(ValueError):
            wire: Any = json.loads(message.body)
            if isinstance(wire, dict) and set(wire) - set(JobPayload("r", "b", "n").to_wire()):
                self._note("a message with unknown fields was dropped", message.body)
                return self._queue.acknowledge(message, receipt)
        return await super()._deliver(message, receipt, handler)


class RefusesUnknownFields(QueueMutant):
    """A newer version adds a field, and the job is dropped."""

    breaks = "JOB-BAD-01"
    consumer = _Strict


# Workflows


class OwnArrivals(Joins):
    """An ``all`` join counts arrivals in the memory of its worker."""

    arrivals: dict[tuple[str, str], set[int]]

    async def _settle(self, edge: int, target: str, taken: bool) -> bool | None:
        outcome = await super()._settle(edge, target, taken)
        if target == END or not self._graph.is_join(target) or self._graph.is_any(target):
            return outcome
        seen = self.arrivals.setdefault((self._state.run_id, target), set())
        seen.add(edge)
        return True if len(seen) == self._graph.width(target) else None


class CountsArrivalsInItsMemory(QueueMutant):
    """A join is ready when one worker has seen all of its predecessors."""

    breaks = "DLV-MULTI-01"

    def __init__(self, options: AdapterOptions, *rest: Any, **more: Any) -> None:
        super().__init__(options, *rest, **more)
        core = self._runs._core
        arrivals: dict[tuple[str, str], set[int]] = {}

        def make(graph: Graph, state: RunState) -> Joins:
            joins = OwnArrivals(graph, state, core.store, core.ttls.joinlock)
            joins.arrivals = arrivals
            return joins

        core.joins = make  # type: ignore[method-assign]


WORKERS: tuple[type[QueueMutant], ...] = (
    NeverRenewsTheLease,
    ServesOneWorkerOnly,
    TakesTenAtATime,
    HandlesOneJobInAll,
    DiesOfABadMessage,
    SwallowsBadMessages,
    BelievesEveryType,
    RefusesUnknownFields,
    CountsArrivalsInItsMemory,
)
