"""What the kit and its worker processes tell each other: JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call to be made; ``at`` in seconds after the start of the program, None: as soon as the one before ended."""

    name: str
    arguments: tuple[Any, ...]
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """The calls of one client, one after the other. ``client`` is its number in the history, ``arguments`` what the
    factory is called with, ``instance`` tells clients of one process apart that the factory makes from the same.
    """

    client: int
    calls: Sequence[PlannedCall]
    arguments: tuple[str, ...] = ()
    instance: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a worker reads it."""
        calls = [[call.name, [encode(argument) for argument in call.arguments], call.at] for call in self.calls]
        return {"client": self.client, "calls": calls, "arguments": self.arguments, "instance": self.instance}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lane:
        """The inverse of :meth:`to_json`."""
        calls = [
            PlannedCall(name, tuple(decode(argument) for argument in arguments), at)
            for name, arguments, at in data["calls"]
        ]
        return cls(data["client"], calls, tuple(data["arguments"]), data["instance"])


class ForeignValue:
    """A value that has no JSON form, as evidence shows it; it equals nothing that a check expects."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        """As it was shown where it was made."""
        return self.shown


def encode(value: Any) -> dict[str, Any]:
    """A value in a JSON object that tells what it was."""
    if isinstance(value, list | tuple) and value and all(isinstance(one, SetOp | DeleteOp) for one in value):
        return {"patch": [_operation(one) for one in value]}
    try:
        if _is_plain(value):
            return {"value": json.loads(json.dumps(value))}
    except (TypeError, ValueError, RecursionError):
        pass
    return {"shown": repr(value)[:500]}


def decode(data: Mapping[str, Any]) -> Any:
    """The inverse of :func:`encode`."""
    if "patch" in data:
        return [SetOp(one[0], one[1]) if len(one) == 2 else DeleteOp(one[0]) for one in data["patch"]]
    return data["value"] if "value" in data else ForeignValue(data["shown"])


def _operation(operation: PatchOperation) -> list[Any]:
    return [operation.key, operation.value] if isinstance(operation, SetOp) else [operation.key]


def _is_plain(value: Any) -> bool:
    """Whether JSON gives back the very same: no subclass, no tuple, no key that is not text."""
    if isinstance(value, dict):
        return type(value) is dict and all(type(key) is str and _is_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return type(value) is list and all(_is_plain(one) for one in value)
    return value is None or type(value) in (bool, int, float, str)
