"""The default logger."""

from __future__ import annotations

import logging
from typing import Any


class StandardLogger:
    """An ``ILogger`` on Python's logging; the fields follow the message as ``name=value``."""

    def __init__(self, name: str = "flowcraft") -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: Any) -> None:
        """DEBUG."""
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """INFO."""
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """WARNING."""
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """ERROR."""
        self._log(logging.ERROR, message, fields)

    def _log(self, level: int, message: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            shown = " ".join(f"{name}={value!r}" for name, value in fields.items())
            self._logger.log(level, "%s", f"{message} {shown}".rstrip())
