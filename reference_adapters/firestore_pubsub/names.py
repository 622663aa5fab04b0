"""Keys and run ids as Firestore takes them: names of fields and of documents."""

from __future__ import annotations

from urllib.parse import unquote

from google.cloud.firestore_v1.field_path import FieldPath

from reference_adapters._room import plain

MAX_NAME_BYTES = 1500
"""The longest name of a document, and the longest path of a field with its quotes."""

_OWN = "k."
"""Stands before every name: Firestore has no empty ones, and keeps ``__.*__``, ``.`` and ``..`` for itself."""

# No document has a slash in its name. The emulator takes a carriage return out of a field's path and writes nothing.
_ESCAPED = {"/": "%2F", "\r": "%0D"}


def name_of(text: str) -> str:
    """The name of the document or field for a run id or a key.

    Raises:
        TypeError: it is no str.
        ValueError: it has a lone surrogate, or is too long.
    """
    name = _OWN + plain(text).replace("%", "%25")
    for character, escape in _ESCAPED.items():
        name = name.replace(character, escape)
    return _short_enough(name, text)


def key_of(name: str) -> str:
    """What :func:`name_of` was given."""
    return unquote(name[len(_OWN) :])


def path_of(key: str) -> str:
    """The quoted path of the key's field: a dot in it is no step into a map; raises as :func:`name_of` does."""
    return _short_enough(FieldPath(name_of(key)).to_api_repr(), key)


def _short_enough(name: str, told: str) -> str:
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ValueError(f"Firestore's names have at most {MAX_NAME_BYTES} bytes, that of {told[:40]!r} has {size}")
    return name
