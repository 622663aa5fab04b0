"""What is to happen to a worker process in the middle of a job: it kills or stops itself between two of its calls.

From outside a signal lands anywhere. Sent from within it lands where the plan says, and it is as real: no buffer is
flushed, no connection is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Fate:
    """One signal: at the first delivery of this job, after so many beginnings and ends of calls, or else at its end.

    ``after_seconds``: where given, so long after the end of the job instead, when it is acknowledged: what was only in
    a buffer by then is lost. ``enqueued``: moments are counted from when the job had put its first successor on the
    queue. ``token`` is a file that whoever meets this fate makes, so that nobody meets it twice.
    """

    run_id: str
    node_id: str
    moments: int
    stops: bool
    token: str
    after_seconds: float | None = None
    enqueued: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a worker process reads it."""
        return asdict(self)

    @property
    def met(self) -> bool:
        """Whether it has happened."""
        return Path(self.token).exists()


@dataclass(slots=True)
class _Job:
    run_id: str
    node_id: str
    moments: int = 0
    enqueued_at: int | None = None
    """The moment at which its first successor was on the queue."""


_current: ContextVar[_Job | None] = ContextVar("flowcraft_live_job", default=None)


class Fates:
    """The fates of one process; ``note`` is told what is about to happen."""

    def __init__(self, fates: list[Fate], note: Callable[[dict[str, Any]], None]) -> None:
        self._fates = fates
        self._note = note
        self._may_stop = False

    @classmethod
    def read(cls, data: list[Mapping[str, Any]], note: Callable[[dict[str, Any]], None]) -> Fates:
        """The inverse of :meth:`Fate.to_json`, for many."""
        return cls([Fate(**one) for one in data], note)

    def allow_stops(self) -> None:
        """From now on: a process that was stopped before it has said that it works would never say so."""
        self._may_stop = True

    def begin(self, run_id: str, node_id: str) -> None:
        """A job begins, in the caller's task and in those that it makes."""
        _current.set(_Job(run_id, node_id))

    def moment(self, *, last: bool = False, enqueued: bool = False) -> None:
        """A call of the current job begins or ends; ``last``: the job is about to end. ``enqueued``: it has put
        another one on the queue.
        """
        job = _current.get()
        if job is None:
            return
        if enqueued and job.enqueued_at is None:
            job.enqueued_at = job.moments
        for fate in self._fates:
            if (fate.run_id, fate.node_id) != (job.run_id, job.node_id):
                continue
            if fate.after_seconds is not None:
                if last:
                    asyncio.get_running_loop().call_later(fate.after_seconds, self._meet, fate, job.moments)
            elif last or _is_reached(fate, job):
                self._meet(fate, job.moments)
        job.moments += 1

    def _meet(self, fate: Fate, moment: int) -> None:
        if (fate.stops and not self._may_stop) or not _take(fate.token):
            return
        what = "stops" if fate.stops else "dies"
        self._note({"what": what, "run": fate.run_id, "node": fate.node_id, "moment": moment})
        os.kill(os.getpid(), signal.SIGSTOP if fate.stops else signal.SIGKILL)

    def around(self, inner: Any) -> Any:
        """The same object, each call of which has two moments."""
        return _Mortal(inner, self) if self._fates else inner


class _Mortal:
    """Passes on every call."""

    def __init__(self, inner: Any, fates: Fates) -> None:
        self._inner = inner
        self._fates = fates

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*arguments: Any, **keywords: Any) -> Any:
            self._fates.moment()
            result = await method(*arguments, **keywords)
            self._fates.moment()
            return result

        return call


def _is_reached(fate: Fate, job: _Job) -> bool:
    since = job.enqueued_at if fate.enqueued else 0
    return since is not None and job.moments - since >= fate.moments


def _take(token: str) -> bool:
    try:
        os.close(os.open(token, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True
