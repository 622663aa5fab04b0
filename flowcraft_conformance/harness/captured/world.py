"""One captured run: workers, a queue, virtual time, and a plan of what happens to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.keys import OUTPUTS_PREFIX
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import FinalResult, JobDeferred, JobPayload, NodeContext
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.captured.leftovers import keys_left
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import (
    CallSeen,
    Delivery,
    Execution,
    InjectedError,
    KeyLeft,
    LivelockError,
    Queued,
    QuietLogger,
    place_in_adapter,
    stacks_of_tasks,
)
from flowcraft_conformance.harness.captured.scenario import RUN, Scenario, Step, start
from flowcraft_conformance.harness.captured.turns import REAL_WAIT_SECONDS, Turns
from flowcraft_conformance.harness.captured.worker import Worker
from flowcraft_conformance.harness.captured.wrapped import (
    WrappedBus,
    WrappedClock,
    WrappedStore,
    wrap_context,
    wrap_node,
)
from flowcraft_conformance.harness.nodes import CLOCK

_WORKERS = 2
_REDELIVERY_SECONDS = 60.0
MOST_ATTEMPTS = 8
"""Deliveries of one job that the captured queue makes before it gives up."""
_MOST_DELIVERIES = 400
_NO_END = 1_000_000_000
_PAUSE_SECONDS = 60.0
"""Added to the lease while a worker stands still."""


class World(Turns):
    """Runs one plan. Made for one run and thrown away."""

    def __init__(
        self, harness: AdapterHarness, store: ICoordinationStore, scenario: Scenario, plan: Plan, run_id: str
    ) -> None:
        self.harness = harness
        self.scenario = scenario
        self.plan = plan
        self.run_id = scenario.run_name.replace(RUN, run_id)
        self.beside = {name.replace(RUN, run_id): blueprint for name, blueprint in scenario.beside}
        """The other runs, by their ids."""
        super().__init__()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.events_at: dict[int, tuple[Event, ...]] = {}
        for event in plan.events:
            self.events_at[event.at] = (*self.events_at.get(event.at, ()), event)
        self.happened: list[tuple[Event, CallSeen]] = []
        self.queue: list[Queued] = []
        self.deliveries: list[Delivery] = []
        self.executions: list[Execution] = []
        self.published: list[tuple[str, FinalResult]] = []
        self.enqueued: list[str] = []
        self.crashed_stacks: list[list[tuple[str, int]]] = []
        self._order = list(plan.order)
        self.choices: list[int] = []
        self._workers: list[Worker] = []
        self._numbers = 0
        self._standing: list[tuple[Worker, asyncio.Future[Any]]] = []
        self._interleaved: list[asyncio.Future[Any]] = []
        """What is done in the middle of a delivery, and may outlast it."""
        self._registry = scenario.registry()
        self._store = store
        self._adapters: list[DistributedAdapter] = []
        self._contexts: Callable[[str], IAsyncContext]
        self._most_deliveries = _MOST_DELIVERIES + 4 * len(scenario.blueprint.nodes)
        self.versions: dict[int, object] = {}
        """Of each worker the version of the scenario's blueprint that it knows."""
        self.client_errors: list[BaseException] = []
        self.left: tuple[KeyLeft, ...] = ()
        self.disturbed = 0
        """Crashes, failed calls and lost leases: each may cost one more execution or publication."""

    # Workers

    async def make_worker(self, blueprints: tuple[WorkflowBlueprint, ...] | None = None) -> Worker:
        """A new adapter instance, wrapped."""
        worker = Worker(self, self._numbers)
        self._numbers += 1
        known = blueprints or (self.scenario.blueprint, *self.scenario.blueprints, *self.beside.values())
        self.versions[worker.number] = known[0].metadata.get("version")
        clock = WrappedClock(worker)
        options = AdapterOptions(
            RuntimeOptions(
                registry={name: wrap_node(name, function, worker) for name, function in self._registry.items()},
                blueprints={blueprint.id: blueprint for blueprint in known},
                dependencies={CLOCK: clock},
                ttls=self.scenario.ttls,
                clock=clock,
                logger=QuietLogger(),
            ),
            WrappedStore(self._store, worker),
            WrappedBus(worker),
        )
        adapter = await self.harness.create_adapter(options)
        await adapter.open()
        self._adapters.append(adapter)
        self._capture(adapter, worker)
        worker.adapter = adapter
        return worker

    def _capture(self, adapter: Any, worker: Worker) -> None:
        """Take the place of the adapter's queue, and stand between it and its contexts and results."""
        make_context = self._contexts = adapter.create_context

        async def enqueue_job(job: JobPayload) -> None:
            async def put() -> None:
                self.enqueued.append(job.node_id)
                self.queue.append(Queued(JobPayload(job.run_id, job.blueprint_id, job.node_id), self.clock.monotonic()))

            await worker.call("queue", "enqueue_job", job.node_id, put)

        async def publish_final_result(run_id: str, result: FinalResult) -> None:
            async def publish() -> None:
                self.published.append((run_id, result))

            await worker.call("result", "publish_final_result", result.status, publish)

        adapter.create_context = lambda run_id: wrap_context(make_context(run_id), worker)
        adapter.enqueue_job = enqueue_job
        adapter.publish_final_result = publish_final_result

    async def _worker(self) -> Worker:
        """A live worker without a delivery, in turn, so that what one keeps in memory is not there for the next."""
        free = [one for one in self._workers if not one.dead and one.stopped is None and one.delivery is None]
        while len(free) < _WORKERS:
            versions = self.scenario.worker_blueprints
            free.append(await self.make_worker(versions[self._numbers % len(versions)] if versions else None))
            self._workers.append(free[-1])
        return free[len(self.deliveries) % len(free)]

    # The run

    @property
    def results(self) -> list[FinalResult]:
        """What was published of the run."""
        return self.results_of(self.run_id)

    def results_of(self, run_id: str) -> list[FinalResult]:
        """What was published of one of the runs."""
        return [result for published_of, result in self.published if published_of == run_id]

    async def run(self) -> None:
        """Run the scenario to its end under the plan.

        Raises:
            LivelockError: it does not end.
        """
        self._before = asyncio.all_tasks()
        try:
            for step in (self.scenario.first or start, *self.scenario.steps):
                await self._client_step(step)
                await self._work_off()
            if self.scenario.watch_keys:
                self.left = await keys_left(self, self.scenario.ttls)
        finally:
            await self._close()

    async def run_losing_jobs(self, delivered: int) -> tuple[set[str], set[str], set[str]]:
        """Start, deliver so many jobs, lose the others, reconcile twice, go on to the end, and reconcile once more.

        The nodes whose jobs were lost before one of them was done; those that the first reconcile put on the queue;
        those that the last one did.
        """
        self._before = asyncio.all_tasks()
        try:
            await self._client_step(start)
            await self._work_off(at_most=delivered)
            done = {delivery.job.node_id for delivery in self.deliveries if delivery.outcome == "acknowledged"}
            lost = {queued.job.node_id for queued in self.queue} - done
            self.queue.clear()
            found = await self._reconciled()
            await self._reconciled()
            await self._work_off()
            return lost, found, await self._reconciled()
        finally:
            await self._close()

    async def _reconciled(self) -> set[str]:
        before = len(self.enqueued)

        async def reconcile(world: World, client: DistributedAdapter) -> None:
            await client.reconcile(world.run_id)

        await self._client_step(reconcile)
        return set(self.enqueued[before:])

    async def _client_step(self, step: Step) -> None:
        for _ in range(MOST_ATTEMPTS):
            client = await self.make_worker()
            task = self._spawn(step(self, client.adapter))
            await self._settle(task, client)
            if client.stopped is not None:
                self._standing.append((client, task))
            elif task.done() and not client.dead:
                if (error := task.exception()) is None:
                    return
                self.client_errors.append(error)
        last = repr(self.client_errors[-1]) if self.client_errors else "it never returned"
        raise LivelockError(f"a client did not get through with {step.__name__}: {last}")

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
            due = self._due()
            if not due:
                self.clock.advance(min(queued.due for queued in self.queue) - self.clock.monotonic())
                continue
            choice = self._order.pop(0) % len(due) if self._order else 0
            self.choices.append(len(due))
            chosen = due[choice]
            self.queue.remove(chosen)
            if await self._is_delivered(chosen.job):
                await self.deliver(chosen.job)
                await self._all_beside_done()

    async def _is_delivered(self, job: JobPayload) -> bool:
        if self.scenario.before_delivery is None:
            return True
        client = await self.make_worker()
        return await self.scenario.before_delivery(self, client.adapter, job)

    async def deliver(self, job: JobPayload, *, hold_at: int | None = None) -> None:
        """Deliver a job to a free worker and see to what its outcome asks for."""
        worker = await self._worker()
        job = replace(job, is_last_attempt=job.attempt >= MOST_ATTEMPTS)
        delivery = Delivery(len(self.deliveries), job, worker.number, hold_at=hold_at)
        self.deliveries.append(delivery)
        worker.delivery, worker.beside = delivery, None
        task = self._spawn(worker.adapter.handle_job(job))
        await self._settle(task, worker)
        if worker.stopped is not None:
            self._standing.append((worker, task))
            return
        await self._finish(delivery, task, worker)
        await self._release("held")

    async def _release(self, outcome: str) -> None:
        """Let workers that stand still go on to their end."""
        for worker, task in [pair for pair in self._standing if _outcome(pair[0]) == outcome]:
            await self._go_on(worker, task)

    async def go_on_beside(self, worker: Worker) -> None:
        """Let the worker of an interleaved job go on, and return once it is done."""
        for standing, task in list(self._standing):
            if standing is worker:
                await self._beside(self._go_on(worker, task))

    async def _beside(self, work: Coroutine[Any, Any, None]) -> None:
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
        error = delivery.error = task.exception()
        if delivery.outcome == "paused":
            return
        if error is None:
            delivery.outcome = "acknowledged"
        elif isinstance(error, JobDeferred):
            delivery.outcome = "deferred"
            self.queue.append(Queued(delivery.job, now + max(error.delay_seconds, 0.001)))
        elif delivery.job.attempt < MOST_ATTEMPTS:
            delivery.outcome = "raised"
            self.queue.append(Queued(again, now))
        else:
            delivery.outcome = "dead-lettered"
            client = await self.make_worker()
            reason = f"{type(error).__name__}: {error}"
            await self._settle(self._spawn(client.adapter.abandon_job(delivery.job, reason)), client)

    # What the plan does

    async def happen(self, event: Event, seen: CallSeen, worker: Worker) -> None:
        """One event, at the call where ``worker`` stands."""
        if event.kind is Kind.INTERLEAVE and not (worker.delivery and self._due()):
            return
        self.happened.append((event, replace(seen, place=place_in_adapter())))
        if event.kind in (Kind.CRASH, Kind.FAIL):
            self.disturbed += 1
        if event.kind is Kind.FAIL:
            raise InjectedError("the connection was lost")
        if event.kind is Kind.CRASH:
            if len(self._settling) < 2 and not self._standing:  # else others' awaits would count as well
                self.crashed_stacks.append(stacks_of_tasks())
            worker.dead = True
            await self.never()
        elif event.kind is Kind.PAUSE:
            await self._pause(worker)
        elif event.kind is Kind.EXPIRE:
            await self._expire(event.what)
        elif event.kind is Kind.INTERLEAVE:
            await self._beside(self._interleave(event, worker))
        elif self.deliveries:
            await self.deliver(self.deliveries[event.what % len(self.deliveries)].job, hold_at=event.hold)

    async def _interleave(self, event: Event, worker: Worker) -> None:
        due = self._due()
        if not due:  # an event of the same moment has taken the last one
            return
        chosen = due[event.what % len(due)]
        self.queue.remove(chosen)
        before = {standing for standing, _ in self._standing}
        await self.deliver(chosen.job, hold_at=event.hold)
        held = [standing for standing, _ in self._standing if standing not in before and _outcome(standing) == "held"]
        worker.beside = held[0] if held and not event.after else None

    def _due(self) -> list[Queued]:
        """The jobs that may be delivered now, in the order they were put on the queue."""
        now = self.clock.monotonic()
        return [queued for queued in self.queue if queued.due <= now]

    async def _pause(self, worker: Worker) -> None:
        if worker.delivery is not None:
            worker.delivery.outcome = "paused"
            job = worker.delivery.job
            self.queue.append(Queued(replace(job, attempt=job.attempt + 1), self.clock.monotonic()))
        self.disturbed += 1 + sum(
            one.delivery is not None and not one.dead for one in self._workers if one is not worker
        )
        worker.stopped = asyncio.get_running_loop().create_future()
        self.clock.advance(self.scenario.ttls.nodelock + _PAUSE_SECONDS)
        await asyncio.shield(worker.stopped)

    async def _expire(self, number: int) -> None:
        keys = self.keys.losable
        if keys:
            key = keys[number % len(keys)]
            self.keys.forget(key)
            await self._store.delete(key)

    def open_context(self, run_id: str | None = None) -> IAsyncContext:
        """The state of a run, by default the scenario's own, for a look from outside."""
        return self._contexts(run_id or self.run_id)

    async def delete_keys(self) -> None:
        """Remove the coordination keys that are left."""
        for key in list(self.keys.deadlines):
            await self._store.delete(key)

    async def disconnect(self) -> None:
        """Let go of every adapter's connections, of killed workers too: their machine would have done it."""
        for adapter in self._adapters:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(REAL_WAIT_SECONDS):
                    await adapter.disconnect()

    # What the workers see

    def note_call(self, worker: Worker, part: str, name: str, about: str) -> CallSeen:
        """A call begins."""
        number = len(self.calls)
        delivery = -1
        if worker.delivery is not None:
            delivery = worker.delivery.number
            worker.delivery.calls += 1
        seen = CallSeen(number, worker.number, delivery, part, name, about)
        if not self.plan.events:  # plans are made from such a run
            seen = replace(seen, keys=len(self.keys.losable), waiting=len(self._due()))
        self.calls.append(seen)
        return seen

    async def expire_keys(self) -> None:
        """Delete what the world's time has ended from the real store."""
        for key in self.keys.expired():
            await self._store.delete(key)

    async def note_execution(self, worker: Worker, node: str, given: NodeContext) -> None:
        """A node begins."""
        delivery = worker.delivery.number if worker.delivery is not None else -1
        stored: frozenset[str] = frozenset()
        if self.scenario.watch_outputs:
            keys = await self.open_context().to_dict()
            stored = frozenset(key.removeprefix(OUTPUTS_PREFIX) for key in keys if key.startswith(OUTPUTS_PREFIX))
        self.executions.append(Execution(node, delivery, given.input, self.clock.monotonic(), stored))

    async def never(self) -> None:
        """Do not return before the run is closed."""
        await asyncio.get_running_loop().create_future()


def _outcome(worker: Worker) -> str:
    return "paused" if worker.delivery is None else worker.delivery.outcome
