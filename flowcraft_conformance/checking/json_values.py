"""JSON values: when two are equal, strategies that reach what breaks backends, and values that are no JSON."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.texts import texts
from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp

LARGEST_WHOLE_NUMBER = 2**53

FALSY: tuple[Any, ...] = (None, 0, 0.0, "", False, [], {})

_TEXTS_LIKE_JSON = (
    "null", "true", "false", "0", "1", "1.0", "-0", "007", "1e5", "NaN", "[]", "{}", '""', '"x"', '{"a": 1}', "[1, 2]",
    "undefined", "None", "\\", "\\u0041", '"', "'", "\n", " ", "2026-01-01T00:00:00Z", "MQ==", "\u2028", "\ufeff",
    "日本語", "🙂", "e\u0301", "__proto__", "$set", "a.b", "{{x}}", "%s",
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 255, 2**31 - 1, 2**31, -(2**31), 2**32, LARGEST_WHOLE_NUMBER, -LARGEST_WHOLE_NUMBER,
    0.1, -0.5, 1.5, 3.141592653589793, 1e-130, 1e125, -1e125, 1e21, 123456789.123456789, 0.30000000000000004,
)  # fmt: skip


ODD_VALUES: tuple[Any, ...] = (
    *(value for leaf in (True, *FALSY, *_TEXTS_LIKE_JSON, *_NUMBERS) for value in (leaf, {"a": leaf}, [leaf])),
)
"""Values that backends alter, alone and nested."""


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. Numbers compare by value; a bool is no number, a string no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_json(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


def exactly_same_json(one: Any, other: Any) -> bool:
    """The same JSON, int and float kept apart and the sign of zero too. The order of an object's members is no part."""
    return same_json(one, other) and repr(_ordered(one)) == repr(_ordered(other))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, _ordered(part)) for name, part in sorted(value.items())]
    return [_ordered(part) for part in value] if isinstance(value, list) else value


def _floats() -> SearchStrategy[float]:
    sizes = st.floats(1e-130, 1e125)
    return st.one_of(sizes, sizes.map(lambda size: -size))


def json_values(*, max_leaves: int = 12) -> SearchStrategy[Any]:
    """Any JSON value within what a context must keep: CTX-SET-03."""
    leaves = st.one_of(
        st.sampled_from(FALSY),
        st.sampled_from(_TEXTS_LIKE_JSON),
        st.sampled_from(_NUMBERS),
        st.booleans(),
        st.integers(-LARGEST_WHOLE_NUMBER, LARGEST_WHOLE_NUMBER),
        _floats(),
        texts(max_size=20),
    )
    names = st.one_of(st.sampled_from(("a", "b", "id", "__proto__", "a.b", "$ref", "", "0")), texts(max_size=8))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
        max_leaves=max_leaves,
    )


def small_values() -> SearchStrategy[Any]:
    """Values for programs in which the order of operations matters more than the values."""
    nested = st.sampled_from(({"a": 1}, {"b": 2}, {"a": {"b": 1}}, [1], [1, 2], {}, []))
    return st.one_of(st.integers(0, 9), st.sampled_from(FALSY), nested, st.sampled_from(_TEXTS_LIKE_JSON))


KEYS = (
    "a", "b", "A", "a.b", "a.b.c", "a/b", "a~b", "a~1b", "a b", "a'b", 'a"b', "a`b", "a\\b", "{a}", "[a]", "a[0]", "$a",
    "__proto__", "id", "_id", "_outputs.a", "_outputs.a.b", "_inputs.a", "é", "e\u0301", "日本", "🙂", "a:b", "a*",
    "a%b", "#a", "a=b", "a,b", "1", "01", " ", "null", "blueprintId", "a\nb", "constructor", "size", "value", "k" * 255,
)  # fmt: skip


def keys() -> SearchStrategy[str]:
    """Keys that a careless adapter takes for paths, patterns or reserved names; few, so that they meet often."""
    free = texts(min_size=1, max_size=12).filter(lambda text: len(text.encode()) <= 255)
    return st.one_of(st.sampled_from(KEYS[:8]), st.sampled_from(KEYS), free)


def states(*, max_keys: int = 8) -> SearchStrategy[dict[str, Any]]:
    """The state of a run."""
    return st.dictionaries(keys(), st.one_of(small_values(), json_values()), max_size=max_keys)


def patches(*, max_operations: int = 12) -> SearchStrategy[list[PatchOperation]]:
    """Patches in which keys come back: set, deleted and set again."""
    few = st.one_of(st.sampled_from(KEYS[:5]), keys())
    operation: SearchStrategy[PatchOperation] = st.one_of(
        st.builds(SetOp, few, small_values()), st.builds(SetOp, few, small_values()), st.builds(DeleteOp, few)
    )
    return st.lists(operation, max_size=max_operations)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[PatchOperation]:
    """The patch that turns ``old`` into ``new``."""
    deleted = [DeleteOp(key) for key in old if key not in new]
    changed = [
        SetOp(key, value) for key, value in new.items() if key not in old or not exactly_same_json(value, old[key])
    ]
    return [*deleted, *changed]


def apply(state: Mapping[str, Any], operations: Sequence[PatchOperation]) -> dict[str, Any]:
    """The state after the operations, in order."""
    after = dict(state)
    for operation in operations:
        if isinstance(operation, SetOp):
            after[operation.key] = operation.value
        else:
            after.pop(operation.key, None)
    return after


class _NoJson:
    """An object that is no JSON value."""

    def __repr__(self) -> str:
        return "object()"


NO_JSON: tuple[Any, ...] = (
    _NoJson(),
    float("nan"),
    float("inf"),
    -float("inf"),
    {1, 2},
    b"bytes",
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    decimal.Decimal("1.5"),
    1 + 2j,
    [1, [2, float("nan")]],
    {"a": {"b": _NoJson()}},
    {1: "a key that is no string"},
    {None: 1},
    {"a": {1: "a key below that is no string"}},
    [{True: 1}],
    {"a": {"b", "c"}},
)
"""Values that cannot be stored: CTX-SET-04."""
