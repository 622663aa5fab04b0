"""What a service is."""

from __future__ import annotations

from dataclasses import dataclass


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
