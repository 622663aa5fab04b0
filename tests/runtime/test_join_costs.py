"""Joins of many predecessors: right, and with few small calls."""

from __future__ import annotations

import asyncio
import random

import pytest

from flowcraft_conformance.checking.blueprints import ANY, wide_join
from tests.runtime.bench import ListAdapter


@pytest.mark.parametrize("strategy", [None, ANY], ids=["all", "any"])
@pytest.mark.parametrize("width", [1, 2, 50, 1000])
def test_a_wide_join_runs_once_with_few_small_calls(width: int, strategy: object) -> None:
    blueprint = wide_join(width, strategy)  # type: ignore[arg-type]
    adapter = ListAdapter(blueprint)
    dice = random.Random(width)

    async def run() -> None:
        await adapter.start_run(blueprint.id, run_id="r")
        await adapter.deliver(dice.randrange)

    asyncio.run(run())
    calls = sum(adapter.calls.values())
    print(f"{width} predecessors: {calls} context calls, {calls / width:.1f} each: {dict(adapter.calls)}")
    assert [result.status for result in adapter.results] == ["completed"]
    given = adapter.state()["_outputs.j"]["input"]
    assert len(given) == (width if strategy is None and width > 1 else 2)
    assert adapter.calls["to_dict"] <= 2
    assert calls <= 30 * width + 60
