"""Workflows whose graph is not all there is to their runs: loops, batches, added nodes, subflows and sleeps."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.blueprints import ANY, NEVER, flow, node
from flowcraft_conformance.contract.blueprint import EdgeDefinition, NodeConfig, NodeDefinition, WorkflowBlueprint

_DEEP = 4
"""The length of a name from which a loop in a loop has one iteration."""
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A blueprint and those of its subflows."""

    blueprint: WorkflowBlueprint
    children: tuple[WorkflowBlueprint, ...] = ()


def loop(name: str, condition: str, *, config: NodeConfig | None = None) -> NodeDefinition:
    """A loop's controller."""
    return NodeDefinition(name, "loop-controller", {"condition": condition}, config=config or NodeConfig())


def again(controller: str, first: str, **rest: Any) -> EdgeDefinition:
    """The edge to the next iteration."""
    return EdgeDefinition(controller, first, action="continue", **rest)


def leave(controller: str, after: str, **rest: Any) -> EdgeDefinition:
    """The edge to what comes after a loop."""
    return EdgeDefinition(controller, after, action="break", **rest)


def batch(
    name: str, items: str, *, worker: str = "work", chunk: int | None = None, key: str | None = None
) -> tuple[NodeDefinition | str, ...]:
    """``{name}`` and ``{name}_gather``, over the list that is the output of node ``items``, or a context key."""
    gather = f"{name}_gather"
    size = {} if chunk is None else {"chunkSize": chunk}
    return (
        NodeDefinition(name, "batch-scatter", {"workerUsesKey": worker, "gatherNodeId": gather, **size}, inputs=items),
        NodeDefinition(gather, "batch-gather", {"gatherNodeId": gather} | ({} if key is None else {"outputKey": key})),
        f"{name}>{gather}",
    )


def subflow(name: str, child: str, **mapping: Mapping[str, str]) -> NodeDefinition:
    """A node that stands for another blueprint; ``inputs`` and ``outputs`` as upstream has them."""
    return NodeDefinition(name, "subflow", {"blueprintId": child, **mapping})


def sleep(name: str, duration: float | str) -> NodeDefinition:
    """A node that takes its time."""
    return NodeDefinition(name, "sleep", {"name": name, "duration": duration})


def _items(*items: Any) -> NodeDefinition:
    return node("a", "constant", value=list(items))


_COUNTED = flow("counted", node("x", "count", key="n"), node("y", "count", key="n"), "x>y")
_DIAMOND = flow("small-diamond", "x>y x>z y>j z>j")
_BROKEN = flow("broken-child", node("y", "fail", message="broken inside"), "x>y")
_OUTER = flow("outer-child", subflow("q", "counted", outputs={"m": "n"}), "v>q q>w")
_LOOPED = flow("looped-child", node("x", "count", key="n"), loop("l", "n < 2"), "x>l", again("l", "x"))

