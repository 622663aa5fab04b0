"""What a service is, and how one is described: once, as data, for the one place that does the choosing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Service:
    """A server that can be reached. ``kind``: real, emulator, independent or fake; ``origin``: where it came from."""

    name: str
    url: str
    version: str
    kind: str
    origin: str


class ServiceUnavailableError(RuntimeError):
    """No server can be had; the text says what was looked for and how to get one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to run: a folder of its own, free loopback ports (``port`` is where clients reach it), and a
    secret made for this server alone, for its password."""

    folder: Path
    port: int
    more_ports: tuple[int, ...]
    secret: str


@dataclass(frozen=True, slots=True)
class Command:
    """One process of a server. It runs as ``user``, whom its place then belongs to, and ends at ``stop_signal``.

    ``once``: it prepares the place and ends by itself before the next one is started.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    once: bool = False
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Launch:
    """One way to start a server that was found on this machine. ``url`` is formatted with ``port`` and ``secret``.

    ``version``: of a server that does not tell its own.
    """

    origin: str
    url: str
    commands: Callable[[Place], Sequence[Command]]
    kind: str = "real"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A container image of the server: its name, the port inside of it, and its environment (formatted as ``url``).

    ``kind``: of the server in it.
    """

    name: str
    port: int
    url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    kind: str = "real"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """All that is known about getting one kind of server.

    ``variable`` names the environment variable that holds its URL. ``finders`` look for a server that can be started
    here, the best first, and give None where there is none; ``fake`` is used only where the variable holds ``fake``.
    ``identify`` gives the name and version of the server at a URL, and raises OSError as long as it is not ready.
    ``advice`` tells how to get one.
    """

    name: str
    variable: str
    identify: Callable[[str], tuple[str, str]]
    finders: tuple[Callable[[], Launch | None], ...]
    advice: str
    image: Image | None = None
    fake: Callable[[], Launch | None] | None = None
    kind: str = "real"
    """Of a server whose URL the user gave."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Names of servers that are of another kind, wherever they come from."""
