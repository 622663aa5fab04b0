"""The enumerator finds each mistake that is planted in the reference adapter, and accuses nothing that is right."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from flowcraft_conformance import AdapterHarness
from flowcraft_conformance.checking.blueprints import EXAMPLES, draw_graph, random_blueprint
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured, SearchResult
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.nodes import kit_registry
from tests.mutants.adapters import (
    PLANTED,
    AcknowledgesBeforeTheWork,
    AnyJoinForgetsItsWinner,
    CommitsAfterWakingUp,
    CountsWithoutDedupe,
    DeletesCounterBeforeEnqueue,
    MarksThenCounts,
    PassesSkippedBranchOnOnce,
    PublishesTwoStatuses,
    QueuelessAdapter,
    harness_of,
)

_SHOWN_BY = {
    CountsWithoutDedupe: "diamond",
    MarksThenCounts: "diamond",
    DeletesCounterBeforeEnqueue: "diamond",
    AcknowledgesBeforeTheWork: "chain",
    PassesSkippedBranchOnOnce: "condition",
    AnyJoinForgetsItsWinner: "any",
    PublishesTwoStatuses: "apart",
    CommitsAfterWakingUp: "writes",
}
_MOST_PLANS = 600


def _search(harness: type[AdapterHarness], scenario: Scenario, most_plans: int, seed: int = 0) -> SearchResult:
    async def run() -> SearchResult:
        return await Captured(harness("test")).search(scenario, seconds=600, most_plans=most_plans, seed=seed)

    return asyncio.run(run())


@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.__name__)
def test_a_planted_mistake_is_found_and_its_plan_is_named(mutant: type[QueuelessAdapter]) -> None:
    scenario = Scenario(EXAMPLES[_SHOWN_BY[mutant]], kit_registry)
    found = _search(harness_of(mutant), scenario, _MOST_PLANS)
    assert found.problem is not None, found.by_kind
    assert len(found.problem.trace.plan.events) == 1, "one event is enough for each of them"
    token = found.problem.trace.plan.encode()
    assert token != "plain", "it is broken without any plan: no test of the enumerator"
    story = tell(found.problem)
    plan_lines = [line for line in story.splitlines() if line.startswith(("plan:", "order:"))]
    assert 1 <= len(plan_lines) <= 2, story
    assert all(re.search(r"\w+\.py:\d+", line) for line in plan_lines if line.startswith("plan:")), story
    assert token not in story, "the command below a failure names it already"
    shrunk = found.problem.trace.scenario
    assert len(shrunk.blueprint.edges) <= len(scenario.blueprint.edges)
    again = asyncio.run(Captured(harness_of(mutant)("again")).run_plan(shrunk, Plan.decode(token)))
    assert [one.outcome for one in again.deliveries] == [one.outcome for one in found.problem.trace.deliveries]


@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.__name__)
def test_a_planted_mistake_does_not_show_without_a_plan(mutant: type[QueuelessAdapter]) -> None:
    scenario = Scenario(EXAMPLES[_SHOWN_BY[mutant]], kit_registry)
    assert _search(harness_of(mutant), scenario, most_plans=1).problem is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_reference_adapter_is_right_on_every_example(name: str) -> None:
    found = _search(harness_of(QueuelessAdapter), Scenario(EXAMPLES[name], kit_registry), most_plans=400)
    assert found.problem is None, f"{found.problem}"
    assert found.plans > 300


@pytest.mark.parametrize("seed", range(40))
def test_the_reference_adapter_is_right_on_random_graphs(seed: int) -> None:
    blueprint = random_blueprint(random.Random(seed))
    found = _search(harness_of(QueuelessAdapter), Scenario(blueprint, kit_registry), most_plans=60, seed=seed)
    assert found.problem is None, f"{draw_graph(blueprint)}\n{found.problem}"


def test_a_token_is_a_plan_in_short() -> None:
    token = "o0-2-1.c12+.d3:1@4.p9.x7:2"
    assert Plan.decode(token).encode() == token
    assert Plan.decode("plain") == Plan()
    with pytest.raises(ValueError, match="no event of a plan"):
        Plan.decode("q7")
