"""Workflows to check adapters with: small ones that reach every rule, and random ones that can be made smaller."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.blueprint import (
    EdgeDefinition,
    NodeConfig,
    NodeDefinition,
    WorkflowBlueprint,
)


def node(name: str, uses: str = "echo", *, config: NodeConfig | None = None, **params: Any) -> NodeDefinition:
    """A node of the kit that knows its own name."""
    return NodeDefinition(name, uses, {"name": name, **params}, config=config or NodeConfig())


def flow(name: str, *parts: NodeDefinition | EdgeDefinition | str, version: str | None = None) -> WorkflowBlueprint:
    """A blueprint from nodes, edges, and text such as ``"a>b b>c"``; nodes that only the text names are plain."""
    edges: list[EdgeDefinition] = []
    nodes: dict[str, NodeDefinition] = {}
    for part in parts:
        if isinstance(part, NodeDefinition):
            nodes[part.id] = part
        elif isinstance(part, EdgeDefinition):
            edges.append(part)
        else:
            edges.extend(EdgeDefinition(*pair.split(">")) for pair in part.split())
    for edge in edges:
        for end in (edge.source, edge.target):
            nodes.setdefault(end, node(end))
    return WorkflowBlueprint(name, tuple(nodes.values()), tuple(edges), {} if version is None else {"version": version})


ANY = NodeConfig(join_strategy="any")


def _edge(source: str, target: str, **rest: Any) -> EdgeDefinition:
    return EdgeDefinition(source, target, **rest)


NEVER = "result.output == 'never'"
"""A condition that does not hold."""

EXAMPLES: Mapping[str, WorkflowBlueprint] = {
    blueprint.id: blueprint
    for blueprint in (
        flow("single", node("a")),
        flow("chain", "a>b b>c"),
        flow("diamond", "a>b a>c b>d c>d"),
        flow("diamond-and-on", "a>b a>c b>d c>d d>e"),
        flow("three-starts", "a>d b>d c>d"),
        flow("two-sinks", "a>b a>c"),
        flow("apart", node("a"), node("b")),
        flow("condition", "a>b", _edge("a", "c", condition=NEVER), "b>d c>d"),
        flow("skipped-branch", "a>b", _edge("a", "c", condition=NEVER), "c>e e>d b>d"),
        flow("skipped-join", _edge("a", "b", condition=NEVER), _edge("a", "c", condition=NEVER), "b>d c>d d>e"),
        flow("skipped-behind-any", _edge("a", "b", condition=NEVER), "a>c", node("d", config=ANY), "b>d c>d d>e"),
        flow("any", "a>b a>c", node("d", config=ANY), "b>d c>d d>e"),
        flow("any-of-three", "a>b a>c a>f", node("d", config=ANY), "b>d c>d f>d d>e"),
        flow("any-none", node("d", config=ANY), _edge("a", "d", condition=NEVER), _edge("b", "d", condition=NEVER)),
        flow("action", node("a", "act", action="left"), _edge("a", "b", action="left"), _edge("a", "c", action="right"),
             "a>d b>e c>e d>e"),
        flow("action-unknown", node("a", "act", action="other"), _edge("a", "b", action="left"), "a>c"),
        flow("transform", _edge("a", "b", transform="{'was': input.by}"), "b>c",
             _edge("a", "c", transform="input.by + '!'")),
        flow("parallel-edges", _edge("a", "b", transform="'first'"), _edge("a", "b", transform="'second'"),
             _edge("a", "c"), "b>d c>d"),
        flow("parallel-any", node("b", config=ANY), _edge("a", "b", transform="'first'"),
             _edge("a", "b", transform="'second'")),
        flow("inputs", NodeDefinition("c", "echo", {"name": "c"}, inputs={"left": "a", "key": "k"}),
             node("b", "put", set={"k": 7}), "a>b b>c"),
        flow("writes", node("a", "put", set={"k": 1, "gone": True}), node("b", "put", set={"k": 2}, delete=["gone"]),
             _edge("b", "c", condition="k == 2"), _edge("b", "d", condition="k == 1"), "a>b"),
        flow("retry", node("b", "flaky", failures=2, config=NodeConfig(max_retries=3)), "a>b b>c"),
        flow("fallback", node("b", "fail", config=NodeConfig(fallback="f")), node("f"), "a>b a>c b>d c>d"),
        flow("failure", node("b", "fail", message="boom"), "a>b a>c b>d c>d"),
        flow("failure-at-once", node("a", "fail"), "a>b"),
        flow("failure-before-any", node("b", "fail"), node("d", config=ANY), "a>b a>c b>d c>d"),
        flow("sibling-writes", node("a", "put", set={"x": 0, "y": 0, "k": 0}), node("b", "put", set={"x": 1, "k": 1}),
             node("c", "put", set={"y": 2, "k": 2}), "a>b a>c b>d c>d"),
        flow("spoiled", node("a", "spoil"), node("b", "spoil"), "a>b a>c b>d c>d"),
    )
}  # fmt: skip
"""Blueprint id -> blueprint."""

WAITING: Mapping[str, WorkflowBlueprint] = {
    blueprint.id: blueprint
    for blueprint in (
        flow(
            "wait", NodeDefinition("w", "wait"), "a>w", _edge("w", "yes", action="yes"), _edge("w", "no", action="no")
        ),
        flow("two-waits", NodeDefinition("w", "wait"), NodeDefinition("x", "wait"), "a>w a>x w>d x>d"),
        flow("waits-in-a-row", NodeDefinition("w", "wait"), NodeDefinition("x", "wait"), "a>w w>x x>d"),
        flow("wait-beside-work", NodeDefinition("w", "wait"), "a>w a>b b>c w>d c>d"),
    )
}
"""Blueprints that rest until they are resumed."""


def wide_join(width: int, strategy: NodeConfig | None = None) -> WorkflowBlueprint:
    """One start, so many nodes behind it, and one join behind all of them (JOIN-ALL-02)."""
    edges = " ".join(f"s>p{number} p{number}>j" for number in range(width))
    return flow(f"join-of-{width}", node("j", config=strategy), edges)


def random_blueprint(dice: random.Random, most_nodes: int = 7) -> WorkflowBlueprint:
    """A graph that any right runtime can run: joins of both kinds, conditions, actions, transforms, failures."""
    count = dice.randint(2, most_nodes)
    names = [f"n{number}" for number in range(count)]
    nodes = {name: _random_node(dice, name) for name in names}
    edges: list[EdgeDefinition] = []
    for position, target in enumerate(names[1:], 1):
        for source in dice.sample(names[:position], min(position, dice.choice((1, 1, 1, 2, 2, 3)))):
            edges.append(_random_edge(dice, source, target))
            if dice.random() < 0.05:
                edges.append(_random_edge(dice, source, target))
    dice.shuffle(edges)
    if dice.random() < 0.15:
        broken = dice.choice(names)
        fallback = "f" if dice.random() < 0.5 else None
        nodes[broken] = node(broken, "fail", config=replace(nodes[broken].config, fallback=fallback))
        if fallback:
            nodes["f"] = node("f")
    return WorkflowBlueprint("random", tuple(nodes.values()), tuple(edges))


def _random_node(dice: random.Random, name: str) -> NodeDefinition:
    strategy = NodeConfig(join_strategy="any" if dice.random() < 0.3 else "all")
    kind = dice.random()
    if kind < 0.15:
        return node(name, "act", action=dice.choice(("left", "right", "other")), config=strategy)
    if kind < 0.25:
        return node(name, "flaky", failures=1, config=replace(strategy, max_retries=2))
    return node(name, config=strategy)


def _random_edge(dice: random.Random, source: str, target: str) -> EdgeDefinition:
    return EdgeDefinition(
        source,
        target,
        action=dice.choice(("left", "right")) if dice.random() < 0.15 else None,
        condition=dice.choice((NEVER, "result.output.by != ''")) if dice.random() < 0.2 else None,
        transform=f"{{'via': '{source}-{target}', 'of': input.by}}" if dice.random() < 0.2 else None,
    )


def smaller(blueprint: WorkflowBlueprint) -> Iterator[WorkflowBlueprint]:
    """Blueprints that are one step simpler, the largest steps first: without a node, without an edge, plainer."""
    for gone in blueprint.nodes:
        kept = tuple(one for one in blueprint.nodes if one.id != gone.id and one.config.fallback != gone.id)
        ids = {one.id for one in kept}
        edges = tuple(edge for edge in blueprint.edges if edge.source in ids and edge.target in ids)
        if kept:
            yield replace(blueprint, nodes=kept, edges=edges)
    for number in range(len(blueprint.edges)):
        yield replace(blueprint, edges=blueprint.edges[:number] + blueprint.edges[number + 1 :])
    for number, edge in enumerate(blueprint.edges):
        plain = EdgeDefinition(edge.source, edge.target)
        if edge != plain:
            yield replace(blueprint, edges=(*blueprint.edges[:number], plain, *blueprint.edges[number + 1 :]))
    for number, one in enumerate(blueprint.nodes):
        plainer = node(one.id)
        if one != plainer:
            yield replace(blueprint, nodes=(*blueprint.nodes[:number], plainer, *blueprint.nodes[number + 1 :]))


def draw_graph(blueprint: WorkflowBlueprint) -> str:
    """The graph in a line or two: ``a -> b[any], b -left-> c if ..., ...``."""
    known = {one.id: one for one in blueprint.nodes}
    linked = {end for edge in blueprint.edges for end in (edge.source, edge.target)}
    parts = [f"{_drawn(known, edge.source)} {_arrow(edge)} {_drawn(known, edge.target)}" for edge in blueprint.edges]
    return ", ".join([*(_drawn(known, name) for name in known if name not in linked), *parts])


def draw_edges(blueprint: WorkflowBlueprint) -> list[str]:
    """The graph as lines: ``a -> b[any], c`` for the plain edges of a node, and one for each other edge.

    Nodes that stand alone come first.
    """
    known = {one.id: one for one in blueprint.nodes}
    linked = {end for edge in blueprint.edges for end in (edge.source, edge.target)}
    alone = ", ".join(_drawn(known, name) for name in known if name not in linked)
    lines = [alone] if alone else []
    for name in known:
        following = [edge for edge in blueprint.edges if edge.source == name]
        plain = ", ".join(_drawn(known, edge.target) for edge in following if _arrow(edge) == "->")
        lines += [f"{_drawn(known, name)} -> {plain}"] if plain else []
        lines += [
            f"{_drawn(known, name)} {_arrow(edge)} {_drawn(known, edge.target)}"
            for edge in following
            if _arrow(edge) != "->"
        ]
    return lines


def _drawn(known: Mapping[str, NodeDefinition], name: str) -> str:
    one = known[name]
    notes = [] if one.uses == "echo" else [one.uses]
    if one.config.join_strategy == "any":
        notes.append("any")
    if one.config.fallback:
        notes.append(f"fallback {one.config.fallback}")
    return f"{name}[{', '.join(notes)}]" if notes else name


def _arrow(edge: EdgeDefinition) -> str:
    notes = [
        note
        for note in (edge.action, edge.condition and f"if {edge.condition}", edge.transform and "transformed")
        if note
    ]
    return f"-({'; '.join(notes)})->" if notes else "->"
