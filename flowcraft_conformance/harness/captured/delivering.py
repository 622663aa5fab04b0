"""The queue of a captured run: which job is delivered next, to which worker, and what comes of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.harness.captured.records import Delivery, LivelockError, Queued
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.turns import Turns
from flowcraft_conformance.harness.captured.worker import Worker

_REDELIVERY_SECONDS = 60.0
MOST_ATTEMPTS = 8
"""Deliveries of one job that the captured queue makes before it gives up."""
_MOST_DELIVERIES = 400
_NO_END = 1_000_000_000

_inside: ContextVar[tuple[int, ...]] = ContextVar("flowcraft_inside", default=())
"""The deliveries in the middle of which the current task does something."""


class Delivering(Turns, ABC):
    """The part of a world that is its queue. ``order``: for each delivery which of the jobs that are due it is."""

    def __init__(self, scenario: Scenario, order: Sequence[int]) -> None:
        super().__init__()
        self.scenario = scenario
        self.queue: list[Queued] = []
        self.enqueued: list[str] = []
        self.deliveries: list[Delivery] = []
        self.choices: list[int] = []
        """Of each delivery how many jobs were due."""
        self._order = list(order)
        self._attempts = min(scenario.attempts or MOST_ATTEMPTS, MOST_ATTEMPTS)
        self._workers: list[Worker] = []
        self._standing: list[tuple[Worker, asyncio.Future[Any]]] = []
        self._interleaved: list[asyncio.Future[Any]] = []
        """What is done in the middle of a delivery, and may outlast it."""
        self._most_deliveries = _MOST_DELIVERIES + 4 * len(scenario.blueprint.nodes)

    @abstractmethod
    async def make_worker(self, blueprints: tuple[WorkflowBlueprint, ...] | None = None) -> Worker:
        """A new adapter instance that knows these blueprints, by default all of the scenario's."""

    @abstractmethod
    async def _hire(self) -> Worker:
        """A new worker for the jobs of the queue."""

    @abstractmethod
    async def _is_delivered(self, job: JobPayload) -> bool:
        """Whether the queue delivers this job at all."""

    # Who stands where

    def due(self) -> list[Queued]:
        """The jobs that may be delivered now, in the order they were put on the queue."""
        now = self.clock.monotonic()
        return [queued for queued in self.queue if queued.due <= now]

    def held(self) -> list[Worker]:
        """The workers that stand in the middle of a job until another one is done."""
        return [worker for worker, _ in self._standing if _outcome(worker) == "held"]

    @property
    def is_alone(self) -> bool:
        """Whether no other delivery is under way beside the one that goes on now."""
        return len(self._settling) < 2 and not self._standing

    def at_work_beside(self, worker: Worker) -> int:
        """How many other live workers have a job in their hands."""
        return sum(one.delivery is not None and not one.dead for one in self._workers if one is not worker)

    # Deliveries

    async def _work_off(self, at_most: int = _NO_END) -> None:
        """Deliver jobs until there are none; then let those go on who stood still for so long."""
        last = len(self.deliveries) + at_most
        while len(self.deliveries) < last and (self.queue or self._standing or await self._goes_on()):
            if not self.queue:
                await self._release("held")
                await self._release("paused")
                continue
            if len(self.deliveries) > self._most_deliveries:
                raise LivelockError(f"{len(self.deliveries)} deliveries and no end")
            due = self.due()
            if not due:
                self.clock.advance(min(queued.due for queued in self.queue) - self.clock.monotonic())
                continue
            usual = len(due) - 1 if self.scenario.newest_first else 0
            choice = self._order.pop(0) % len(due) if self._order else usual
            self.choices.append(len(due))
            chosen = due[choice]
            self.queue.remove(chosen)
            if await self._is_delivered(chosen.job):
                await self.deliver(chosen.job)
                await self._all_beside_done()

    async def _worker(self) -> Worker:
        """A live worker without a delivery, by turns that no loop keeps step with.

        A job that comes again comes to the worker that had it, or to another one: what a worker keeps in memory is
        sometimes there, and sometimes not or out of date.
        """
        free = [one for one in self._workers if not one.dead and one.stopped is None and one.delivery is None]
        while len(free) < self.scenario.workers:
            free.append(await self._hire())
            self._workers.append(free[-1])
        return free[_turn(len(self.deliveries)) % len(free)]

    async def deliver(self, job: JobPayload, *, hold_at: int | None = None) -> None:
        """Deliver a job to a free worker and see to what its outcome asks for."""
        worker = await self._worker()
        job = replace(job, is_last_attempt=job.attempt >= self._attempts)
        delivery = Delivery(len(self.deliveries), job, worker.number, hold_at=hold_at)
        self.deliveries.append(delivery)
        worker.delivery, worker.beside = delivery, None
        around = _inside.set((*_inside.get(), delivery.number))
        try:
            task = self._spawn(worker.adapter.handle_job(job))
        finally:
            _inside.reset(around)
        await self._settle(task, worker)
        if worker.stopped is not None:
            self._standing.append((worker, task))
            return
        await self._finish(delivery, task, worker)
        await self._release("held")

    async def _release(self, outcome: str) -> None:
        """Let workers that stand still go on to their end.

        None in whose own delivery this is asked for: its heartbeat may stand while its work is in the middle of a call,
        and what is waited for here would wait for the end of this.
        """
        for worker, task in [pair for pair in self._standing if _outcome(pair[0]) == outcome]:
            if worker.delivery is None or worker.delivery.number not in _inside.get():
                await self._go_on(worker, task)

    async def go_on_beside(self, worker: Worker) -> None:
        """Let the worker of an interleaved job go on, and return once it is done."""
        for standing, task in list(self._standing):
            if standing is worker:
                await self.beside_this(self._go_on(worker, task))

    async def beside_this(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it in a task of its own: whoever stands here may be cancelled, a heartbeat say, and the job goes on."""
        task = self._spawn(work)
        self._interleaved.append(task)
        await asyncio.shield(task)

    async def _all_beside_done(self) -> None:
        while self._interleaved:
            await self._interleaved.pop()

    async def _go_on(self, worker: Worker, task: asyncio.Future[Any]) -> None:
        self._standing.remove((worker, task))
        stopped, worker.stopped = worker.stopped, None
        assert stopped is not None
        stopped.set_result(None)
        await self._settle(task, worker)
        if worker.stands:
            self._standing.append((worker, task))
        elif worker.delivery is not None:
            await self._finish(worker.delivery, task, worker)

    async def _finish(self, delivery: Delivery, task: asyncio.Future[Any], worker: Worker) -> None:
        """What a queue does at the outcome of a delivery; that of one which was paused comes too late to count."""
        now = self.clock.monotonic()
        again = replace(delivery.job, attempt=delivery.job.attempt + 1)
        if worker.dead:
            delivery.outcome = "crashed"
            self.queue.append(Queued(again, now + _REDELIVERY_SECONDS))
            return
        worker.delivery = None
        error = delivery.error = error_of(task)
        if delivery.outcome == "paused":
            return
        if error is None:
            delivery.outcome = "acknowledged"
        elif isinstance(error, JobDeferred):
            delivery.outcome = "deferred"
            self.queue.append(Queued(delivery.job, now + max(error.delay_seconds, 0.001)))
        elif delivery.job.attempt < self._attempts:
            delivery.outcome = "raised"
            self.queue.append(Queued(again, now))
        else:
            delivery.outcome = "dead-lettered"
            client = await self.make_worker()
            reason = f"{type(error).__name__}: {error}"
            await self._settle(self._spawn(client.adapter.abandon_job(delivery.job, reason)), client)


def _turn(number: int) -> int:
    """The Thue-Morse sequence: no stretch of it comes three times in a row."""
    return number.bit_count() % 2


def error_of(task: asyncio.Future[Any]) -> BaseException | None:
    """What a task that is done ended with, a cancellation among the errors: the target has cancelled itself then."""
    return asyncio.CancelledError("it was cancelled") if task.cancelled() else task.exception()


def _outcome(worker: Worker) -> str:
    return "paused" if worker.delivery is None else worker.delivery.outcome
