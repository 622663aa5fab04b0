"""Clauses that an adapter is known to break: a TOML file, strict in both directions."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.contract.clauses import CATALOGUE


class KnownFailuresError(ValueError):
    """The file cannot be used; the text says which entry and why."""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One entry: the clause, why it is broken, where that is tracked, and until when it is accepted."""

    clause: str
    reason: str
    link: str | None = None
    expires: datetime.date | None = None


def read_known_failures(path: Path, today: datetime.date) -> Mapping[str, KnownFailure]:
    """Entries by clause id; an expired entry no longer counts, so that its clause fails again.

    Raises:
        KnownFailuresError: the file cannot be read, is no TOML, or an entry is wrong or names no clause.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KnownFailuresError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnownFailuresError(f"{path} is no TOML: {error}") from error
    entries = data.get("known-failure", [])
    if set(data) - {"known-failure"} or not isinstance(entries, list):
        raise KnownFailuresError(f"{path}: write each entry as a table [[known-failure]]")
    read = [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]
    return {entry.clause: entry for entry in read if entry.expires is None or entry.expires >= today}


def _entry(path: Path, number: int, entry: Mapping[str, Any]) -> KnownFailure:
    place = f"{path}, entry {number}"
    if not isinstance(entry, Mapping):
        raise KnownFailuresError(f"{place}: write it as a table [[known-failure]]")
    if unknown := set(entry) - {"clause", "reason", "link", "expires"}:
        raise KnownFailuresError(
            f"{place}: unknown {', '.join(sorted(unknown))}; known are clause, reason, link, expires"
        )
    clause, reason = entry.get("clause"), entry.get("reason")
    if not isinstance(clause, str) or clause not in CATALOGUE:
        raise KnownFailuresError(f"{place}: {clause!r} is no clause id")
    if not isinstance(reason, str) or not reason.strip():
        raise KnownFailuresError(f"{place} ({clause}): give a reason")
    expires = entry.get("expires")
    if expires is not None and (not isinstance(expires, datetime.date) or isinstance(expires, datetime.datetime)):
        raise KnownFailuresError(f"{place} ({clause}): expires is a date such as 2027-01-31")
    return KnownFailure(clause, reason, entry.get("link"), expires)
