"""Values at the border between nodes and state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.contract.keys import OUTPUTS_PREFIX


def json_copy(value: Any) -> Any:
    """The value as it comes back from any state: a copy that is JSON.

    Raises:
        TypeError: a part of it has no JSON form.
        ValueError: NaN, an infinity or a cycle.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    return json.loads(json.dumps(value, allow_nan=False))


_LONGEST_TEXT = 4_000


def plain_text(text: object) -> str:
    """Text that every backend can store, and that fits beside a run's state, whatever an error says."""
    try:
        said = str(text)
    except Exception as error:
        said = f"(its text cannot be read: {type(error).__name__})"
    clean = said.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    return clean if len(clean) <= _LONGEST_TEXT else clean[:_LONGEST_TEXT] + "..."


def public_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a client sees of a state: without the runtime's own keys, but with the outputs."""
    return {key: value for key, value in state.items() if not key.startswith("_") or key.startswith(OUTPUTS_PREFIX)}


class JsonSerializer:
    """The default ``ISerializer``: JSON text."""

    def serialize(self, data: Mapping[str, Any]) -> str:
        """JSON; raises TypeError or ValueError for what it cannot express."""
        return json.dumps(data, allow_nan=False, ensure_ascii=False)

    def deserialize(self, text: str) -> dict[str, Any]:
        """The inverse of :meth:`serialize`; raises ValueError."""
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"a state is a JSON object, this is {type(data).__name__}")  # noqa: TRY004
        return data
