"""An event loop on a thread of its own, so that a target that blocks cannot take the test run with it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.stacks import interrupt, where_target_code_runs

T = TypeVar("T")

GRACE_SECONDS = 1.0
"""How long a cancelled call, or a loop asked to stop, is given to obey."""
_LOOK_SECONDS = 0.25
"""How often the loop is asked whether it still turns."""

_give_up: ContextVar[Callable[[CallTimeoutError], None] | None] = ContextVar("flowcraft_give_up", default=None)


class _Selector(selectors.DefaultSelector):
    """Counts what comes from outside of the loop. What a loop registers first is its own alarm, not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.from_outside = 0
        self._alarm: object = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._alarm is None:
            self._alarm = fileobj
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout)
        self.from_outside += sum(key.fileobj is not self._alarm for key, _ in ready)
        return ready


class LoopThread:
    """Runs coroutines on one event loop, each within a bound.

    One loop serves a whole test run: a client that a target keeps between two calls stays usable. A loop that a
    target blocks is abandoned with its daemon thread, and the next call gets a new one.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self.abandoned = 0
        """Loops that a target blocked and that were left behind: what it keeps between calls may hang on one."""
        self._selector = _Selector()

    @property
    def events_from_outside(self) -> int:
        """How often a socket, pipe or other file had something for the loop: none of it comes from this process."""
        return self._selector.from_outside

    def run(
        self, coroutine: Coroutine[Any, Any, T], *, within: float, what: str, call_within: float | None = None
    ) -> T:
        """The coroutine's result, within so many seconds.

        ``call_within`` (seconds): the target's code may hold the loop for so long without a pause; None: as long as
        ``within``.

        Raises:
            CallTimeoutError: time is up, or a bounded call within it can be neither awaited nor cancelled; the
                coroutine was cancelled and is not waited for.
        """
        loop = self._running_loop()
        stuck: concurrent.futures.Future[T] = concurrent.futures.Future()
        future = asyncio.run_coroutine_threadsafe(_watched(coroutine, stuck), loop)
        try:
            self._wait({future, stuck}, within, within if call_within is None else call_within, what)
            return future.result(0) if future.done() else stuck.result(0)
        except concurrent.futures.CancelledError:
            raise CallTimeoutError(what, within, "was cancelled from within, by the target's own code") from None
        except CallTimeoutError:
            if not future.done():
                future.cancel()
                if not self._responds(loop):
                    self._abandon()
            raise
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs, stop the loop and end the thread; what does not obey is left to the daemon thread."""
        thread = self._thread
        self._wind_up()
        if thread is not None:
            thread.join(3 * GRACE_SECONDS)

    def _wait(self, futures: set[concurrent.futures.Future[T]], within: float, call_within: float, what: str) -> None:
        deadline = time.monotonic() + within
        beat: threading.Event | None = None
        blocked_since = 0.0
        while (left := deadline - time.monotonic()) > 0:
            if concurrent.futures.wait(
                futures, min(left, _LOOK_SECONDS), return_when=concurrent.futures.FIRST_COMPLETED
            ).done:
                return
            place = where_target_code_runs(self._thread, bounded.__code__)
            if beat is None or beat.is_set() or place is None:
                beat, blocked_since = threading.Event(), time.monotonic()
                self._running_loop().call_soon_threadsafe(beat.set)
            elif time.monotonic() - blocked_since > call_within + GRACE_SECONDS:
                raise CallTimeoutError(
                    place.function, call_within, f"blocked the event loop for more than {call_within:g} s ({place})"
                )
        raise CallTimeoutError(what, within)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._selector = _Selector()
            self._loop = asyncio.SelectorEventLoop(self._selector)
            self._end = threading.Event()
            # Errors of a target's stray tasks belong to no test; what matters is seen by the calls themselves.
            self._loop.set_exception_handler(lambda _loop, _context: None)
            self._thread = threading.Thread(
                target=_serve, args=(self._loop, self._end), name="flowcraft-conformance-loop", daemon=True
            )
            self._thread.start()
        return self._loop

    @staticmethod
    def _responds(loop: asyncio.AbstractEventLoop) -> bool:
        answered = threading.Event()
        loop.call_soon_threadsafe(answered.set)
        return answered.wait(GRACE_SECONDS)

    def _abandon(self) -> None:
        self.abandoned += 1
        thread = self._thread
        self._wind_up()
        if thread is not None:
            interrupt(thread)

    def _wind_up(self) -> None:
        """Ask the loop to cancel all and end, as soon as it turns."""
        loop, end = self._loop, self._end
        self._loop = self._thread = None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(end), loop)


async def _watched(coroutine: Coroutine[Any, Any, T], stuck: concurrent.futures.Future[T]) -> T:
    def give_up(error: CallTimeoutError) -> None:
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            stuck.set_exception(error)

    _give_up.set(give_up)
    return await coroutine


def _serve(loop: asyncio.AbstractEventLoop, end: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    while not end.is_set() and not loop.is_closed():
        # A stray task that raises SystemExit, or calls loop.stop(), ends this turn and nothing else.
        with contextlib.suppress(BaseException):
            loop.run_forever()
    loop.close()


async def _cancel_all(end: threading.Event) -> None:
    """End the loop once every task has ended; one that does not obey keeps it, as it would complain when destroyed."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    pending: set[asyncio.Task[Any]] = set()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
    if not pending:
        end.set()
        asyncio.get_running_loop().stop()


def run_in_thread(work: Callable[[], T], *, within: float, what: str) -> T:
    """The result of ``work()`` in a thread of its own, which is left behind where it does not return in time.

    Raises:
        CallTimeoutError: so many seconds were not enough.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, name="flowcraft-conformance-work", daemon=True).start()
    try:
        return future.result(within)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        raise CallTimeoutError(what, within) from None


async def bounded(make: Callable[[], Awaitable[T]], *, within: float, what: str) -> T:
    """Await ``make()`` for at most so many seconds, in the caller's own task, so that no step of the loop is added.

    A call that swallows its cancellation is given up by :meth:`LoopThread.run`, with everything that waits for it.

    Raises:
        CallTimeoutError: time is up; the call was cancelled.
    """
    give_up = _give_up.get()
    watchdog = give_up and asyncio.get_running_loop().call_later(
        within + GRACE_SECONDS,
        give_up,
        CallTimeoutError(what, within, f"did not return within {within:g} s, and did not end when it was cancelled"),
    )
    try:
        async with asyncio.timeout(within) as limit:
            outcome = await make()
    except TimeoutError:
        if limit.expired():
            raise CallTimeoutError(what, within) from None
        raise
    finally:
        if watchdog:
            watchdog.cancel()
    if limit.expired():  # it swallowed the cancellation, and came back too late
        raise CallTimeoutError(what, within)
    return outcome
