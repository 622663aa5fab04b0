"""JSON text for the values of a context: strict on the way in, so that nothing is stored altered."""

from __future__ import annotations

import json
from typing import Any

_PLAIN = (str, int, float, bool, type(None))


def encode(value: Any) -> bytes:
    """The JSON text of a value in UTF-8.

    Raises:
        TypeError: a part of the value is no JSON: another type, a subclass, a key that is no str.
        ValueError: NaN, an infinity, a cycle, or text that UTF-8 cannot hold.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    _require_json(value)
    return text.encode("utf-8")


def decode(text: bytes | str) -> Any:
    """The value behind a JSON text."""
    return json.loads(text)


def _require_json(value: Any) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is list:
        for part in value:
            _require_json(part)
    elif kind is dict:
        for key, part in value.items():
            if type(key) is not str:
                raise TypeError(f"a key of a JSON object is a str, this is {key!r}")
            _require_json(part)
    else:
        raise TypeError(f"{kind.__name__} is no JSON type")
