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
