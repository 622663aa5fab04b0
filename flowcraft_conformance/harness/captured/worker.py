"""A worker of a captured run: one adapter instance, every call of which the plan can interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.captured.plan import Event, Kind
from flowcraft_conformance.harness.captured.records import CallSeen, Delivery

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.world import World

NOT_OF_THE_TARGET = ("node", "clock")
"""Calls that no plan lets fail: a node fails by itself, time does not; what fails are the calls around them."""

_TURNS_TO_WAKE_UP = 2


class Worker:
    """One adapter instance, every call of which passes :meth:`call`."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.adapter: DistributedAdapter
        self.dead = False
        self.stopped: asyncio.Future[None] | None = None
        self.delivery: Delivery | None = None
        self.beside: Worker | None = None
        """Who makes a call at the same moment as this one makes its next."""

    @property
    def stands(self) -> bool:
        """Whether the worker stands still and will go on."""
        return self.stopped is not None

    async def call(
        self, part: str, name: str, about: str, make: Callable[[], Awaitable[Any]], *, expiring: bool = False
    ) -> Any:
        """One call: counted, and what the plan has for it done before and after it is applied."""
        if self.dead or self.stopped is not None or self.world.closed:
            await self.alive()
        world = self.world
        with world.blame.kit:
            seen = world.note_call(self, part, name, about)
            events = world.happenings.at(seen)
            if self.delivery is not None:
                await self._held()
            if events:
                await self._happens(events, seen, after=False)
            if expiring:
                await world.expire_keys()
        if self.beside is not None:
            result = await self._at_the_same_moment(make)
        else:
            result = await (make() if part in NOT_OF_THE_TARGET else self._in_flight(make))
        if events:
            with world.blame.kit:
                await self._happens(events, seen, after=True)
        return result

    async def _in_flight(self, make: Callable[[], Awaitable[Any]]) -> Any:
        self.world.begin_call()
        try:
            return await make()
        finally:
            self.world.end_call()

    async def _at_the_same_moment(self, make: Callable[[], Awaitable[Any]]) -> Any:
        beside, self.beside = self.beside, None
        assert beside is not None
        call = asyncio.ensure_future(self._later(make))
        try:
            with self.world.blame.kit:
                await self.world.go_on_beside(beside)
            return await call
        finally:
            call.cancel()

    async def _later(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """The call, once the other worker has come from where it stands to its own."""
        for _ in range(_TURNS_TO_WAKE_UP):
            await asyncio.sleep(0)
        return await self._in_flight(make)

    async def alive(self) -> None:
        """Return at once on a live worker, never on a dead one, and later on one that stands still."""
        if self.world.closed:
            raise asyncio.CancelledError
        if self.dead:
            await self.world.never()
        if self.stopped is not None:  # shielded: one task that is cancelled must not wake the others
            await asyncio.shield(self.stopped)

    async def _held(self) -> None:
        delivery = self.delivery
        assert delivery is not None
        if delivery.hold_at is not None and delivery.calls >= delivery.hold_at:
            delivery.hold_at = None
            delivery.outcome = "held"
            self.stopped = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.stopped)
            delivery.outcome = "running"

    async def _happens(self, events: tuple[Event, ...], seen: CallSeen, *, after: bool) -> None:
        for event in events:
            if event.after is after and not (event.kind is Kind.FAIL and seen.part in NOT_OF_THE_TARGET):
                await self.world.happenings.happen(event, seen, self)
