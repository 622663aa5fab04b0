"""Which servers a run talks to, as far as the kit knows, and which clauses each of them has no say in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_known: dict[str, dict[str, str]] = {}
_cannot_show: dict[str, Mapping[str, str]] = {}
_asked_for: set[str] = set()

_NOTHING: Mapping[str, str] = MappingProxyType({})


def register_backend(name: str, version: str, kind: str, cannot_show: Mapping[str, str] = _NOTHING) -> None:
    """Note a server: its name, version and kind (real, emulator, independent or fake).

    ``cannot_show``: clause ids, each with the reason why this server says nothing about the one it stands for.
    """
    _known[name] = {"name": name, "version": version, "kind": kind}
    _cannot_show[name] = {**_cannot_show.get(name, {}), **cannot_show}


def known_backends() -> list[dict[str, str]]:
    """Every server noted so far."""
    return list(_known.values())


def ask_for(name: str) -> None:
    """Note that something asked for this server just now."""
    _asked_for.add(name)


def take_asked_for() -> frozenset[str]:
    """The servers that were asked for since the last call."""
    names = frozenset(_asked_for)
    _asked_for.clear()
    return names


def why_not_shown(clause_id: str, names: Iterable[str]) -> str:
    """Why a check of this clause decides nothing on these servers; empty where it does."""
    return "; ".join(
        f"{name} cannot show it: {_cannot_show[name][clause_id]}"
        for name in sorted(names)
        if clause_id in _cannot_show.get(name, ())
    )
