"""Where the nodes of a workflow stand: in rows, each below all that it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any


def rows_of(nodes: Sequence[str], edges: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The rows from the top. An edge that closes a loop moves nothing."""
    depth = dict.fromkeys(nodes, 0)
    incoming: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in _forward(nodes, edges):
        incoming[edge[1]].append(edge[0])
    for name in _in_order(nodes, incoming):
        depth[name] = max((depth[source] + 1 for source in incoming[name]), default=0)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in nodes:
        rows[depth[name]].append(name)
    return _uncrossed(rows, incoming)


def _forward(nodes: Sequence[str], edges: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The edges without those that lead back to where they came from."""
    targets: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in edges:
        targets[edge["source"]].append(edge["target"])
    kept: list[tuple[str, str]] = []
    done: set[str] = set()
    for root in nodes:
        path: dict[str, None] = {}
        stack: list[tuple[str, int]] = [(root, 0)] if root not in done else []
        while stack:
            name, next_edge = stack.pop()
            path[name] = None
            if next_edge == len(targets[name]):
                del path[name]
                done.add(name)
                continue
            stack.append((name, next_edge + 1))
            target = targets[name][next_edge]
            if target not in path:
                kept.append((name, target))
                if target not in done:
                    stack.append((target, 0))
    return kept


def _in_order(nodes: Sequence[str], incoming: Mapping[str, Sequence[str]]) -> list[str]:
    ordered: dict[str, None] = {}
    waiting = list(nodes)
    while waiting:
        ready = [name for name in waiting if all(source in ordered for source in incoming[name])]
        ordered.update(dict.fromkeys(ready or waiting))
        waiting = [name for name in waiting if name not in ordered]
    return list(ordered)


def _uncrossed(rows: list[list[str]], incoming: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each row in the order of the middle of what its nodes wait for."""
    for above, row in pairwise(rows):
        place = {name: number - (len(above) - 1) / 2 for number, name in enumerate(above)}

        def middle(name: str, place: Mapping[str, float] = place) -> float:
            known = [place[source] for source in incoming[name] if source in place]
            return sum(known) / len(known) if known else 0.0

        row.sort(key=middle)
    return rows
