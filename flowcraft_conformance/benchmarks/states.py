"""States of a given size for benchmarks, and changes of a given size to them: the same for every target."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from flowcraft_conformance.contract.payloads import PatchOperation, SetOp

Shape = Literal["text", "numbers", "objects"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

CHANGE_BYTES = 1024
"""The JSON text of all values that one patch sets, however many keys it spreads over."""
_SMALLEST_VALUE = 64
_VERSIONS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One state and one change to it. ``state_bytes`` is what is asked for; a state has a few bytes more or less."""

    state_bytes: int
    keys: int = 100
    changed: int = 1
    shape: Shape = "text"
    clients: int = 1

    @property
    def size_label(self) -> str:
        """``1 MB``, in powers of ten."""
        return size_label(self.state_bytes)


@dataclass(frozen=True, slots=True)
class BenchState:
    """A state, and versions of the same change to it: ``patches`` of one client each, ``full`` of all keys."""

    size: int
    """JSON text of all values, in bytes of UTF-8."""
    keys: int
    full: tuple[list[PatchOperation], ...]
    patches: tuple[tuple[list[PatchOperation], ...], ...]
    """By client, then by version."""


def size_label(size: int) -> str:
    """A size for people: ``100 KB``, ``5 MB``."""
    for unit, bytes_of in (("MB", 1_000_000), ("KB", 1_000)):
        if size >= bytes_of:
            return f"{size / bytes_of:g} {unit}"
    return f"{size} B"


def build_state(case: Case, most_value_bytes: int | None = None, seed: int = 0) -> BenchState:
    """The state of a case. No value is larger than ``most_value_bytes``: the state then has more keys."""
    dice = random.Random(f"{seed}-{case}")
    change = min(CHANGE_BYTES, case.state_bytes)
    cold_bytes = max(case.state_bytes - change * case.clients, 0)
    count = min(case.keys - case.changed * case.clients, cold_bytes // _SMALLEST_VALUE)
    if most_value_bytes is not None:
        count = max(count, -(-cold_bytes // most_value_bytes))
    cold = {f"state.{number}": value(case.shape, cold_bytes // count, dice) for number in range(max(count, 0))}
    each = change // case.changed
    patches = tuple(
        tuple(
            [SetOp(f"changed.{client}.{number}", value(case.shape, each, dice)) for number in range(case.changed)]
            for _ in range(_VERSIONS)
        )
        for client in range(case.clients)
    )
    resting: list[PatchOperation] = [SetOp(key, kept) for key, kept in cold.items()]
    full = tuple(
        [*resting, *(operation for versions in patches for operation in versions[number])]
        for number in range(_VERSIONS)
    )
    return BenchState(sum(map(_bytes_of, full[0])), len(full[0]), full, _as_lists(patches))


def _as_lists(patches: Sequence[Sequence[Sequence[SetOp]]]) -> tuple[tuple[list[PatchOperation], ...], ...]:
    return tuple(tuple(list[PatchOperation](version) for version in versions) for versions in patches)


def value(shape: Shape, size: int, dice: random.Random) -> Any:
    """A JSON value of about so many bytes, which no backend can compress to nothing."""
    if shape == "text":
        return _text(max(size - 2, 1), dice)
    if shape == "numbers":
        return [round(dice.random(), 6) for _ in range(max(size // 9, 1))]
    return [
        {"id": number, "name": _text(12, dice), "done": bool(number % 2), "tags": ["a", None, {"n": number}]}
        for number in range(max(size // 70, 1))
    ]


def _text(length: int, dice: random.Random) -> str:
    return dice.randbytes((length + 1) // 2).hex()[:length]


def _bytes_of(operation: PatchOperation) -> int:
    kept = operation.value if isinstance(operation, SetOp) else None
    return len(json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode())
