"""JSON text for the values of a context: strict on the way in, so that nothing is stored altered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from flowcraft_conformance import DeleteOp, PatchOperation, SetOp
from reference_adapters._codecs import chosen_codec

MAX_DEPTH = 500
"""Lists and objects inside one another: a deeper value could be written and then not be read again."""

_PLAIN = frozenset((str, int, float, bool, type(None)))
_NAMES = frozenset((str,))
_CODEC = chosen_codec()


def encode(value: Any) -> bytes:
    """The JSON text of a value in UTF-8. ``int`` and ``float`` stay apart, -0.0 keeps its sign (CTX-SET-06).

    Raises:
        TypeError: a part of the value is no JSON: another type, a tuple, a subclass, a key that is no str.
        ValueError: NaN, an infinity, a cycle or more than MAX_DEPTH levels, a whole number with more digits than
            Python reads back, or text that UTF-8 cannot hold.
    """
    kind = type(value)
    has_floats = kind is float if kind in _PLAIN else _require_json(value)
    return _CODEC.encode(value) if has_floats else _CODEC.encode_without_floats(value)


def encode_unchecked(value: Any) -> bytes:
    """The same text for a value that is known to be JSON: for the bare clients of benchmarks."""
    return _CODEC.encode_without_floats(value)


def decode(text: bytes | str) -> Any:
    """The value behind a JSON text, in UTF-8 where it is bytes.

    Raises:
        ValueError: it is no JSON, or not UTF-8.
    """
    return _CODEC.decode(text)


def encode_patch(operations: Sequence[PatchOperation]) -> dict[str, bytes | None]:
    """What each key of a patch is in the end: the text of its value, or None where it is deleted.

    The later operation on a key wins (PATCH-ORD-01). Everything is encoded before anything can be written.

    Raises:
        TypeError: an operation is neither SetOp nor DeleteOp, a key is no str, or as :func:`encode`.
        ValueError: as :func:`encode`.
    """
    changes: dict[str, bytes | None] = {}
    for operation in operations:
        if isinstance(operation, SetOp):
            key = operation.key
            changes[key if type(key) is str else require_key(key)] = encode(operation.value)
        elif isinstance(operation, DeleteOp):
            changes[require_key(operation.key)] = None
        else:
            raise TypeError(f"an operation of a patch is a SetOp or a DeleteOp, this is {operation!r}")
    return changes


def require_key(key: object) -> str:
    """The key; raises TypeError where it is no str."""
    if not isinstance(key, str):
        raise TypeError(f"a key is a str, this is {key!r}")
    return key


def _require_json(value: Any) -> bool:
    """Whether there are floats in a list or object that holds JSON's types alone.

    Level by level and without recursion: a cycle ends at MAX_DEPTH, whatever the depth of the caller.

    The types of a whole level are looked at together, which is many times as fast as one by one. A part that is there
    twice is looked at once, so that a cycle does not double with every level.
    """
    level = [value]
    has_floats = False
    for _ in range(MAX_DEPTH):
        lists = [part for part in level if type(part) is list]
        objects = [part for part in level if type(part) is dict]
        if len(lists) + len(objects) != len(level):
            wrong = next(part for part in level if type(part) not in (list, dict))
            raise TypeError(f"{type(wrong).__name__} is no JSON type")
        names = list(chain.from_iterable(objects))
        if not _NAMES.issuperset(map(type, names)):
            wrong = next(name for name in names if type(name) is not str)
            raise TypeError(f"a name in a JSON object is a str, this is {wrong!r}")
        children = list(chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, objects))))
        kinds = set(map(type, children))
        has_floats = has_floats or float in kinds
        if kinds <= _PLAIN:
            return has_floats
        level = list({id(child): child for child in children if type(child) not in _PLAIN}.values())
    raise ValueError(f"the value contains itself, or nests deeper than {MAX_DEPTH} levels")
