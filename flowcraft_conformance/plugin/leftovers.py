"""Threads that a target started and never ended: Python would wait for them for ever when the run is over."""

from __future__ import annotations

import concurrent.futures.thread
import os
import sys
import threading
import time
from collections.abc import Callable

_GRACE_SECONDS = 5.0
"""How long such threads may keep the process once everything else has ended."""


class Leftovers:
    """Sees to it that the process ends, whatever threads were started since this was made."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def threads(self) -> list[threading.Thread]:
        """Threads the interpreter would wait for."""
        pooled = getattr(concurrent.futures.thread, "_threads_queues", {})  # waited for although they are daemons
        started = [thread for thread in threading.enumerate() if thread not in self._before]
        return [thread for thread in started if not thread.daemon or thread in pooled]

    def see_to_the_end(self, exit_code: int) -> None:
        """Let threads that still run have some seconds once the interpreter wants to end, and then end the process."""
        at_exit: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
        if at_exit is None or not self.threads():
            return
        ending = threading.Event()
        at_exit(ending.set)  # atexit itself is too late: it comes after the threads
        threading.Thread(
            target=self._end, args=(ending, exit_code), name="flowcraft-conformance-leftovers", daemon=True
        ).start()

    def _end(self, ending: threading.Event, exit_code: int) -> None:
        ending.wait()
        deadline = time.monotonic() + _GRACE_SECONDS
        while (left := self.threads()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not left:
            return
        names = ", ".join(thread.name for thread in left[:5]) + (", ..." if len(left) > 5 else "")
        sys.stderr.write(
            f"flowcraft: {len(left)} threads that were started during the run never ended ({names}); the process ends "
            "without them.\n  A client must end its threads when it is closed.\n"
        )
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
