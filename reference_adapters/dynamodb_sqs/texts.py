"""Keys as DynamoDB takes them."""

from __future__ import annotations

from reference_adapters._room import Room as Room
from reference_adapters._room import plain as plain

OWN = "k."
"""Stands before every key of a state: none meets an attribute of the item's own, and DynamoDB has no empty keys."""


def own(key: str) -> str:
    """The name of a key on the server; raises as :func:`plain` does."""
    return OWN + plain(key)
