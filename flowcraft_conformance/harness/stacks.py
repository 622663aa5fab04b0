"""Whose code a thread is running: the kit's own, which may take its time, or the target's, which must not block."""

from __future__ import annotations

import ctypes
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

_KIT = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a target's code."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        """File and line, for a message."""
        return f"{self.file}, line {self.line}"


def where_target_code_runs(thread: threading.Thread | None, entry: CodeType) -> Place | None:
    """Where the target's code is that the thread is in; None where the thread is idle or in the kit's own code.

    ``entry`` is the function through which the kit calls a target. Code that was not called by the kit at all is a
    task or a callback of the target's.
    """
    innermost = sys._current_frames().get(thread.ident or 0) if thread is not None else None
    frames = []
    while innermost is not None:
        frames.append(innermost)
        innermost = innermost.f_back
    frames.reverse()
    entries = [number for number, frame in enumerate(frames) if frame.f_code is entry]
    if entries:
        return _first_foreign(frames[entries[-1] :])
    kit = [frame for frame in frames if _is_ours(frame)]
    return None if len(kit) > 1 else _first_foreign(frames)  # one frame is the thread's own


def interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit in another thread at its next line of Python: a busy loop would slow down all that follows.

    A thread inside of a call into the system notices when it comes back.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def _first_foreign(frames: list[FrameType]) -> Place | None:
    for frame in frames:
        if not _is_ours(frame) and not _is_machinery(frame):
            return Place(frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno)
    return None


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_KIT)


def _is_machinery(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.split(".")[0] in {"asyncio", "threading", "selectors", "contextlib", "concurrent"}
