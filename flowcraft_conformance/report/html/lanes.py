"""Bars in lanes, as SVG: who did what side by side. Places are per cent, so that it fits a phone and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowcraft_conformance.report.html.markup import Markup, tag

_LANE_HEIGHT = 46
_BAR_HEIGHT = 20
_LABEL_HEIGHT = 16
_SLOT_WIDTH = 13
"""Pixels a place needs at least; a drawing that is wider than its page is scrolled."""

_WIDEST_SLOT = 110


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar from one place to another; ``open_ended``: nobody saw its end."""

    start: int
    end: int
    label: str
    title: str
    marked: bool = False
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """The bars of one client or worker; they do not overlap."""

    name: str
    bars: Sequence[Bar]


def draw_lanes(lanes: Sequence[Lane], *, name: str, description: str, key: str) -> Markup:
    """The drawing, with ``description`` as what a screen reader says. ``key`` is unique in the page."""
    places = max((bar.end for lane in lanes for bar in lane.bars), default=1)
    slots = max(places, 1)
    drawn = [_lane(lane, number, slots) for number, lane in enumerate(lanes)]
    height = len(lanes) * _LANE_HEIGHT + 4
    svg = tag(
        "svg",
        tag("title", name, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-desc"),
        drawn,
        class_="lanes",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        width="100%",
        height=height,
        style=f"min-width:{slots * _SLOT_WIDTH}px;max-width:{slots * _WIDEST_SLOT}px",
    )
    return tag("div", svg, class_="drawing", tabindex=0, role="group", aria_label=name)


def _lane(lane: Lane, number: int, slots: int) -> Markup:
    top = number * _LANE_HEIGHT
    middle = top + _LABEL_HEIGHT + _BAR_HEIGHT / 2 + 2
    return tag(
        "g",
        tag("text", lane.name, x=0, y=top + 12, class_="lane-name"),
        tag("line", x1="0", x2="100%", y1=middle, y2=middle, class_="lane-line"),
        [_bar(bar, top + _LABEL_HEIGHT + 2, slots) for bar in lane.bars],
    )


def _bar(bar: Bar, top: float, slots: int) -> Markup:
    left, width = 100 * bar.start / slots, 100 * max(bar.end - bar.start, 0.4) / slots
    kind = " ".join(["bar", *(["marked"] if bar.marked else []), *(["open"] if bar.open_ended else [])])
    return tag(
        "g",
        tag("title", bar.title),
        tag("rect", x=f"{left:.3f}%", width=f"{width:.3f}%", y=top, height=_BAR_HEIGHT, rx=3),
        tag("text", bar.label, x=f"{left + width / 2:.3f}%", y=top + 14.5, text_anchor="middle"),
        class_=kind,
    )
