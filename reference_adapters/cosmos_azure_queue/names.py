"""Run ids and keys as names that Cosmos DB takes: none of its special characters, and no two that meet."""

from __future__ import annotations

import hashlib
import re

from reference_adapters._room import plain

_OWN = "k_"
"""Stands before every key of a state: none meets a property of the item's own."""

_MARK = "_"
_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-.")
_ESCAPED = [chr(byte) if byte in _KEPT else f"{_MARK}{byte:02x}" for byte in range(256)]
_BACK = re.compile(f"{_MARK}(..)")
_READABLE = re.compile("[A-Za-z0-9._-]{1,128}")


def item_id(run_id: str) -> str:
    """The id of the item of a run. One with other characters than letters, digits, ``.``, ``_`` and ``-`` is hashed.

    Cosmos DB allows no ``/``, ``\\``, ``?`` and ``#`` in an id, and 1,023 bytes. Raises as :func:`plain` does.
    """
    if _READABLE.fullmatch(plain(run_id)):
        return f"r.{run_id}"
    return f"h.{hashlib.sha256(run_id.encode()).hexdigest()}"


def property_of(key: str) -> str:
    """The name of the property that holds a key; raises as :func:`plain` does.

    Every byte but lower-case letters, digits, ``-`` and ``.`` is written as ``_`` and two digits: neither the path of
    a patch operation nor the text of a condition has anything to escape then.
    """
    return _OWN + "".join([_ESCAPED[byte] for byte in plain(key).encode()])


def key_of(name: str) -> str | None:
    """The key that a property holds; None where it is one of the item's own."""
    if not name.startswith(_OWN):
        return None
    return _BACK.sub(lambda found: chr(int(found[1], 16)), name[len(_OWN) :]).encode("latin-1").decode()
