"""How values become JSON text and back: by the standard library, or by msgspec, which is several times as fast on large
values. What one writes the other reads, so that workers with either can share a backend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

VARIABLE = "FLOWCRAFT_JSON_CODEC"
"""The environment variable that chooses: ``json`` (the default) or ``msgspec``."""


@dataclass(frozen=True, slots=True)
class Codec:
    """``encode`` is given what is known to be built of JSON's types, and raises ValueError for NaN and infinities.

    ``encode_without_floats`` is the same for what is known to hold no float, and need not look for them.
    """

    encode: Callable[[Any], bytes]
    encode_without_floats: Callable[[Any], bytes]
    decode: Callable[[bytes | str], Any]


def chosen_codec() -> Codec:
    """The codec that the environment names.

    Raises:
        ValueError: there is no such codec.
        ImportError: msgspec is not installed.
    """
    name = os.environ.get(VARIABLE) or "json"
    if name not in CODECS:
        raise ValueError(f"{VARIABLE}={name}: unknown; choose {' or '.join(CODECS)}")
    return CODECS[name]()


def standard_codec() -> Codec:
    """``json`` of the standard library."""
    # json.dumps and json.loads would make these anew for every value
    encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    to_text, from_text = encoder.encode, decoder.decode

    def encode(value: Any) -> bytes:
        return to_text(value).encode("utf-8")

    def decode(text: bytes | str) -> Any:
        return from_text(text if isinstance(text, str) else text.decode("utf-8"))

    return Codec(encode, encode, decode)


def msgspec_codec() -> Codec:
    """msgspec, which refuses what the standard library refuses."""
    import msgspec

    strict = standard_codec().encode
    to_text, from_text = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode

    def encode(value: Any) -> bytes:
        text = to_text(value)
        # It writes null for NaN and the infinities, too: what has a null is left to the encoder that refuses them.
        return strict(value) if b"null" in text else text

    return Codec(encode, to_text, from_text)


CODECS: dict[str, Callable[[], Codec]] = {"json": standard_codec, "msgspec": msgspec_codec}
"""Name -> what makes the codec."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
