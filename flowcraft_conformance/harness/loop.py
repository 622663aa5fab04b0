"""An event loop on a thread of its own, so that a target that blocks cannot take the test run with it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from flowcraft_conformance.harness.errors import CallTimeoutError

T = TypeVar("T")

_GRACE_SECONDS = 1.0
"""How long a cancelled call, or a loop asked to stop, is given to obey."""


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
        self._selector = _Selector()

    @property
    def events_from_outside(self) -> int:
        """How often a socket, pipe or other file had something for the loop: none of it comes from this process."""
        return self._selector.from_outside

    def run(self, coroutine: Coroutine[Any, Any, T], *, within: float, what: str) -> T:
        """The coroutine's result, within so many seconds.

        Raises:
            CallTimeoutError: time is up; the coroutine was cancelled and is not waited for.
        """
        loop = self._running_loop()
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(within)
        except concurrent.futures.TimeoutError:
            if future.done():  # the coroutine's own TimeoutError, not ours
                raise
            future.cancel()
            if not self._responds(loop):
                self._abandon()
            raise CallTimeoutError(what, within) from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs, stop the loop and end the thread; what does not obey is left to the daemon thread."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        if self._responds(loop):
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(2 * _GRACE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_GRACE_SECONDS)
        if not thread.is_alive():
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._selector = _Selector()
            self._loop = asyncio.SelectorEventLoop(self._selector)
            # Errors of a target's stray tasks belong to no test; what matters is seen by the calls themselves.
            self._loop.set_exception_handler(lambda _loop, _context: None)
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="flowcraft-conformance-loop", daemon=True
            )
            self._thread.start()
        return self._loop

    @staticmethod
    def _responds(loop: asyncio.AbstractEventLoop) -> bool:
        answered = threading.Event()
        loop.call_soon_threadsafe(answered.set)
        return answered.wait(_GRACE_SECONDS)

    def _abandon(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop = self._thread = None


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_GRACE_SECONDS)


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

    What swallows cancellation is not bounded here but by :meth:`LoopThread.run`.

    Raises:
        CallTimeoutError: time is up; the call was cancelled.
    """
    try:
        async with asyncio.timeout(within) as limit:
            return await make()
    except TimeoutError:
        if limit.expired():
            raise CallTimeoutError(what, within) from None
        raise
