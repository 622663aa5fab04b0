"""pytest in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

_SIGNALLED = 128


def run_pytest(arguments: Sequence[str]) -> int:
    """Run pytest in the current directory with this Python; its exit code.

    Ctrl-C reaches pytest itself, which then writes the reports of what was done: hence it is waited for.
    """
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else _SIGNALLED - code
