"""Both codecs of the reference adapters write the same JSON and refuse the same values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from flowcraft_conformance.checking.json_values import small_values
from reference_adapters import _json
from reference_adapters._codecs import CODECS, VARIABLE, chosen_codec
from tests.empty_folder import prepare, run

JSON, MSGSPEC = (CODECS[name]() for name in ("json", "msgspec"))


def exact(value: Any) -> str:
    """Tells 1 from 1.0 and -0.0 from 0.0."""
    return repr(value)


@given(small_values())
def test_what_one_writes_the_other_reads(value: Any) -> None:
    assert exact(MSGSPEC.decode(JSON.encode(value))) == exact(value)
    assert exact(JSON.decode(MSGSPEC.encode(value))) == exact(value)


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**63) - 1,
        10**40,
        1e22,
        1e-130,
        1e125,
        -0.0,
        1.0,
        0.1 + 0.2,
        "\x00",
        "é\u2028😀",
        [None],
        {"a": "null"},
    ],
    ids=repr,
)
def test_numbers_and_texts_at_the_edges_come_back_exactly(value: Any) -> None:
    for codec in (JSON, MSGSPEC):
        assert exact(codec.decode(codec.encode(value))) == exact(value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=repr)
def test_neither_stores_a_number_that_is_none(bad: float) -> None:
    for codec in (JSON, MSGSPEC):
        for value in (bad, [None, bad], {"a": [{"b": [1.5, bad]}], "c": None}):
            with pytest.raises(ValueError, match="JSON"):
                codec.encode(value)


@pytest.mark.parametrize("name", CODECS)
def test_values_are_encoded_exactly_or_refused_on_either_codec(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json, "_CODEC", CODECS[name]())
    for value in (None, 1.5, [None, 1], {"a": [{"b": None}, 2.0]}, [[], {}, "null"]):
        assert exact(_json.decode(_json.encode(value))) == exact(value)
    for bad in (math.nan, [None, [math.inf]], {"a": {"b": [1, None, -math.inf]}}):
        with pytest.raises(ValueError, match="JSON"):
            _json.encode(bad)
    for odd in ((1,), {1: 2}, [{"a": {3}}], b"text"):
        with pytest.raises(TypeError):
            _json.encode(odd)


def test_values_nest_to_the_limit_and_no_deeper() -> None:
    deep: list[Any] = []
    for _ in range(_json.MAX_DEPTH - 1):
        deep = [deep]
    assert _json.decode(_json.encode(deep)) == deep
    twice: list[Any] = []
    twice += [twice, twice]
    for wrong in ([deep], twice):
        with pytest.raises(ValueError, match="nests deeper than 500 levels"):
            _json.encode(wrong)


@pytest.mark.parametrize("text", [b"NaN", b"{", b"", b"\xff"])
def test_neither_reads_what_is_no_json(text: bytes) -> None:
    for codec in (JSON, MSGSPEC):
        with pytest.raises(ValueError):  # noqa: PT011 - the texts are the libraries' own
            codec.decode(text)


def test_a_codec_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "pickle")
    with pytest.raises(ValueError, match="FLOWCRAFT_JSON_CODEC=pickle: unknown; choose json or msgspec"):
        chosen_codec()


def test_contexts_on_msgspec_hold_every_clause(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare(pytester, monkeypatch, mine="")
    monkeypatch.setenv(VARIABLE, "msgspec")
    shown = run(folder, "--flowcraft-context=reference_adapters.memory:context")
    shown.stdout.fnmatch_lines(["*CTX*15 pass", "*PATCH*9 pass, 1 unsupported", "verdict: conformant"])
