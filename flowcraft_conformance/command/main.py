"""The entry: subcommands, and one message for every mistake."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from flowcraft_conformance import __version__
from flowcraft_conformance.command import badge, diff, explain, init, matrix, replay, run
from flowcraft_conformance.command.ways import WRONG_ARGUMENTS, CommandError, Parser

_SUBCOMMANDS = (run, explain, matrix, diff, replay, init, badge)
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. 4 is a wrong argument, as with pytest."""
    parser = Parser(
        prog="flowcraft-conformance",
        description="The conformance kit for distributed Flowcraft adapters.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"flowcraft-conformance {__version__}")
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for subcommand in _SUBCOMMANDS:
        subcommand.add_parser(subparsers)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.call(chosen)
    except CommandError as error:
        sys.stderr.write(f"flowcraft-conformance: {error}\n")
        return WRONG_ARGUMENTS
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # as of `| head`: what is left has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
