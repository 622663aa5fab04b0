"""Random graphs end on the distributed base as they can end in one process."""

from __future__ import annotations

import asyncio
import random

import pytest

from flowcraft_conformance import BlueprintError, FlowRuntime, RuntimeOptions
from flowcraft_conformance.checking.blueprints import flow, node, random_blueprint
from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.harness.nodes import CLOCK, kit_registry
from flowcraft_conformance.harness.oracle import Outcome, comparable, possible_outcomes
from tests.runtime.bench import ListAdapter


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_ends_as_it_can_end_in_one_process(seed: int, guarded: bool) -> None:
    blueprint = random_blueprint(random.Random(seed), 6)
    dice = random.Random(seed + 1)

    async def run() -> None:
        allowed = await possible_outcomes(blueprint, kit_registry, most_runs=200)
        adapter = ListAdapter(blueprint, guarded=guarded)
        await adapter.start_run(blueprint.id, run_id="r")
        for _ in range(2):  # each job twice, in any order
            adapter.queue += adapter.queue
            await adapter.deliver(dice.randrange)
        assert len(adapter.results) == 1
        (result,) = adapter.results
        failed = None
        if result.status == "failed":
            failed = next(
                key.removeprefix("_done.") for key, value in adapter.state().items()
                if key.startswith("_done.") and "failed" in value
            )  # fmt: skip
        outcome = Outcome(result.status, comparable(adapter.state()), failed)
        assert allowed.allow(outcome) or (failed and not allowed.complete), (outcome, allowed.outcomes)

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_ends_in_flow_runtime_as_in_some_order(seed: int) -> None:
    blueprint = random_blueprint(random.Random(seed), 6)

    async def run() -> None:
        allowed = await possible_outcomes(blueprint, kit_registry, most_runs=200)
        clock = VirtualClock()
        options = RuntimeOptions(registry=kit_registry(), clock=clock, dependencies={CLOCK: clock})
        result = await FlowRuntime(options).run(blueprint)
        failed = result.errors[0].node_id if result.errors else None
        assert allowed.allow(Outcome(result.status, comparable(result.context), failed))

    asyncio.run(run())


def test_the_graphs_are_worth_running() -> None:
    drawn = [random_blueprint(random.Random(seed), 6) for seed in range(40)]
    assert sum(any(node.config.join_strategy == "any" for node in one.nodes) for one in drawn) > 10
    assert sum(any(edge.condition for edge in one.edges) for one in drawn) > 10
    assert sum(any(node.uses == "fail" for node in one.nodes) for one in drawn) > 2


def test_what_never_ends_is_told_apart_from_what_sleeps() -> None:
    async def for_ever(_: object) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        blueprint = flow("b", node("a", "for_ever"))
        with pytest.raises(RuntimeError, match="something else than the clock"):
            await possible_outcomes(blueprint, lambda: {"for_ever": for_ever})

    asyncio.run(run())


def test_a_blueprint_that_cannot_run_is_refused_by_both() -> None:
    async def run() -> None:
        blueprint = flow("b", node("s"), "a>b b>a s>a")
        with pytest.raises(BlueprintError, match="cycle"):
            await possible_outcomes(blueprint, kit_registry)
        with pytest.raises(BlueprintError, match="cycle"):
            await ListAdapter(blueprint).start_run("b")

    asyncio.run(run())
