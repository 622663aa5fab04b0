"""A blueprint that cannot be run is refused at the start, with the place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowcraft_conformance import BlueprintError, EdgeDefinition, NodeConfig, NodeDefinition, WorkflowBlueprint
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.checking.dynamic_blueprints import again, batch, leave, loop, sleep, subflow
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.runtime.checks import check_blueprint
from flowcraft_conformance.runtime.expressions import SafeEvaluator
from flowcraft_conformance.runtime.graph import Graph

_L = loop("l", "true")
CHILD = flow("child", "x>y")

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
    "no edge with the action 'continue'": flow("b", _L, "a>l l>d"),
    "'a' never leads back to it": flow("b", _L, "s>l a>d", again("l", "a")),
    "'l' never leads back to it": flow("b", _L, "a>l", again("l", "l")),
    "'a' -> 'x' leaves its body": flow("b", _L, "a>l a>x", again("l", "a")),
    "without the action 'continue'": flow("b", _L, "a>c c>l l>c", again("l", "a")),
    "is entered at 'a', 'l'": flow("b", _L, "s>a s>l a>l", again("l", "a")),
    "neither lies inside the other": flow("b", _L, loop("k", "true"), "a>l a>k", again("l", "a"), again("k", "a")),
    "is entered at 'c'": flow("b", _L, loop("k", "true"), "a>c c>l l>k", again("l", "a"), again("k", "c")),
    "params.condition holds": flow("b", NodeDefinition("l", "loop-controller"), "a>l", again("l", "a")),
    "its condition cannot be read": flow("b", loop("l", "1 +"), "a>l", again("l", "a")),
    "has the name of a visit of node 'a'": flow("b", _L, node("a@2"), "a>l", again("l", "a")),
    "params.workerUsesKey": flow("b", *batch("s", "a", worker="nothing"), "a>s"),
    "params.gatherNodeId names": flow("b", NodeDefinition("s", "batch-scatter", {"workerUsesKey": "work"})),
    "params.chunkSize": flow("b", *batch("s", "a", chunk=0), "a>s"),
    "no edge leads to its 's_gather'": flow("b", *batch("s", "a")[:2], "a>s s>x x>s_gather"),
    "no 'batch-scatter' names it": flow("b", NodeDefinition("g", "batch-gather")),
    "a context key of your own": flow("b", *batch("s", "a", key="_done.a"), "a>s"),
    "there is no 'z'": flow("b", subflow("p", "z")),
    "would be a part of itself": flow("b", subflow("p", "b")),
    "no maxRetries": flow("b", replace(subflow("p", "child"), config=NodeConfig(max_retries=2))),
    "maps names of keys": flow("b", NodeDefinition("p", "subflow", {"blueprintId": "child", "inputs": ["k"]})),
    "a key that is the runtime's own": flow("b", subflow("p", "child", outputs={"_outputs.a": "n"})),
    "has the id of a node in a subflow": flow("b", subflow("p", "child"), node("p/x")),
    "a number of milliseconds": flow("b", sleep("s", "soon")),
    "it could never end": flow("b", replace(sleep("s", "10s"), config=NodeConfig(timeout=5))),
    "can run in another one's place": flow("b", _L, node("a", config=NodeConfig(fallback="l")), "a>l", again("l", "a")),
}


@pytest.mark.parametrize("said", BAD)
def test_a_blueprint_that_cannot_be_run_is_refused_with_the_place(said: str) -> None:
    with pytest.raises(BlueprintError) as refused:
        check_blueprint(BAD[said], kit_registry().keys(), SafeEvaluator(), blueprints={"child": CHILD, "b": BAD[said]})
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


def test_the_registry_cannot_bring_what_shapes_the_graph() -> None:
    with pytest.raises(BlueprintError, match="the runtime's own and in the registry"):
        check_blueprint(flow("b", subflow("p", "child")), ["echo", "subflow"], SafeEvaluator())


def test_the_edges_of_a_loop_lead_to_its_visits_and_back() -> None:
    graph = Graph(flow("b", _L, loop("k", "true"), "s>a a>l c>k", again("l", "a"), leave("l", "c"),
                       again("k", "a"), leave("k", "d")))  # fmt: skip
    number = {(edge.source, edge.target): at for at, edge in enumerate(graph.edges)}
    assert graph.nest("a") == ("k", "l")
    assert graph.target(number["s", "a"], "s") == "a"
    assert graph.target(number["l", "a"], "l@2.3") == "a@2.4"
    assert graph.target(number["k", "a"], "k@2") == "a@3.1"
    assert graph.target(number["l", "c"], "l@2.3") == "c@2"
    assert graph.target(number["k", "d"], "k@7") == "d"
    assert graph.source(number["l", "a"], "a@2.4") == "l@2.3"
    assert graph.source(number["k", "a"], "a@3.1") == "k@2"
    assert graph.source(number["l", "c"], "c@2") is None
    assert graph.incoming["a"] == (number["s", "a"],)
    assert graph.incoming["a@2.1"] == (number["k", "a"],)
    assert graph.incoming["a@2.2"] == (number["l", "a"],)
    for odd in ("a@2", "a@1.1", "a@0.2", "a@2.x", "d@2", "z", "a@", "@2"):
        assert not graph.knows(odd), odd
