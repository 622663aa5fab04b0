"""Whatever a node does, it fails alone: its run ends with a reason, its worker goes on."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from flowcraft_conformance import FlowRuntime, NodeConfig, NodeContext, RuntimeOptions, WorkflowBlueprint
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.nodes import kit_registry
from tests.runtime.bench import ListAdapter


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class _Bare(BaseException):
    pass


async def exits(_: NodeContext) -> None:
    sys.exit(3)


async def raises_bare(_: NodeContext) -> None:
    raise _Bare("bare")


async def cancels_itself(_: NodeContext) -> None:
    raise asyncio.CancelledError


async def unspeakable(_: NodeContext) -> None:
    raise _Unspeakable


async def shouts(_: NodeContext) -> None:
    raise ValueError("\0\ud800" + "x" * 1_000_000)


async def returns_a_set(_: NodeContext) -> Any:
    return {1}


async def returns_nan(_: NodeContext) -> float:
    return float("nan")


async def writes_the_status(given: NodeContext) -> None:
    await given.context.set("_status", "mine")


async def deletes_a_decision(given: NodeContext) -> None:
    await given.context.delete("_done.a")


MISBEHAVING = [
    exits, raises_bare, cancels_itself, unspeakable, shouts, returns_a_set, returns_nan, writes_the_status,
    deletes_a_decision,
]  # fmt: skip


async def _both(blueprint: WorkflowBlueprint, registry: dict[str, Any]) -> tuple[ListAdapter, Any]:
    adapter = ListAdapter(blueprint, registry=registry)
    await adapter.start_run(blueprint.id, run_id="r")
    await adapter.deliver()
    result = await FlowRuntime(RuntimeOptions(registry={**kit_registry(), **registry})).run(blueprint)
    return adapter, result


@pytest.mark.parametrize("timeout", [None, 10_000])
@pytest.mark.parametrize("function", MISBEHAVING, ids=lambda function: function.__name__)
def test_a_node_that_misbehaves_fails_its_run_with_a_reason(function: Any, timeout: float | None) -> None:
    async def run() -> None:
        config = NodeConfig(timeout=timeout)
        adapter, result = await _both(
            flow("b", node("a"), node("bad", "bad", config=config), "a>bad bad>c"), {"bad": function}
        )
        (published,) = adapter.results
        assert published.status == result.status == "failed"
        assert "'bad'" in str(published.reason)
        assert published.reason == result.errors[0].message
        assert len(str(published.reason)) < 5_000
        str(published.reason).encode()
        assert "_outputs.c" not in adapter.state()

    asyncio.run(run())


@pytest.mark.parametrize("function", MISBEHAVING, ids=lambda function: function.__name__)
def test_its_fallback_runs_in_its_place(function: Any) -> None:
    async def run() -> None:
        bad = node("bad", "bad", config=NodeConfig(max_retries=2, fallback="f"))
        adapter, result = await _both(flow("b", bad, node("f"), "bad>c"), {"bad": function})
        assert adapter.results[0].status == result.status == "completed"
        state = adapter.state()
        assert state["_outputs.bad"] == state["_outputs.f"] == {"by": "f", "input": None}
        assert state["_outputs.c"]["input"] == state["_outputs.f"]

    asyncio.run(run())


def test_params_that_are_no_json_fail_the_node_and_not_the_runtime() -> None:
    async def run() -> None:
        adapter, result = await _both(flow("b", node("a", odd={1, 2})), {})
        assert adapter.results[0].status == result.status == "failed"
        assert "set" in str(adapter.results[0].reason)

    asyncio.run(run())


def test_a_node_that_empties_its_input_and_params_changes_nothing() -> None:
    async def run() -> None:
        blueprint = flow("b", node("s", "spoil"), node("t", "spoil"), "a>s a>t s>j t>j")
        adapter, _ = await _both(blueprint, {})
        state = adapter.state()
        assert state["_outputs.a"] == {"by": "a", "input": None}
        assert [state["_outputs." + name]["by"] for name in "st"] == ["s", "t"]
        assert blueprint.nodes[0].params == {"name": "s"}

    asyncio.run(run())
