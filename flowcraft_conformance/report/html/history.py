"""A concurrent history: one lane a client, one bar a call, the calls that no order explains marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from flowcraft_conformance.report.html.lanes import Bar, Lane, draw_lanes
from flowcraft_conformance.report.html.markup import Markup, join, tag

MARK = "✗"


def draw_history(details: Mapping[str, Any], key: str) -> Markup:
    """The drawing, and the calls as a list: it says the same in words."""
    calls: Sequence[Mapping[str, Any]] = details["calls"]
    marked = [str(number) for number, call in enumerate(calls, 1) if call["marked"]]
    clients = len({call["client"] for call in calls})
    said = f"{len(calls)} calls of {clients} clients; marked: {', '.join(marked) or 'none'}. "
    drawn = draw_lanes(
        _lanes(calls), name="Time line of the calls", description=said + "The list below has them all.", key=key
    )
    unit = details.get("unit", "seconds")
    return tag(
        "figure",
        drawn if _concurrent(calls) else None,
        tag("figcaption", _caption(unit, bool(marked), _concurrent(calls))),
        tag("ol", [_call(call, unit) for call in calls], class_="calls"),
    )


def _concurrent(calls: Sequence[Mapping[str, Any]]) -> bool:
    """Whether calls of different clients overlap: what follows each other is told by the list."""
    return any(
        one["client"] != other["client"]
        and one["start"] <= other["start"]
        and (one["end"] is None or other["start"] < one["end"])
        for one, other in permutations(calls, 2)
    )


def _caption(unit: str, marked: bool, concurrent: bool) -> Markup:
    words = []
    if concurrent:
        words.append(
            "Bars overlap where the calls did. The places are the order in which calls began and ended; the "
            + ("times are in the list. " if unit == "seconds" else "list has the steps. ")
        )
    return join(*words, f"{MARK} marks what contradicts the rest." if marked else None)


def _lanes(calls: Sequence[Mapping[str, Any]]) -> list[Lane]:
    places = _places(calls)
    tracks: dict[int, list[list[Bar]]] = {}
    for number, (call, (start, end)) in enumerate(zip(calls, places, strict=True), 1):
        label = f"{number}{MARK}" if call["marked"] else str(number)
        title = f"{number}. client {call['client']}: {call['call']} {call['output']}"
        bar = Bar(start, end, label, title, marked=call["marked"], open_ended=call["end"] is None)
        _track_for(bar, tracks.setdefault(call["client"], [])).append(bar)
    return [
        Lane(f"client {client}" + (", at the same time" if number else ""), bars)
        for client, of_client in sorted(tracks.items())
        for number, bars in enumerate(of_client)
    ]


def _track_for(bar: Bar, tracks: list[list[Bar]]) -> list[Bar]:
    """The first of a client's tracks that is free: beside a call that never returned the client makes others."""
    free = next((track for track in tracks if track[-1].end <= bar.start), None)
    if free is None:
        free = []
        tracks.append(free)
    return free


def _places(calls: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The place of each beginning and end among all of them: a short call is as easy to see as a long one."""
    begins, ends = 1, 0  # at one moment calls end before others begin, but no call before it began
    events: list[tuple[float, int, int, int]] = []
    for number, call in enumerate(calls):
        momentary = call["end"] == call["start"]
        events.append((call["start"], begins, number, 0))
        if call["end"] is not None:
            events.append((call["end"], begins if momentary else ends, number, 1))
    found: dict[tuple[int, int], int] = {
        (number, what): place for place, (_, _, number, what) in enumerate(sorted(events))
    }
    return [(found[number, 0], found.get((number, 1), len(events))) for number in range(len(calls))]


def _call(call: Mapping[str, Any], unit: str) -> Markup:
    return tag(
        "li",
        tag("span", f"client {call['client']}", class_="who"),
        " ",
        tag("code", call["call"]),
        " ",
        tag("code", call["output"], class_="outcome"),
        " ",
        tag("span", _when(call, unit), class_="when"),
        tag("strong", f" {MARK} contradicts the rest", class_="mark") if call["marked"] else None,
        class_="marked" if call["marked"] else None,
    )


def _when(call: Mapping[str, Any], unit: str) -> str:
    if unit == "steps":
        end = "" if call["end"] is None else f"–{call['end']:g}"
        return f"steps {call['start']:g}{end}"
    if call["end"] is None:
        return f"from {_time(call['start'])}"
    if call["end"] == call["start"]:
        return f"at {_time(call['start'])}"
    return f"{_time(call['start'])} – {_time(call['end'])}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3f} s"
