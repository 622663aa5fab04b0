"""A blueprint that cannot be run is refused at the start, with the place."""

from __future__ import annotations

import pytest

from flowcraft_conformance import BlueprintError, EdgeDefinition, NodeConfig, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.runtime.checks import check_blueprint
from flowcraft_conformance.runtime.expressions import SafeEvaluator
from flowcraft_conformance.runtime.graph import Graph

BAD = {
    "no nodes": WorkflowBlueprint("b", ()),
    "have the id 'a'": WorkflowBlueprint("b", (node("a"), node("a"))),
    "empty id": WorkflowBlueprint("b", (node(""),)),
    "there is no node 'z'": WorkflowBlueprint("b", (node("a"),), (EdgeDefinition("a", "z"),)),
    "'nothing', which is not in the registry": flow("b", NodeDefinition("a", "nothing")),
    "is a cycle": flow("b", "s>a a>c c>a"),
    "'a' -> 'a' is a cycle": flow("b", "s>a a>a"),
    "which does not exist": flow("b", node("a", config=NodeConfig(fallback="z"))),
    "in a circle": flow("b", node("a", config=NodeConfig(fallback="c")), node("c", config=NodeConfig(fallback="a"))),
    "condition cannot be read": flow("b", EdgeDefinition("a", "c", condition="1 +")),
    "transform cannot be read": flow("b", EdgeDefinition("a", "c", transform="import os")),
}


@pytest.mark.parametrize("said", BAD)
def test_a_blueprint_that_cannot_be_run_is_refused_with_the_place(said: str) -> None:
    with pytest.raises(BlueprintError) as refused:
        check_blueprint(BAD[said], kit_registry().keys(), SafeEvaluator())
    assert said in str(refused.value)
    assert "'b'" in str(refused.value)


def test_a_fallback_is_no_start_and_is_live_only_where_an_edge_leads_to_it() -> None:
    failing = node("a", config=NodeConfig(fallback="f"))
    assert Graph(flow("b", failing, node("f"))).starts == ("a",)
    assert "f" not in Graph(flow("b", failing, node("f"), "f>z")).live
    assert "f" in Graph(flow("b", failing, node("f"), "s>f")).live


def test_a_node_that_only_a_fallback_leads_to_is_refused_where_strict() -> None:
    blueprint = flow("b", node("a", config=NodeConfig(fallback="f")), node("f"), "f>z")
    check_blueprint(blueprint, kit_registry().keys(), SafeEvaluator())
    with pytest.raises(BlueprintError, match="'z' can never run"):
        check_blueprint(blueprint, kit_registry().keys(), SafeEvaluator(), strict=True)
