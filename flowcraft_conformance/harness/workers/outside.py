"""Does a target reach anything outside of its process: a server, a file, another process?"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

_MOST_DESCRIPTORS = 1024
_REACHES_OUT = {
    "socket.connect": "a socket",
    "socket.getaddrinfo": "a name server",
    "socket.sendto": "a socket",
    "sqlite3.connect": "a database file",
    "subprocess.Popen": "another process",
    "os.posix_spawn": "another process",
    "os.system": "another process",
    "os.fork": "another process",
}
FILES = frozenset(("a database file", "a file"))
"""What a target reaches that keeps all it has in files."""
_WRITES = os.O_WRONLY | os.O_RDWR


class Outside:
    """What was reached since the watch began. Sockets that C code opens are seen by the descriptors they leave open."""

    def __init__(self) -> None:
        self._before = _descriptors()
        self._seen: set[str] = set()
        self._watching = False
        sys.addaudithook(self._hear)

    def watch(self) -> None:
        """Begin: what importing the target has read and cached is no backend."""
        self._watching = True

    def reached(self) -> list[str]:
        """What was reached, in words; empty: nothing."""
        self._watching = False
        left_open = {_KINDS[kind] for number, kind in _descriptors().items() if self._before.get(number) != kind}
        return sorted(self._seen | left_open)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in _REACHES_OUT:
            self._seen.add(_REACHES_OUT[event])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            self._seen.add("a file")


_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    0: "a descriptor",
}


def _descriptors() -> dict[int, int]:
    found = {}
    for number in range(_MOST_DESCRIPTORS):
        try:
            kind = stat.S_IFMT(os.fstat(number).st_mode)
        except OSError:
            continue
        found[number] = kind if kind in _KINDS else 0
    return found
