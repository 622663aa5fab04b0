"""Keys, values and patches as they are checked before anything is sent: text that UTF-8 can hold, and no more than
there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowcraft_conformance import PatchOperation
from reference_adapters._json import encode, encode_patch


def plain(text: str) -> str:
    """The text itself.

    Raises:
        TypeError: it is no str.
        UnicodeEncodeError: it has a lone surrogate, which the server would silently take for another character.
    """
    if not isinstance(text, str):
        raise TypeError(f"keys and values are str, this is {text!r}")
    text.encode("utf-8")
    return text


@dataclass(frozen=True, slots=True)
class Room:
    """What one write may hold: keys, bytes of one value, bytes of all values."""

    keys: int
    value_bytes: int
    all_bytes: int

    def texts(self, operations: Sequence[PatchOperation]) -> dict[str, str | None]:
        """The JSON text of each key of a patch in the end, None where it is deleted; the last operation on a key wins.

        Raises:
            TypeError: an operation, a key or a part of a value is of a wrong type.
            ValueError: a value is no JSON, or there is more than there is room for.
        """
        texts = {key: None if text is None else text.decode() for key, text in encode_patch(operations).items()}
        self._require(texts)
        return texts

    def text(self, key: str, value: object) -> str:
        """The JSON text of one value; raises as :meth:`texts` does."""
        text = encode(value).decode()
        self._require({key: text})
        return text

    def _require(self, texts: Mapping[str, str | None]) -> None:
        if len(texts) > self.keys:
            raise ValueError(f"a patch of this layout has at most {self.keys} keys, this has {len(texts)}")
        sizes = {key: len(text.encode()) for key, text in texts.items() if text is not None}
        for key, size in sizes.items():
            if size > self.value_bytes:
                raise ValueError(f"a value has at most {self.value_bytes} bytes as JSON, the one of {key!r} has {size}")
        if sum(sizes.values()) > self.all_bytes:
            raise ValueError(f"a patch has at most {self.all_bytes} bytes of values, this has {sum(sizes.values())}")
