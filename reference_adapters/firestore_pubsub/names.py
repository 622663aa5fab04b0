"""Keys and run ids as Firestore takes them: names of fields and of documents."""

from __future__ import annotations

from google.cloud.firestore_v1.field_path import FieldPath

from reference_adapters._room import plain

OWN = "k."
"""Stands before every key and run id: Firestore has no empty names, and keeps ``__.*__``, ``.`` and ``..``."""

MAX_NAME_BYTES = 1500
"""The longest name of a document, and the longest path of a field with its quotes."""


def field_path(key: str) -> str:
    """The quoted path of the field that holds a key: a dot in it is no step into a map.

    Raises:
        TypeError: the key is no str.
        ValueError: it has a lone surrogate, or is too long.
    """
    return _short_enough(FieldPath(OWN + plain(key)).to_api_repr(), key)


def document_id(text: str) -> str:
    """The name of a document for a run id or a key, without slashes; raises as :func:`field_path` does."""
    return _short_enough(OWN + plain(text).replace("%", "%25").replace("/", "%2F"), text)


def key_of(document: str) -> str:
    """What :func:`document_id` was given."""
    return document[len(OWN) :].replace("%2F", "/").replace("%25", "%")


def _short_enough(name: str, told: str) -> str:
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ValueError(f"Firestore's names have at most {MAX_NAME_BYTES} bytes, {told[:40]!r}... takes {size}")
    return name
