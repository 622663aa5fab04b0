"""Conditions and transforms are read, never run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft_conformance import EdgeDefinition
from flowcraft_conformance.checking.blueprints import flow
from flowcraft_conformance.runtime.expressions import SafeEvaluator, names_in
from tests.runtime.bench import ListAdapter


@pytest.mark.parametrize(
    "expression",
    [
        "output.__class__", "().__class__.__bases__", "__import__('os')", "open('/etc/passwd')", "eval('1')",
        "lambda: 1", "(x := 1)", "9**9**9", "1 << 10**9", "'a' * 10**9", "[0] * 10**9", "round(5, -10**9)",
        "'a'.ljust(10**9)", "'%999999999d' % 1", "f'{1:999999999}'", "output.clear()", "output.pop('a')",
        "output.update({'a': 2})", "output.keys", "'{0.__class__}'.format(1)", "[1][0](2)", "output.a.b", "1 +", "",
    ],
)  # fmt: skip
def test_what_would_run_code_or_fill_the_memory_is_refused_and_changes_nothing(expression: str) -> None:
    output = {"a": 1}
    with pytest.raises(ValueError, match=r"\w"):
        SafeEvaluator().evaluate(expression, {"output": output})
    assert output == {"a": 1}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("result.output === 'x!==y' && !false", True), ("n !== 3 || null", None), ("!(n == 3)", False),
        ("true && undefined === null", True), ("n % 2 == 1", True), ("len(items) > 1 and items[0] == 1", True),
        ("data.keys", 7), ("data['keys']", 7), ("round(2.567, 2)", 2.57), ("round(2.5)", 2),
        ("{'a': n, 'b': [n]}", {"a": 3, "b": [3]}), ("'&&' if n else '||'", "&&"), ("'__' + 'x'", "__x"),
    ],
)  # fmt: skip
def test_conditions_of_both_languages_are_understood(expression: str, value: Any) -> None:
    variables = {"result": {"output": "x!==y"}, "n": 3, "items": [1, 2], "data": {"keys": 7}}
    assert SafeEvaluator().evaluate(expression, variables) == value


def test_only_names_outside_of_texts_and_fields_are_looked_up() -> None:
    assert names_in("flag && result.output.x === 'text' and true") == {"flag", "result"}


@pytest.mark.parametrize(("condition", "runs"), [("missing", False), ("!missing", True), ("missing == null", True)])
def test_a_key_that_is_absent_reads_as_null(condition: str, runs: bool) -> None:
    blueprint = flow("b", EdgeDefinition("a", "b", condition=condition))
    adapter = ListAdapter(blueprint)

    async def run() -> None:
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()

    asyncio.run(run())
    assert ("_outputs.b" in adapter.state()) is runs
    assert adapter.results[0].status == "completed"


def test_a_condition_that_fails_fails_the_run_and_names_the_edge() -> None:
    adapter = ListAdapter(flow("b", EdgeDefinition("a", "b", condition="output.pop('by')")))

    async def run() -> None:
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()

    asyncio.run(run())
    assert [result.status for result in adapter.results] == ["failed"]
    assert "'a' -> 'b'" in str(adapter.results[0].reason)
