"""The check of a TTL argument that every reference store makes before it writes."""

from __future__ import annotations


def require_ttl(ttl_seconds: object) -> int:
    """The TTL in whole seconds.

    Raises:
        TypeError: it is no int, or a bool.
        ValueError: it is less than 1 (COORD-TTL-04).
    """
    if isinstance(ttl_seconds, bool) or not isinstance(ttl_seconds, int):
        raise TypeError(f"a TTL is a whole number of seconds, this is {ttl_seconds!r}")
    if ttl_seconds < 1:
        raise ValueError(f"a TTL is at least 1 second, this is {ttl_seconds}")
    return ttl_seconds
