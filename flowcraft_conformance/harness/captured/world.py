"""One captured run: workers, a queue, virtual time, and a plan of what happens to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.keys import OUTPUTS_PREFIX
from flowcraft_conformance.contract.payloads import FinalResult, JobPayload, NodeContext
from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.captured.blame import Blame, Blamed
from flowcraft_conformance.harness.captured.delivering import MOST_ATTEMPTS, Delivering, error_of
from flowcraft_conformance.harness.captured.happenings import Happenings
from flowcraft_conformance.harness.captured.leftovers import keys_left
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.records import CallSeen, Execution, KeyLeft, LivelockError
from flowcraft_conformance.harness.captured.scenario import RUN, Scenario, Step, start
from flowcraft_conformance.harness.captured.takeover import options_for, take_over
from flowcraft_conformance.harness.captured.turns import REAL_WAIT_SECONDS
from flowcraft_conformance.harness.captured.worker import Worker
from flowcraft_conformance.harness.errors import InternalError


class World(Delivering):
    """Runs one plan. Made for one run and thrown away."""

    def __init__(
        self, harness: AdapterHarness, store: ICoordinationStore, scenario: Scenario, plan: Plan, run_id: str
    ) -> None:
        super().__init__(scenario, plan.order)
        self.harness = harness
        self.plan = plan
        self.run_id = scenario.run_name.replace(RUN, run_id)
        self.beside = {name.replace(RUN, run_id): blueprint for name, blueprint in scenario.beside}
        """The other runs, by their ids."""
        self.blame = Blame()
        self.happenings = Happenings(self, plan)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.executions: list[Execution] = []
        self.published: list[tuple[str, FinalResult]] = []
        self._nodes = scenario.registry()
        """Of all workers: what a node counts is of the run."""
        self._numbers = 0
        self._store = store
        self._adapters: list[DistributedAdapter] = []
        self._contexts: Callable[[str], IAsyncContext] | None = None
        self.versions: dict[int, object] = {}
        """Of each worker the version of the scenario's blueprint that it knows."""
        self.client_errors: list[BaseException] = []
        self.left: tuple[KeyLeft, ...] = ()

    async def make_worker(self, blueprints: tuple[WorkflowBlueprint, ...] | None = None) -> Worker:
        """A new adapter instance, wrapped."""
        worker = Worker(self, self._numbers)
        self._numbers += 1
        known = blueprints or (self.scenario.blueprint, *self.scenario.blueprints, *self.beside.values())
        self.versions[worker.number] = known[0].metadata.get("version")
        options = options_for(worker, self._nodes, self._store, known)
        with self.blame.target:
            adapter = await self.harness.create_adapter(options)
            await adapter.open()
        self._adapters.append(adapter)
        self._contexts = take_over(adapter, worker)
        worker.adapter = adapter
        return worker

    async def _hire(self) -> Worker:
        versions = self.scenario.worker_blueprints
        return await self.make_worker(versions[self._numbers % len(versions)] if versions else None)

    def _client(self, worker: Worker) -> DistributedAdapter:
        """The worker's adapter, as a scenario's own code calls it."""
        return cast(DistributedAdapter, Blamed(worker.adapter, self.blame))

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
            InternalError: the kit's own code failed, also where the target has swallowed it.
        """
        async with self._running():
            for step in (self.scenario.first or start, *self.scenario.steps):
                await self._client_step(step)
                await self._work_off()
            if self.scenario.watch_keys:
                self.left = await keys_left(self, self.scenario.ttls)

    async def run_losing_jobs(self, delivered: int) -> tuple[set[str], list[set[str]], set[str]]:
        """Start, deliver so many jobs, lose the others, reconcile, lose them again, reconcile twice, go on to the end,
        and reconcile once more.

        The nodes whose jobs were lost before one of them was done; those that the reconcile after each loss put on the
        queue, all by one client; those that the last one did. Raises what :meth:`run` raises.
        """
        async with self._running():
            await self._client_step(start)
            await self._work_off(at_most=delivered)
            done = {delivery.job.node_id for delivery in self.deliveries if delivery.outcome == "acknowledged"}
            lost = {queued.job.node_id for queued in self.queue} - done
            found = await self._reconciled(_lose_all, _lose_all)
            await self._reconciled(_lose_nothing)
            await self._work_off()
            [again] = await self._reconciled(_lose_nothing)
            return lost, found, again

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Around a run: what it has left is ended, and an error of the kit's own is told as such."""
        self._before = asyncio.all_tasks()
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
            raise
        finally:
            await self._close()
            own = self.blame.kits(None if isinstance(error, LivelockError) else error)
            if own is not None:
                where = f"a captured run of {self.scenario.blueprint.id!r}, plan {self.plan.encode()}"
                raise InternalError(where, own) from own

    async def _reconciled(self, *befores: Callable[[World], None]) -> list[set[str]]:
        """The nodes that one client puts on the queue by a reconcile after each of these."""
        found: list[set[str]] = []

        async def reconcile(world: World, client: DistributedAdapter) -> None:
            found.clear()  # where the step is done again
            for before in befores:
                before(world)
                known = len(world.enqueued)
                await client.reconcile(world.run_id)
                found.append(set(world.enqueued[known:]))

        await self._client_step(reconcile)
        return found

    async def _client_step(self, step: Step) -> None:
        for _ in range(MOST_ATTEMPTS):
            client = await self.make_worker()
            task = self._spawn(self._do(step, self._client(client)))
            await self._settle(task, client)
            if client.stopped is not None:
                self._standing.append((client, task))
            elif task.done() and not client.dead:
                if (error := error_of(task)) is None:
                    return
                if self.blame.of_kit:
                    raise error
                self.client_errors.append(error)
        last = repr(self.client_errors[-1]) if self.client_errors else "it never returned"
        raise LivelockError(f"a client did not get through with {step.__name__}: {last}")

    async def _do(self, step: Step, client: DistributedAdapter) -> None:
        with self.blame.kit:
            await step(self, client)

    async def _is_delivered(self, job: JobPayload) -> bool:
        if self.scenario.before_delivery is None:
            return True
        client = await self.make_worker()
        return await self.scenario.before_delivery(self, self._client(client), job)

    # What is looked at and removed from outside

    def open_context(self, run_id: str | None = None) -> IAsyncContext:
        """The state of a run, by default the scenario's own, for a look from outside; some worker must be there."""
        assert self._contexts is not None
        with self.blame.target:
            return cast(IAsyncContext, Blamed(self._contexts(run_id or self.run_id), self.blame))

    @property
    def has_begun(self) -> bool:
        """Whether there ever was an adapter that could do anything."""
        return self._contexts is not None

    async def lose_key(self, key: str) -> None:
        """A coordination key is gone before its time."""
        self.keys.forget(key)
        await self._delete_keys([key])

    async def expire_keys(self) -> None:
        """Delete what the world's time has ended from the real store."""
        await self._delete_keys(self.keys.expired())

    async def delete_keys(self) -> None:
        """Remove the coordination keys that are left."""
        await self._delete_keys(list(self.keys.deadlines))

    async def _delete_keys(self, keys: list[str]) -> None:
        for key in keys:
            with self.blame.target:
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
            seen = replace(seen, keys=len(self.keys.losable), waiting=len(self.due()))
        self.calls.append(seen)
        return seen

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


def _lose_all(world: World) -> None:
    world.queue.clear()


def _lose_nothing(_world: World) -> None:
    return