_PLAIN: tuple[WorkflowBlueprint, ...] = (
    flow("loop-asks-after", node("b", "count"), loop("l", "n < 3"), "a>b b>l", again("l", "b"), leave("l", "d")),
    flow("loop-asks-before", node("a", "put", set={"n": 0}), node("b", "count"), loop("l", "n < 2"), "a>l b>l",
         again("l", "b"), leave("l", "d")),
    flow("loop-of-none", node("b", "count"), loop("l", "n == 0"), "a>l b>l", again("l", "b"), leave("l", "d")),
    flow("loop-at-the-start", node("b", "count"), loop("l", "n < 2"), "b>l", again("l", "b"), leave("l", "d")),
    flow("loop-at-the-end", node("b", "count"), loop("l", "n < 2"), "a>b a>c b>l", again("l", "b")),
    flow("loop-of-a-diamond", node("b", "count"), loop("l", "n < 2"), "a>b b>c b>e c>j e>j j>l", again("l", "b"),
         leave("l", "d")),
    flow("loop-of-an-any", node("b", "count"), node("j", config=ANY), loop("l", "n < 2", config=ANY),
         "b>c b>e c>j e>j j>l", again("l", "b"), leave("l", "d")),
    flow("loop-of-branches", node("b", "count"), loop("l", "n < 2", config=ANY),
         EdgeDefinition("b", "c", condition="n == 1"), EdgeDefinition("b", "e", condition="n != 1"), "c>l e>l",
         again("l", "b"), leave("l", "d")),
    flow("loop-that-dies", node("b", "count"), loop("l", "n < 9"), "a>b a>d",
         EdgeDefinition("b", "l", condition="n < 2"), again("l", "b"), leave("l", "d")),
    flow("loop-in-a-loop", node("b", "count"), node("c", "count", key="m"), loop("l", "n < 4"), loop("k", "m < 2"),
         "a>b b>l", again("l", "b", condition="n % 2 == 1"), EdgeDefinition("l", "c", transform="input.count"),
         "c>k", again("k", "b"), leave("k", "d")),
    flow("loop-of-failures", node("b", "count"), node("c", "flaky", failures=1, config=NodeConfig(max_retries=2)),
         loop("l", "n < 2"), "b>c c>l", again("l", "b"), leave("l", "d", transform="{'last': input.by}")),
    flow("loop-that-fails", node("b", "count"), node("c", "fail"), loop("l", "n < 3"),
         EdgeDefinition("b", "c", condition="n == 2"), EdgeDefinition("b", "e", condition="n < 2"), "c>l e>l",
         again("l", "b"), leave("l", "d")),
    flow("batch", _items(3, 1, 2), *batch("s", "a", key="all"), "a>s s_gather>d"),
    flow("batch-of-none", _items(), *batch("s", "a", key="all"), "a>s s_gather>d"),
    flow("batch-in-chunks", _items(3, 1, 2), *batch("s", "a", chunk=2), "a>s s_gather>d"),
    flow("batch-of-twelve", _items(*range(12)), *batch("s", "a", chunk=1, key="all"), "a>s s_gather>d"),
    flow("loop-of-eleven", node("b", "count"), loop("l", "n < 11"), "b>l", again("l", "b"), leave("l", "d")),
    flow("batch-beside-work", _items("x", "y"), *batch("s", "a"), "a>s a>c s_gather>d c>d"),
    flow("batch-that-fails", _items("good", "bad"), *batch("s", "a", worker="work_but"), "a>s s_gather>d"),
    flow("batch-in-a-loop", _items("x", "y"), node("b", "count"), *batch("s", "a"), loop("l", "n < 2"),
         "a>b b>s s_gather>l", again("l", "b"), leave("l", "d")),
    flow("added", node("b", "add", nodes=[node("m").to_dict(), node("o", "put", set={"k": 1}).to_dict()]), "a>b b>d"),
    flow("added-by-added", node("b", "add", nodes=[
        node("m", "add", nodes=[node("o").to_dict()]).to_dict(), node("p").to_dict()]), "a>b b>d"),
    flow("sleep", sleep("s", "1d"), "a>s s>d"),
    flow("sleep-beside-work", sleep("s", DAY_SECONDS * 1000), "a>s a>c c>e s>d e>d"),
    flow("sleep-in-a-loop", node("b", "count"), sleep("s", "1d"), loop("l", "n < 2"), "b>s s>l", again("l", "b"),
         leave("l", "d")),
)  # fmt: skip

