"""Turns of the loop in a captured run: who can still do something, and when world time moves on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.harness.captured.records import CallSeen, LiveKeys

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.worker import Worker

_IDLE_TURNS = 6
_POLLS = 3
"""Turns in which a call may be answered before the loop sleeps until one is: a loop that turns all the time takes the
processor from the server that is to answer."""
_REST_SECONDS = 0.01
"""The longest such sleep: what ends a wait is rarely anything but an answer."""
_SECOND_LOOKS = 4
_SHORT_WAIT = 0.0005
REAL_WAIT_SECONDS = 10.0


class Turns:
    """The part of a world that waits. World time moves only where nobody can do anything else."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.keys = LiveKeys(self.clock)
        self.calls: list[CallSeen] = []
        self.closed = False
        self.in_flight = 0
        """Calls that the target has and has not answered."""
        self._answered: asyncio.Future[None] | None = None
        """Done as soon as one of them is answered; None while nobody waits for that."""
        self.hangs: list[CallSeen | None] = []
        self._tasks: list[asyncio.Future[Any]] = []
        self._before: set[asyncio.Task[Any]] = set()
        """Tasks that are none of this run's."""
        self._settling: list[object] = []
        self._waits_for_real = False
        """Whether the target's calls take real time."""

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    async def _settle(self, task: asyncio.Future[Any], worker: Worker) -> None:
        """Wait until the task is done, or its worker is dead or stands still.

        World time moves on where nobody can do anything else; with deliveries inside one another the innermost decides.
        """
        me = object()
        self._settling.append(me)
        idle, polls, stuck_since = 0, 0, None
        try:
            while not (task.done() or worker.dead or worker.stands):
                before = len(self.calls)
                # A call that the target has not answered yet, or a wait of the adapter's own, takes real time.
                if polls > _POLLS:
                    await self._rest(task)
                else:
                    await asyncio.sleep(_SHORT_WAIT if stuck_since else 0)
                self._waits_for_real |= bool(self.in_flight)
                polls = polls + 1 if self.in_flight and len(self.calls) == before else 0
                if self.in_flight or len(self.calls) != before or self._settling[-1] is not me:
                    idle, stuck_since = 0, None
                    continue
                idle += 1
                if idle <= _IDLE_TURNS:
                    continue
                if self._waits_for_real and idle <= _IDLE_TURNS + _SECOND_LOOKS:
                    await asyncio.sleep(_SHORT_WAIT)  # between two calls an adapter may wait for a socket of its own
                    continue
                if self.clock.advance_to_next():
                    idle, stuck_since = 0, None
                elif stuck_since is None:
                    stuck_since = time.monotonic()
                elif time.monotonic() - stuck_since > REAL_WAIT_SECONDS:
                    self.hangs.append(self.calls[-1] if self.calls else None)
                    worker.dead = True
        finally:
            self._settling.remove(me)

    async def _rest(self, task: asyncio.Future[Any]) -> None:
        """Sleep until a call is answered or the task is done."""
        if self._answered is None:
            self._answered = asyncio.get_running_loop().create_future()
        await asyncio.wait((task, self._answered), timeout=_REST_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def begin_call(self) -> None:
        """The target has one call more."""
        self.in_flight += 1

    def end_call(self) -> None:
        """It has answered one, or will never answer it."""
        self.in_flight -= 1
        answered, self._answered = self._answered, None
        if answered is not None:
            answered.set_result(None)

    async def _goes_on(self) -> bool:
        """Whether somebody still does something though no job is left: work that outlives its delivery."""
        before = len(self.calls)
        for _ in range(_IDLE_TURNS):
            await asyncio.sleep(_SHORT_WAIT if self.in_flight else 0)
        return len(self.calls) != before or bool(self.in_flight)

    async def _close(self) -> None:
        """End everything that still stands, and remove what the run has left in the target."""
        self.closed = True
        left = [task for task in asyncio.all_tasks() if task not in self._before]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=REAL_WAIT_SECONDS)
        for spawned in self._tasks:
            if spawned.done() and not spawned.cancelled():
                spawned.exception()
