"""What an adapter says in its log, through the logger it is given or through Python's own."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

_whose: ContextVar[Lines | None] = ContextVar("flowcraft_lines", default=None)


class Lines(logging.Handler):
    """An ``ILogger`` and a handler of Python's logging that keep the lines of one rig.

    Rigs run side by side: a line belongs to the one in whose tasks it was written; one of a foreign thread to all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def open(self) -> None:
        """Listen, to the tasks that the caller's task makes from now on."""
        _whose.set(self)
        logging.getLogger().addHandler(self)

    def close(self) -> None:
        """Listen no more."""
        logging.getLogger().removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was said through Python's logging."""
        if _whose.get() in (self, None):
            self.kept.append(f"{record.levelname.lower()}: {record.getMessage()}")

    def debug(self, message: str, **fields: Any) -> None:
        """Not kept: an operator does not see these."""

    def info(self, message: str, **fields: Any) -> None:
        """Keep the line."""
        self.kept.append(f"info: {message} {fields}")

    def warning(self, message: str, **fields: Any) -> None:
        """Keep the line."""
        self.kept.append(f"warning: {message} {fields}")

    def error(self, message: str, **fields: Any) -> None:
        """Keep the line."""
        self.kept.append(f"error: {message} {fields}")