_WITH_SUBFLOWS: tuple[Dynamic, ...] = (
    Dynamic(flow("subflow", subflow("p", "small-diamond"), "a>p p>d"), (_DIAMOND,)),
    Dynamic(flow("subflow-mapped", node("a", "put", set={"n": 5, "k": "kept"}),
                 subflow("p", "counted", inputs={"n": "n", "from": "a"}, outputs={"n": "n", "last": "y"}),
                 EdgeDefinition("p", "d", condition="n == 7"), "a>p"), (_COUNTED,)),
    Dynamic(flow("subflow-apart", node("a", "put", set={"n": 5}), subflow("p", "counted"), subflow("q", "counted"),
                 "a>p a>q p>d q>d"), (_COUNTED,)),
    Dynamic(flow("subflow-that-fails", subflow("p", "broken-child"), "a>p p>d"), (_BROKEN,)),
    Dynamic(flow("subflow-not-taken", subflow("p", "counted"), EdgeDefinition("a", "p", condition=NEVER),
                 "a>c p>d c>d"), (_COUNTED,)),
    Dynamic(flow("subflow-in-a-loop", node("b", "count"), subflow("p", "counted", outputs={"inner": "n"}),
                 loop("l", "n < 2"), "b>p p>l", again("l", "b"), leave("l", "d")), (_COUNTED,)),
    Dynamic(flow("subflow-in-a-subflow", subflow("p", "outer-child"), "a>p p>d"), (_OUTER, _COUNTED)),
    Dynamic(flow("subflow-with-a-loop", subflow("p", "looped-child", outputs={"inner": "n"}), "a>p p>d"), (_LOOPED,)),
)  # fmt: skip

DYNAMIC: Mapping[str, Dynamic] = {
    one.blueprint.id: one for one in (*(Dynamic(blueprint) for blueprint in _PLAIN), *_WITH_SUBFLOWS)
}
"""Blueprint id -> the blueprint and its subflows."""


def random_dynamic(dice: random.Random) -> Dynamic:
    """One to three of these shapes in a row, some of them beside a plain node; each small enough to try every order."""
    parts: list[NodeDefinition | EdgeDefinition | str] = [node("a", "put", set={"k": [2, 1]})]
    children: dict[str, WorkflowBlueprint] = {}
    last = "a"
    for number in range(dice.randint(1, 3)):
        first, end, drawn = _random_part(dice, f"n{number}", children)
        join = f"j{number}"
        parts += [*drawn, EdgeDefinition(last, first, transform=dice.choice((None, "{'of': input}")))]
        if dice.random() < 0.3:
            parts.append(f"{last}>{join} {end}>{join}")
            end = join
        last = end
    parts.append(f"{last}>z")
    return Dynamic(flow("random-dynamic", *parts), tuple(children.values()))


def _random_part(
    dice: random.Random, name: str, children: dict[str, WorkflowBlueprint]
) -> tuple[str, str, list[NodeDefinition | EdgeDefinition | str]]:
    """The first node, the last one, and all there is between them."""
    kind = dice.choice(("loop", "loop", "batch", "subflow", "sleep", "added"))
    if kind == "loop":
        return _random_loop(dice, name, children)
    if kind == "batch":
        return name, f"{name}_gather", list(batch(name, "k", chunk=dice.choice((None, 1)), key=f"{name}-all"))
    if kind == "subflow":
        child = dice.choice((_COUNTED, _DIAMOND, _LOOPED))
        children[child.id] = child
        return name, name, [subflow(name, child.id, outputs={f"{name}-x": "x"})]
    if kind == "sleep":
        return name, name, [sleep(name, dice.choice(("5s", "1d", 0)))]
    return name, name, [node(name, "add", nodes=[node(f"{name}-added").to_dict()])]


def _random_loop(
    dice: random.Random, name: str, children: dict[str, WorkflowBlueprint]
) -> tuple[str, str, list[NodeDefinition | EdgeDefinition | str]]:
    """A loop of two iterations that asks before or after each; its body counts, and does one thing more."""
    body, controller, end = f"{name}b", f"{name}l", f"{name}e"
    parts: list[NodeDefinition | EdgeDefinition | str] = [
        node(body, "count", key=f"{name}_n"),
        loop(controller, f"{name}_n < {2 if len(name) < _DEEP else 1}"),
    ]
    last = body
    if dice.random() < 0.5:
        first, last, drawn = _random_part(dice, f"{name}i", children)
        parts += [*drawn, f"{body}>{first}"]
    parts += [f"{last}>{controller}", again(controller, body), leave(controller, end)]
    if dice.random() < 0.5:
        return body, end, parts
    start = f"{name}s"
    parts += [node(start, "put", set={f"{name}_n": 0}), f"{start}>{controller}"]
    return start, end, parts
