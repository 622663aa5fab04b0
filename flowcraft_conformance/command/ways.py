"""What all subcommands share: errors that say what to do next, and where their output goes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from flowcraft_conformance.report.reading import ReportError, read_report
from flowcraft_conformance.report.wording import REPORT

WRONG_ARGUMENTS = 4
"""Exit code, as pytest has it for a wrong option."""


class CommandError(Exception):
    """The command cannot do what it was told; the text says why and what to do next."""


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes end with pytest's exit code for them."""

    def error(self, message: str) -> NoReturn:
        """One message, and the usage of the subcommand."""
        self.print_usage(sys.stderr)
        self.exit(WRONG_ARGUMENTS, f"{self.prog}: {message}\n")


def report_of(path: str) -> REPORT:
    """The JSON report at this path.

    Raises:
        CommandError: there is none.
    """
    try:
        return read_report(Path(path))
    except ReportError as error:
        raise CommandError(str(error)) from error


def say(text: str) -> None:
    """To the terminal, in whatever encoding it has."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def write(path: Path, text: str) -> None:
    """Into a file that may be there already.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
