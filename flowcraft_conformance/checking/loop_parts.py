"""What the deterministic loop is made of: its errors, its clock, its handles, and the refusal of all it has not."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn


class NeedsRealTimeError(RuntimeError):
    """Code on this loop asked for what only a real loop has: sockets, threads, processes, signals."""

    def __init__(self, asked: str) -> None:
        super().__init__(
            f"{asked} needs real time: there are no sockets, threads, processes or signals on the deterministic loop; "
            "check such a target with the real-time suites instead"
        )
        self.asked = asked


class DeadlockError(RuntimeError):
    """Every task waits for another: no step is ready and no timer is set. ``waiting``: task and place, one each."""

    def __init__(self, waiting: Sequence[str]) -> None:
        super().__init__(f"nothing can go on: {'; '.join(waiting)} (no step is ready, no timer is set)")
        self.waiting = tuple(waiting)


class StepLimitError(RuntimeError):
    """The run did not end within its steps: it waits for something that virtual time does not bring, or is endless."""

    def __init__(self, steps: int) -> None:
        super().__init__(f"the run did not end within {steps} steps; give max_steps if it is only long")
        self.steps = steps


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refused(self: RefusingLoop, *_arguments: Any, **_keywords: Any) -> NoReturn:
        self.refuse(name)

    refused.__name__ = name
    refused.__doc__ = "Raises NeedsRealTimeError."
    return refused


class LoopClock:
    """The virtual time of a loop as a :class:`Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def time(self) -> float:
        """Virtual seconds; virtual time has only one origin."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return once so many virtual seconds have passed."""
        await asyncio.sleep(seconds)


class ReadyStep(asyncio.Handle):
    """A callback to be run; ``task`` is whose step it is, None for a plain callback; ``since`` when it became ready."""

    __slots__ = ("since", "task")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None, since: float
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False
        owner = getattr(callback, "__self__", None)
        self.task: asyncio.Task[Any] | None = owner if isinstance(owner, asyncio.Task) else None
        self.since = since

    def cancel(self) -> None:
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<step of {self.task.get_name()}>" if self.task else f"<callback {self._callback!r}>"


class VirtualTimer(asyncio.TimerHandle):
    """A callback to be run at a moment of virtual time."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<timer at {self._when}>"


if TYPE_CHECKING:

    class RefusingLoop(asyncio.SelectorEventLoop):
        """For the type checker: a loop with all the methods there are."""

        needed: NeedsRealTimeError | None

        def refuse(self, asked: str) -> NoReturn: ...

        def note_refusal(self, asked: str) -> NeedsRealTimeError: ...

else:

    class RefusingLoop(asyncio.AbstractEventLoop):
        """A loop that refuses whatever is not defined in a subclass; ``needed`` is the first refusal of a run."""

        needed: NeedsRealTimeError | None = None

        def refuse(self, asked: str) -> NoReturn:
            """Raise NeedsRealTimeError and remember it: code on the loop may swallow it."""
            raise self.note_refusal(asked)

        def note_refusal(self, asked: str) -> NeedsRealTimeError:
            """Remember a refusal where it cannot be raised."""
            error = NeedsRealTimeError(asked)
            if self.needed is None:
                self.needed = error
            return error

    for _name in dir(asyncio.AbstractEventLoop):
        if not _name.startswith("_"):
            setattr(RefusingLoop, _name, _refusal(_name))


class PlainLoop(RefusingLoop):
    """What any loop must have and this one has no use for, and the handler of what nobody awaits."""

    def __init__(self) -> None:
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def get_debug(self) -> bool:
        """Never: asyncio's debug mode is slow."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Ignored."""

    def get_task_factory(self) -> None:
        """There is none."""

    async def shutdown_asyncgens(self) -> None:
        """Nothing: every run closes its own."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Nothing: there is none."""

    def get_exception_handler(self) -> Any:
        """What :meth:`set_exception_handler` was given."""
        return self._handler

    def set_exception_handler(self, handler: Any) -> None:
        """Who is told of an exception that nobody awaits."""
        self._handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Silent: what a run is judged by is what its coroutine returns or raises."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell the handler, if there is one."""
        if self._handler is not None:
            self._handler(self, context)
