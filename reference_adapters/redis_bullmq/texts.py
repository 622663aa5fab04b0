"""Text between Python and Redis, which holds bytes: UTF-8, and nothing that UTF-8 cannot hold."""

from __future__ import annotations


def encoded(text: str) -> bytes:
    """The UTF-8 of a key or value.

    Raises:
        TypeError: it is no str.
        UnicodeEncodeError: it has a lone surrogate.
    """
    if not isinstance(text, str):
        raise TypeError(f"keys and values are str, this is {text!r}")
    return text.encode("utf-8")
