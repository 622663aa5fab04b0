"""A workflow that ran: the graph with how often each node ran, and the deliveries of its jobs, one lane a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from flowcraft_conformance.report.html.graph_layout import rows_of
from flowcraft_conformance.report.html.history import MARK
from flowcraft_conformance.report.html.lanes import Bar, Lane, draw_lanes
from flowcraft_conformance.report.html.markup import Markup, join, tag

_NODE_WIDTH, _NODE_HEIGHT = 128, 52
_GAP, _ROW_GAP = 20, 46
_BEND = 28
_LONGEST_NAME = 15
_MOST_DRAWN = 40
_MOST_DIFFERENCES = 20


def draw_workflow(workflow: Mapping[str, Any], key: str) -> Markup:
    """Graph, deliveries, and what was done to the run."""
    nodes, left_out = workflow["nodes"], workflow.get("left_out", 0)
    small = 0 < len(nodes) <= _MOST_DRAWN and not left_out
    return tag(
        "figure",
        _outcome(workflow["got"], workflow["expected"]),
        _differences(workflow.get("differences", ())),
        _events(workflow["events"]),
        _graph(workflow, key)
        if small
        else tag("p", f"A graph of {len(nodes) + left_out} nodes, too large to be drawn."),
        tag("figcaption", "Each node with how often it ran and on which workers; dashed nodes never ran."),
        _deliveries(workflow, key),
    )


def _outcome(got: str, expected: str) -> Markup:
    """What came of it beside what was to come of it, with the first difference marked in both."""
    alike = got.partition("{")[0] == expected.partition("{")[0]  # else letters that both share mean nothing
    same = _alike_at_start(got, expected) if alike else len(got) + len(expected)
    rest = _alike_at_start(got[same:][::-1], expected[same:][::-1])

    def shown(value: str) -> Markup:
        end = len(value) - rest
        return tag("dd", value[:same], tag("mark", value[same:end]) if end > same else None, value[end:])

    wanted = [tag("dt", "Expected"), shown(expected)] if expected else []
    return tag("dl", tag("dt", "Got"), shown(got), wanted)


def _differences(differences: Sequence[str]) -> Markup | None:
    """The places where two states differ."""
    if not differences:
        return None
    return tag("ul", [tag("li", tag("code", one)) for one in differences[:_MOST_DIFFERENCES]], class_="differences")


def _alike_at_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _graph(workflow: Mapping[str, Any], key: str) -> Markup:
    nodes: Mapping[str, Mapping[str, Any]] = {node["id"]: node for node in workflow["nodes"]}
    rows = rows_of(list(nodes), workflow["edges"])
    widest = max(len(row) for row in rows)
    width = widest * _NODE_WIDTH + (widest - 1) * _GAP + 8
    height = len(rows) * _NODE_HEIGHT + (len(rows) - 1) * _ROW_GAP + 8
    places = {name: place for number, row in enumerate(rows) for name, place in _places(row, number, width)}
    said = "; ".join(f"{edge['source']} to {edge['target']}" for edge in workflow["edges"]) or "no edges"
    svg = tag(
        "svg",
        tag("title", "Graph of the workflow", id=f"{key}-graph-title"),
        tag("desc", f"Edges: {said}. " + "; ".join(_ran(name, workflow) for name in nodes), id=f"{key}-graph-desc"),
        tag("defs", tag("marker", tag("path", d="M0,0 L8,4 L0,8 z"), id=f"{key}-arrow", class_="arrow", markerWidth=8,
                        markerHeight=8, refX=8, refY=4, orient="auto")),
        [_edge(edge, places, key) for edge in workflow["edges"]],
        [_node(node, places[name], workflow) for name, node in nodes.items()],
        class_="graph",
        role="img",
        aria_labelledby=f"{key}-graph-title {key}-graph-desc",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )  # fmt: skip
    return tag("div", svg, class_="drawing", tabindex=0, role="group", aria_label="Graph of the workflow")


def _places(row: Sequence[str], number: int, width: float) -> list[tuple[str, tuple[float, float]]]:
    """The middle of the upper side of each node of a row."""
    taken = len(row) * _NODE_WIDTH + (len(row) - 1) * _GAP
    left = (width - taken) / 2 + _NODE_WIDTH / 2
    top = 4 + number * (_NODE_HEIGHT + _ROW_GAP)
    return [(name, (left + index * (_NODE_WIDTH + _GAP), top)) for index, name in enumerate(row)]


def _point(place: tuple[float, float]) -> str:
    return f"{place[0]:.1f},{place[1]:.1f}"


def _edge(edge: Mapping[str, Any], places: Mapping[str, tuple[float, float]], key: str) -> Markup:
    (x1, y1), (x2, y2) = places[edge["source"]], places[edge["target"]]
    if y2 > y1:
        start, end = (x1, y1 + _NODE_HEIGHT), (x2, y2)
        bends = (x1, start[1] + _BEND), (x2, y2 - _BEND)
    else:  # back to an earlier node: around the left side
        side, middle = _NODE_WIDTH / 2, _NODE_HEIGHT / 2
        start, end = (x1 - side, y1 + middle), (x2 - side, y2 + middle)
        bends = (start[0] - _BEND, start[1]), (end[0] - _BEND, end[1])
    path = f"M{_point(start)} C{' '.join(map(_point, bends))} {_point(end)}"
    label = edge["label"]
    return tag(
        "g",
        tag("title", f"{edge['source']} to {edge['target']}" + (f": {label}" if label else "")),
        tag("path", d=path, marker_end=f"url(#{key}-arrow)"),
        tag(
            "text",
            _cut(label, 20),
            x=start[0] * 0.15 + end[0] * 0.85,
            y=(start[1] + end[1]) / 2 + 5,
            text_anchor="middle",
        )
        if label
        else None,
        class_="edge",
    )


def _node(node: Mapping[str, Any], place: tuple[float, float], workflow: Mapping[str, Any]) -> Markup:
    x, y = place
    name = node["id"]
    times = sum(one["node"] == name for one in workflow["executions"])
    kind = "node" + ("" if times else " never") + (" again" if times > 1 else "")
    notes = [
        word for word in (node.get("uses"), "any" if node.get("join") == "any" else None) if word and word != "echo"
    ]
    return tag(
        "g",
        tag("title", _ran(name, workflow)),
        tag("rect", x=x - _NODE_WIDTH / 2, y=y, width=_NODE_WIDTH, height=_NODE_HEIGHT, rx=8),
        tag(
            "text",
            tag("tspan", _cut(name, _LONGEST_NAME), class_="name"),
            tag("tspan", f" {_cut(', '.join(notes), 12)}", class_="note") if notes else None,
            x=x,
            y=y + 22,
            text_anchor="middle",
        ),
        tag("text", _cut(_ran_short(name, workflow), 20), x=x, y=y + 41, text_anchor="middle", class_="ran"),
        class_=kind,
    )


def _ran_short(name: str, workflow: Mapping[str, Any]) -> str:
    ran = [one for one in workflow["executions"] if one["node"] == name]
    if not ran:
        return "never ran"
    workers = ", ".join(dict.fromkeys(f"w{one['worker']}" for one in ran if one["worker"] is not None))
    return (f"ran {len(ran)}×" if len(ran) > 1 else "ran") + (f" on {workers}" if workers else "")


def _ran(name: str, workflow: Mapping[str, Any]) -> str:
    ran = [one for one in workflow["executions"] if one["node"] == name]
    if not ran:
        return f"{name} never ran"
    told = ", ".join(f"by worker {one['worker']} in delivery {one['delivery']}" for one in ran)
    return f"{name} ran {told}"


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def _deliveries(workflow: Mapping[str, Any], key: str) -> Markup:
    deliveries: Sequence[Mapping[str, Any]] = workflow["deliveries"]
    if not deliveries:
        return join()
    struck = {event["delivery"] for event in workflow["events"]}
    lanes: dict[int, list[Bar]] = {}
    for place, one in enumerate(deliveries):
        hit = one["number"] in struck or one["outcome"] == "crashed"
        label = _cut(f"{one['node']}{MARK}" if hit else one["node"], 5)
        title = f"delivery {one['number']}: job {one['node']}, {one['outcome']}"
        lanes.setdefault(one["worker"], []).append(Bar(2 * place, 2 * place + 2, label, title, marked=hit))
    drawn = draw_lanes(
        [Lane(f"worker {worker}", bars) for worker, bars in sorted(lanes.items())],
        name="Deliveries by worker",
        description="Jobs in the order in which they were delivered; the list below has them all.",
        key=f"{key}-jobs",
    )
    caption = tag(
        "p", f"Jobs in the order of their delivery; {MARK} marks those that something was done to.", class_="note"
    )
    return join(
        drawn,
        caption,
        tag(
            "ol",
            [_delivery(group, workflow, struck) for group in _together(deliveries, struck)],
            class_="calls",
            start=0,
        ),
    )


def _together(deliveries: Sequence[Mapping[str, Any]], struck: set[int | None]) -> Iterator[list[Mapping[str, Any]]]:
    """Deliveries of one job that follow each other and were all put back: told once."""
    group: list[Mapping[str, Any]] = []
    for one in deliveries:
        again = group and one["node"] == group[-1]["node"] and one["outcome"] == group[-1]["outcome"] == "deferred"
        if group and not (again and not {one["number"], group[-1]["number"]} & struck):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _delivery(group: Sequence[Mapping[str, Any]], workflow: Mapping[str, Any], struck: set[int | None]) -> Markup:
    one = group[0]
    ran = [execution["node"] for execution in workflow["executions"] if execution["delivery"] == one["number"]]
    hit = one["number"] in struck
    workers = ", ".join(dict.fromkeys(str(delivery["worker"]) for delivery in group))
    return tag(
        "li",
        tag("span", f"worker {workers}", class_="who"),
        " job ",
        tag("code", one["node"]),
        f": ran {', '.join(ran)}; " if ran else ": ",
        tag("span", one["outcome"], class_="outcome"),
        f", and {len(group) - 1} times more up to delivery {group[-1]['number']}" if len(group) > 1 else None,
        tag("strong", f" {MARK} here", class_="mark") if hit else None,
        value=one["number"],
        class_="marked" if hit else None,
    )


def _events(events: Sequence[Mapping[str, Any]]) -> Markup:
    if not events:
        return tag("p", "Nothing was done to this run.", class_="note")
    return join(
        tag("p", "What was done to the run:", class_="note"), tag("ul", [tag("li", event["text"]) for event in events])
    )
