"""An event loop whose every decision is taken from a list: virtual time, no selector, no threads, the same run again.

A *lane* is the ready step of one task. The loop takes the lanes in asyncio's own order; at each point where it could do
otherwise (several lanes are ready, or a timer is near) the next number of the list decides:

* 0: the lane that asyncio would take; an exhausted list means 0 for ever;
* k below the number of ready lanes: the k-th lane behind it. Those it overtakes are slow: they are held back until
  nothing else is ready, unless a later number calls for them;
* the last number, where a timer is near: all ready lanes are slow, the next timer fires first. Without it virtual time
  would hide every overlap with what sleeps, because time moves only when all else is done.

Numbers are taken modulo the number of choices, so that every list is a schedule. Plain callbacks are no lanes: what was
passed to ``call_soon`` runs before every step that was made ready after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from typing import Any, TypeVar, TypeVarTuple

from flowcraft_conformance.checking.loop_parts import (
    DeadlockError,
    LoopClock,
    NeedsRealTimeError,
    PlainLoop,
    ReadyStep,
    StepLimitError,
    VirtualTimer,
)
from flowcraft_conformance.checking.step_story import StepStory, await_site

T = TypeVar("T")
_Args = TypeVarTuple("_Args")

START = 1_000_000.0
"""Virtual seconds at which every run begins."""
_SLOWEST = 0.25
_CLEANUP_STEPS = 10_000


class DeterministicLoop(PlainLoop):
    """Runs coroutines one after the other, each under a schedule given as a list of small integers.

    One loop may serve many runs. ``slowest`` bounds, in virtual seconds, how long a ready step can be held back by
    timers that fire before it. After a run:

    * ``steps``: how many callbacks ran;
    * ``points``: how many choices there were at each point where a number of the list was used;
    * ``story``: every step, where the run was asked to tell;
    * ``needed``: the first refused call, also where the code on the loop swallowed the error.
    """

    def __init__(self, *, slowest: float = _SLOWEST) -> None:
        super().__init__()
        self.clock = LoopClock(self)
        self.steps = 0
        self.points: list[int] = []
        self.story: StepStory | None = None
        self.needed: NeedsRealTimeError | None = None
        self._slowest = slowest
        self._now = START
        self._ready: list[ReadyStep] = []
        self._held: list[ReadyStep] = []
        self._left: Iterator[int] = iter(())
        self._choosing = False
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._count = itertools.count(1)
        self._tasks: list[asyncio.Task[Any]] = []
        self._closers: set[asyncio.Task[Any]] = set()
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._thread: int | None = None
        self._closed = False

    def run(
        self,
        coroutine: Coroutine[Any, Any, T],
        choices: Sequence[int] = (),
        *,
        max_steps: int = 100_000,
        tell: bool = False,
    ) -> T:
        """The result of ``coroutine``, run under the schedule ``choices``; ``tell`` keeps the story of its steps.

        Whatever happens, nothing is left behind: pending tasks are cancelled, async generators closed.

        Raises:
            DeadlockError: no step is ready and no timer is set.
            StepLimitError: ``max_steps`` callbacks were not enough.
            NeedsRealTimeError: the coroutine let it through, or waits for another thread.
            RuntimeError: another loop runs in this thread, or this one is closed.
        """
        if asyncio._get_running_loop() is not None or self._closed:
            coroutine.close()
            raise RuntimeError("a closed loop cannot run, and no loop can run inside another")
        self._reset(tell)
        hooks = sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._finalize_generator)
        try:
            main = self.create_task(coroutine, name="main")
            try:
                self._go(main, choices, max_steps)
            finally:
                story, self.story, steps = self.story, None, self.steps
                self._clean_up()
                self.story, self.steps = story, steps
            return main.result()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(None)
            self._thread = None

    def pause_choices(self) -> None:
        """From here on asyncio's order: what a scenario prepares and looks at is not what it searches."""
        self._choosing = False

    def resume_choices(self) -> None:
        """Go on with the list where :meth:`pause_choices` left it."""
        self._choosing = True

    def _reset(self, tell: bool) -> None:
        self._thread = threading.get_ident()
        self._now = START
        self._count = itertools.count(1)
        self.steps = 0
        self.points = []
        self.needed = None
        self.story = StepStory() if tell else None

    def _go(self, until: asyncio.Future[Any], choices: Sequence[int], max_steps: int) -> None:
        """Run steps until ``until`` is done."""
        self._left = iter(choices)
        self._choosing = len(choices) > 0
        while not until.done():
            if not self._ready:
                if self._held:
                    self._ready.extend(self._held)
                    self._held.clear()
                elif not self._fire_next_timer():
                    raise self._stuck()
            if self._timers and self._timers[0][0] <= self._now:
                self._fire_due_timers()
            self._iterate(until, max_steps)

    def _iterate(self, until: asyncio.Future[Any], max_steps: int) -> None:
        """One iteration of asyncio's: what is ready now. Timers that become due meanwhile come after it."""
        ready = self._ready
        for _ in range(len(ready)):
            if self._choosing and ready[0].task is not None:
                self._choose()
            if not ready:
                return
            step = ready.pop(0)
            if step._cancelled:
                continue
            self.steps += 1
            if self.steps > max_steps:
                raise StepLimitError(max_steps)
            if self.story is None:
                self._do(step)
            else:
                self.story.begin(step.task, self._now)
                self._do(step)
                self.story.end()
            if not ready or until.done():
                return

    def _do(self, step: ReadyStep) -> None:
        try:
            step._context.run(step._callback, *step._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.call_exception_handler({"message": f"exception in {step._callback!r}", "exception": error})

    def _choose(self) -> None:
        """Put the lane in front that the next number chooses; nothing where the list is exhausted."""
        ready, held = self._ready, self._held
        lanes = 0
        for step in ready:
            if step.task is None:
                break
            lanes += 1
        extra = len(held)
        near = self._timer_is_near()
        options = lanes + extra + near
        if options < 2:
            return
        number = next(self._left, None)
        if number is None:
            self._choosing = False
            return
        self.points.append(options)
        if chosen := number % options:
            self._deviate(chosen, lanes, lanes + extra)

    def _deviate(self, chosen: int, lanes: int, reachable: int) -> None:
        ready, held = self._ready, self._held
        if self.story is not None:
            overtaken = ready[: min(chosen, lanes)] + held[: max(chosen - lanes, 0)]
            self.story.deviate([step.task for step in overtaken], by_timer=chosen == reachable)
        if chosen == reachable:
            self._hold_all()
            self._fire_next_timer()
        elif chosen < lanes:
            held.extend(ready[:chosen])
            del ready[:chosen]
        else:
            step = held.pop(chosen - lanes)
            self._hold_all()
            ready.insert(0, step)

    def _hold_all(self) -> None:
        self._held.extend(step for step in self._ready if step.task is not None)
        self._ready[:] = [step for step in self._ready if step.task is None]

    def _timer_is_near(self) -> bool:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            return False
        oldest = self._held[0] if self._held else self._ready[0]
        return timers[0][0] - oldest.since <= self._slowest

    def _fire_next_timer(self) -> bool:
        """Move time to the next timer and make it ready; False where there is none."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            return False
        self._now = max(self._now, timers[0][0])
        self._fire_due_timers()
        return True

    def _fire_due_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if not timer._cancelled:
                self._ready.append(ReadyStep(timer._callback, tuple(timer._args), timer._context, self._now))

    def _stuck(self) -> RuntimeError:
        if self.needed is not None:
            return self.needed
        pending = [task for task in self._tasks if not task.done()]
        return DeadlockError([f"{task.get_name()} waits at {await_site(task) or 'no known line'}" for task in pending])

    def _clean_up(self) -> None:
        """Cancel what still runs and close what is open, within a bound; what does not obey is let go of silently."""
        for last in (False, False, True):
            pending = [task for task in self._tasks if not task.done()]
            if not pending and not self._generators:
                break
            for task in pending:
                if last or task not in self._closers:
                    task.cancel()
            self._settle(pending)
            for generator in list(self._generators):
                self._finalize_generator(generator)
            self._settle(list(self._closers))
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        for left in (self._tasks, self._closers, self._ready, self._held, self._timers, self._generators):
            left.clear()

    def _settle(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            self.steps = 0
            with contextlib.suppress(Exception, SystemExit):
                self._go(task, (), _CLEANUP_STEPS)

    def _finalize_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.discard(generator)
        if self._thread == threading.get_ident():
            self._closers.add(self.create_task(_close_generator(generator)))

    # What tasks and futures call

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_soon(
        self, callback: Callable[[*_Args], object], *args: *_Args, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after all that is ready now."""
        step = ReadyStep(callback, args, context, self._now)
        self._ready.append(step)
        return step

    def call_soon_threadsafe(
        self, callback: Callable[[*_Args], object], *args: *_Args, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As :meth:`call_soon`; from any other thread it does nothing, and the run needs real time.

        Nothing is raised there: the thread is the target's own, and an error that asyncio never raises may end it.
        """
        if threading.get_ident() != self._thread:
            self.note_refusal("call_soon_threadsafe from another thread")
            unused = asyncio.Handle(callback, args, self, context)
            unused.cancel()
            return unused
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback after so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of virtual time; of equal moments the one set first comes first."""
        timer = VirtualTimer(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """A task of this loop; without a name it is numbered, the same in every run."""
        named = str(name) if name else f"task-{len(self._tasks)}"
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=named, context=context, **options)
        self._tasks.append(task)
        return task

    # What else a loop has

    def run_until_complete(self, future: Any) -> Any:
        """As :meth:`run`, in asyncio's own order."""
        return self.run(_awaited(future))

    def is_running(self) -> bool:
        """Whether a run is going on."""
        return self._thread is not None

    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """No run after this one. Nothing is held, so nothing has to be let go of."""
        self._closed = True


async def _awaited(future: Any) -> Any:
    return await future


async def _close_generator(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
