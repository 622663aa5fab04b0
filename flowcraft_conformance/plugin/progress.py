"""What is being checked, how far the run is, and how long it will take yet: below the dots of a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest

_FIRST_AFTER = 0.5
"""Seconds that a check may take before it is named."""
_EVERY = 1.0
_LINE_EVERY = 60.0
"""Seconds between two lines of a log that is no terminal."""
_FEWEST = 5
"""Checks after which the rest is estimated."""
_DIM, _PLAIN, _UP, _TO_THE_END, _BELOW = "\x1b[2m", "\x1b[0m", "\x1b[1A", "\x1b[K", "\x1b[J"


class Estimate:
    """How far a run is. ``now`` is monotonic, in seconds."""

    def __init__(self, total: int, now: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = 0
        self._now = now
        self._started = now()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started

    def left(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None while too little is known."""
        if self.done < _FEWEST or self.done > self.total:
            return None
        return self.elapsed() / self.done * (self.total - self.done)

    def __str__(self) -> str:
        """In words."""
        left = self.left()
        rest = f", about {_time(left)} left" if left is not None else ""
        return f"{self.done} of {self.total} checks in {_time(self.elapsed())}{rest}"


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole >= 60 else f"{whole} s"


class Progress:
    """A status below pytest's own line, gone before pytest writes on; a line a minute in verbose logs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._estimate = Estimate(0)
        self._lock = threading.Lock()
        self._last_line = time.monotonic()
        self._session: pytest.Session | None = None
        self._terminal: TextIO | None = None
        self._counts_workers = False

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """With xdist it is the workers who collect and check: here their reports are counted."""
        if self._config.getoption("dist", "no") != "no":
            self._counts_workers = True
            self.pytest_collection_finish(session)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Know how much there is to do."""
        self._session = session
        self._estimate = Estimate(len(session.items))
        self._terminal = self._open_terminal()

    def pytest_unconfigure(self) -> None:
        """Let go of the terminal."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Say what is being checked while a check takes long."""
        if self._terminal is None:
            return (yield)
        params = getattr(getattr(item, "callspec", None), "params", {})
        name = f"{params.get('flowcraft_clause', '')} {getattr(item, 'originalname', item.name)}".strip()
        with self._ticking(name):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """The terminal is about to be written to."""
        self._clear_count()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        """The terminal is about to be written to."""
        self._clear_count()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """One check more is done."""
        self._estimate.done += 1
        if self._session is not None:
            self._estimate.total = max(self._estimate.total, self._session.testscollected)
        if self._counts_workers and self._terminal is not None:
            self._show(str(self._estimate))
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY and self._in_log():
            self._last_line = now
            self._reporter.ensure_newline()
            self._reporter.write_line(f"flowcraft: {self._estimate}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The terminal is about to be written to."""
        self._clear_count()

    def _clear_count(self) -> None:
        if self._counts_workers:
            self._write(_BELOW)

    def _open_terminal(self) -> TextIO | None:
        """The terminal behind pytest's capturing; None where there is none, or where the checks write to it with -s."""
        capturing = self._config.pluginmanager.get_plugin("capturemanager")
        if (
            self._reporter is None
            or not self._reporter.isatty
            or capturing is None
            or not capturing.is_globally_capturing()
        ):
            return None
        with capturing.global_and_fixture_disabled():
            try:
                return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="replace")
            except (OSError, ValueError):  # standard output was replaced by what is no file
                return None

    def _in_log(self) -> bool:
        reporter = self._reporter
        return bool(reporter is not None and reporter.verbosity > 0 and not reporter.isatty)

    @contextmanager
    def _ticking(self, name: str) -> Iterator[None]:
        over = threading.Event()
        ticker = threading.Thread(
            target=self._tick, args=(name, over), name="flowcraft-conformance-progress", daemon=True
        )
        ticker.start()
        try:
            yield
        finally:
            with self._lock:
                over.set()
                self._write(_BELOW)
            ticker.join()

    def _tick(self, name: str, over: threading.Event) -> None:
        started = time.monotonic()
        if over.wait(_FIRST_AFTER):
            return
        while True:
            with self._lock:
                if over.is_set():
                    return
                self._show(f"{self._estimate}: {name}, {_time(time.monotonic() - started)}")
            if over.wait(_EVERY):
                return

    def _show(self, status: str) -> None:
        """On the line below, and the cursor back to where pytest goes on; relative, as the screen may have scrolled."""
        writer = self._reporter._tw
        width = max(writer.fullwidth, 1)
        shown = status if len(status) < width else f"{status[: width - 2]}…"
        column = writer.width_of_current_line % width + 1
        self._write(f"\r\n{_DIM}{shown}{_PLAIN}{_TO_THE_END}{_UP}\x1b[{column}G")

    def _write(self, codes: str) -> None:
        if self._terminal is not None:
            self._terminal.write(codes)
            self._terminal.flush()
