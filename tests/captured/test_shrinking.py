"""A graph that breaks a rule is made smaller, also where loops and subflows are in it."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.checking.dynamic_blueprints import again, leave, loop, subflow
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import EndlessRunError, possible_outcomes
from tests.mutants.adapters import harness_of
from tests.mutants.adapters_dynamic import IgnoresWhatASubflowGives, RunsALoopOnce

_CHILD = flow("child", node("x", "count", key="n"), node("y", "count", key="n"), "x>y")
_WITH_SUBFLOW = flow("larger", subflow("p", "child", outputs={"n": "n"}), "a>b a>c b>p c>p p>d d>e")
_COUNTING = (node("a", "put", set={"n": 0}), node("b", "count"), loop("l", "n < 2"))
_WITH_LOOP = flow("longer", *_COUNTING, "a>l b>c c>l d>e e>f", again("l", "b"), leave("l", "d"))


@pytest.mark.parametrize(
    ("mutant", "blueprint", "children", "most_nodes"),
    [(IgnoresWhatASubflowGives, _WITH_SUBFLOW, (_CHILD,), 1), (RunsALoopOnce, _WITH_LOOP, (), 3)],
    ids=["subflow", "loop"],
)
def test_only_what_the_failure_needs_is_left_of_its_graph(
    mutant: type, blueprint: WorkflowBlueprint, children: tuple[WorkflowBlueprint, ...], most_nodes: int
) -> None:
    scenario = Scenario(blueprint, kit_registry, blueprints=children)
    found = asyncio.run(Captured(harness_of(mutant)("t")).search(scenario, seconds=5, most_plans=1))
    assert found.problem is not None
    shrunk = found.problem.trace.scenario
    assert len(shrunk.blueprint.nodes) <= most_nodes, shrunk.blueprint
    assert shrunk.blueprints == children


def test_a_loop_without_an_end_is_no_workflow_that_has_an_outcome() -> None:
    endless = flow("endless", node("a", "put", set={"n": 0}), node("b"), loop("l", "n < 2"), "a>l b>l", again("l", "b"))
    with pytest.raises(EndlessRunError, match="does not end"):
        asyncio.run(possible_outcomes(endless, kit_registry))
