"""What a plan lets happen, at the calls that it names."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import (
    CallSeen,
    InjectedError,
    Queued,
    place_in_adapter,
    stacks_of_tasks,
)
from flowcraft_conformance.harness.captured.worker import Worker

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.world import World

_PAUSE_SECONDS = 60.0
"""Added to the lease while a worker stands still."""


class Happenings:
    """The events of one plan, done to one world, and what was seen of them."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._at: dict[int, tuple[Event, ...]] = {}
        for event in plan.events:
            self._at[event.at] = (*self._at.get(event.at, ()), event)
        self.happened: list[tuple[Event, CallSeen]] = []
        self.crashed_stacks: list[list[tuple[str, int]]] = []
        self.disturbed = 0
        """Crashes, failed calls and lost leases: each may cost one more execution or publication."""

    def at(self, call: CallSeen) -> tuple[Event, ...]:
        """What the plan has for this call."""
        return self._at.get(call.number, ())

    async def happen(self, event: Event, seen: CallSeen, worker: Worker) -> None:
        """One event, at the call where ``worker`` stands.

        Raises:
            InjectedError: the event is that the call fails.
        """
        world = self._world
        if event.kind is Kind.INTERLEAVE and not (worker.delivery and world.due()):
            return
        self.happened.append((event, replace(seen, place=place_in_adapter())))
        if event.kind in (Kind.CRASH, Kind.FAIL):
            self.disturbed += 1
        if event.kind is Kind.FAIL:
            raise world.blame.on_purpose(InjectedError("the connection was lost"))
        if event.kind is Kind.CRASH:
            await self._crash(worker)
        elif event.kind is Kind.PAUSE:
            await self._pause(worker)
        elif event.kind is Kind.EXPIRE:
            await self._expire(event.what)
        elif event.kind is Kind.INTERLEAVE:
            await world.beside_this(self._interleave(event, worker))
        elif world.deliveries:
            job = world.deliveries[event.what % len(world.deliveries)].job
            await world.beside_this(world.deliver(job, hold_at=event.hold))

    async def _crash(self, worker: Worker) -> None:
        if self._world.is_alone:  # else others' awaits would count as well
            self.crashed_stacks.append(stacks_of_tasks())
        worker.dead = True
        await self._world.never()

    async def _interleave(self, event: Event, worker: Worker) -> None:
        world = self._world
        due = world.due()
        if not due:  # an event of the same moment has taken the last one
            return
        chosen = due[event.what % len(due)]
        world.queue.remove(chosen)
        before = world.held()
        await world.deliver(chosen.job, hold_at=event.hold)
        held = [one for one in world.held() if one not in before]
        worker.beside = held[0] if held and not event.after else None

    async def _pause(self, worker: Worker) -> None:
        world = self._world
        if worker.delivery is not None:
            worker.delivery.outcome = "paused"
            job = worker.delivery.job
            world.queue.append(Queued(replace(job, attempt=job.attempt + 1), world.clock.monotonic()))
        self.disturbed += 1 + world.at_work_beside(worker)
        worker.stopped = asyncio.get_running_loop().create_future()
        world.clock.advance(world.scenario.ttls.nodelock + _PAUSE_SECONDS)
        await asyncio.shield(worker.stopped)

    async def _expire(self, number: int) -> None:
        keys = self._world.keys.losable
        if keys:
            await self._world.lose_key(keys[number % len(keys)])
