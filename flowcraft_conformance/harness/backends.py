"""Which servers a run talks to, as far as the kit knows: for the header and the reports."""

from __future__ import annotations

_known: dict[str, dict[str, str]] = {}


def register_backend(name: str, version: str, kind: str) -> None:
    """Note a server: its name, version and kind (real, emulator, independent or fake)."""
    _known[name] = {"name": name, "version": version, "kind": kind}


def known_backends() -> list[dict[str, str]]:
    """Every server noted so far."""
    return list(_known.values())
