"""One run of the deterministic loop, step by step: who ran, from which await to which, what was out of order."""

from __future__ import annotations

import asyncio
import inspect
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

_STANDARD = sysconfig.get_path("stdlib")
_KIT = str(Path(__file__).resolve().parents[1])
_PARTS_SHOWN = 2


@dataclass(slots=True)
class Step:
    """One step of a task.

    ``resumed_at`` and ``awaits_at`` are ``file:line`` in the code under test, empty where the task is not in it.
    ``overtakes`` names the slow tasks where this step left asyncio's order, with their places.
    ``notes`` is what others wrote down during the step, such as calls that began or returned.
    """

    task: str
    moment: float
    resumed_at: str
    awaits_at: str = ""
    overtakes: tuple[str, ...] = ()
    after_timer: bool = False
    notes: list[str] = field(default_factory=list)


class StepStory:
    """The steps of one run in order; ``steps`` leaves out plain callbacks."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._task: asyncio.Task[Any] | None = None
        self._overtaken: tuple[str, ...] = ()
        self._by_timer = False
        self._closed = False

    def close(self) -> None:
        """What follows is not told: the scenario only tidies up."""
        self._closed = True

    def note(self, text: str) -> None:
        """Write something down about the step that is running."""
        if self.steps and not self._closed:
            self.steps[-1].notes.append(text)

    def deviate(self, overtaken: Sequence[asyncio.Task[Any] | None], *, by_timer: bool) -> None:
        """The next step of a task leaves asyncio's order."""
        self._overtaken = tuple(_named(task) for task in overtaken if task is not None)
        self._by_timer = by_timer

    def begin(self, task: asyncio.Task[Any] | None, moment: float) -> None:
        """A callback is about to run; None where it belongs to no task."""
        self._task = task
        if task is not None and not self._closed:
            self.steps.append(
                Step(task.get_name(), moment, await_site(task), overtakes=self._overtaken, after_timer=self._by_timer)
            )
            self._overtaken, self._by_timer = (), False

    def end(self) -> None:
        """The callback has run."""
        if self._task is not None and not self._closed and not self._task.done():
            self.steps[-1].awaits_at = await_site(self._task)
        self._task = None


def _named(task: asyncio.Task[Any]) -> str:
    site = await_site(task)
    return f"{task.get_name()} at {site}" if site else task.get_name()


def await_site(task: asyncio.Task[Any]) -> str:
    """``file:line`` of the innermost await of a suspended task in code that is neither Python's nor the kit's."""
    site = ""
    inner: Any = task.get_coro()
    while inner is not None:
        if inspect.iscoroutine(inner) and inspect.getcoroutinestate(inner) == inspect.CORO_CREATED:
            return site  # it has not begun
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or getattr(inner, "ag_frame", None)
        if frame is not None and _is_under_test(frame):
            site = _place(frame)
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    return site


def _is_under_test(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    in_standard = file.startswith(_STANDARD) and "site-packages" not in file
    return not in_standard and not file.startswith((_KIT, "<"))


def _place(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-_PARTS_SHOWN:])}:{frame.f_lineno}"
