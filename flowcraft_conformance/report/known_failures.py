"""Clauses that an adapter is known to break: a TOML file, strict in both directions."""

from __future__ import annotations

import datetime
import difflib
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
    expired: bool = False
    """Its day is over: its clause fails again, and the entry itself fails the run until it is renewed or removed."""

    def __str__(self) -> str:
        """The reason, with its link."""
        return f"{self.reason} ({self.link})" if self.link else self.reason

    def to_json(self) -> dict[str, Any]:
        """The entry in the JSON report."""
        expires = self.expires.isoformat() if self.expires else None
        return {"reason": self.reason, "link": self.link, "expires": expires, "expired": self.expired}


def read_known_failures(path: Path, today: datetime.date) -> Mapping[str, KnownFailure]:
    """Entries by clause id; expired ones are among them and say so.

    Raises:
        KnownFailuresError: the file cannot be read, is no TOML, or an entry is wrong, names no clause, or names
            one that an earlier entry has.
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
    read: dict[str, KnownFailure] = {}
    for number, data in enumerate(entries, 1):
        entry = _entry(f"{path}, entry {number}", data, today)
        if entry.clause in read:
            raise KnownFailuresError(f"{path}, entry {number}: {entry.clause} has an entry already; keep one of them")
        read[entry.clause] = entry
    return read


def _entry(place: str, entry: object, today: datetime.date) -> KnownFailure:
    if not isinstance(entry, Mapping):
        raise KnownFailuresError(f"{place}: write it as a table [[known-failure]]")
    if unknown := set(entry) - {"clause", "reason", "link", "expires"}:
        raise KnownFailuresError(
            f"{place}: unknown {', '.join(sorted(unknown))}; known are clause, reason, link, expires"
        )
    clause, reason = entry.get("clause"), entry.get("reason")
    if not isinstance(clause, str) or clause not in CATALOGUE:
        raise KnownFailuresError(f"{place}: {clause!r} is no clause id{_near(clause)}")
    if not isinstance(reason, str) or not reason.strip():
        raise KnownFailuresError(f"{place} ({clause}): give a reason")
    link = entry.get("link")
    if link is not None and (not isinstance(link, str) or not link.startswith(("https://", "http://"))):
        raise KnownFailuresError(f"{place} ({clause}): link is an address such as https://example.org/issues/12")
    expires = entry.get("expires")
    if expires is not None and (not isinstance(expires, datetime.date) or isinstance(expires, datetime.datetime)):
        raise KnownFailuresError(f"{place} ({clause}): expires is a date such as 2027-01-31")
    return KnownFailure(clause, reason.strip(), link, expires, expires is not None and expires < today)


def _near(clause: object) -> str:
    near = difflib.get_close_matches(str(clause).upper(), CATALOGUE, n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""
