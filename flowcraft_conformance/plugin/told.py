"""A failure's text as pytest holds it: whole where failures are shown, one line in the short summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter


@dataclass(frozen=True, slots=True)
class Crash:
    """What pytest and its plugins ask of the place of a failure."""

    path: str
    lineno: int
    message: str


@dataclass(frozen=True, slots=True)
class Told:
    """In the place of pytest's own representation: a plain text is repeated whole in the summary where CI is set."""

    text: str
    reprcrash: Crash

    def toterminal(self, writer: TerminalWriter) -> None:
        """Write it, as pytest writes a text."""
        writer.line(self.text)

    def __str__(self) -> str:
        return self.text
