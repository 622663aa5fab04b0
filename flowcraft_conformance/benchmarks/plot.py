"""Patch against full write by state size, drawn as plain SVG on two logarithmic axes, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 860, 520
_LEGEND_GAP = 18
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 64, 56
_LEGEND_LINE = 20

_COLOURS = (("#0b62c4", "#6cb2ff"), ("#b3470f", "#ff9c5e"), ("#177245", "#5ed09a"), ("#7a3aa8", "#cf9bff"),
            ("#8a6d00", "#e8c84a"), ("#a61e4d", "#ff8fb0"))  # fmt: skip
"""One a target: on a light page and on a dark one."""

_MARKS = {"patch": ("", "patch"), "full-write": ("7 5", "full write"), "bare": ("2 4", "bare client")}
"""Variant -> the dashes of its line, and its name."""


@dataclass(frozen=True, slots=True)
class Plotted:
    """One target: what it is called, and the entries of its report."""

    name: str
    entries: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Curve:
    target: int
    variant: str
    points: tuple[tuple[float, float, float, float], ...]
    """State bytes; seconds: median, quartiles."""


def draw(targets: Sequence[Plotted]) -> str | None:
    """The SVG; None where no target has a measured patch."""
    curves = [curve for number, target in enumerate(targets) for curve in _curves(number, target.entries)]
    if not curves:
        return None
    shown = sorted({curve.target for curve in curves})
    frame = _Frame.around(curves, _HEIGHT + _LEGEND_GAP + _LEGEND_LINE * len(shown))
    parts = [
        *_head(frame, len(targets)),
        *_grid(frame),
        *(part for curve in curves for part in _curve(frame, curve)),
        *_legend(targets, shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _curves(number: int, entries: Sequence[Mapping[str, Any]]) -> Iterator[_Curve]:
    for variant in _MARKS:
        points = sorted(
            (
                entry["parameters"]["state_bytes"],
                entry["seconds"]["median"],
                entry["seconds"]["q1"],
                entry["seconds"]["q3"],
            )
            for entry in entries
            if entry.get("experiment") == "state size"
            and entry.get("variant") == variant
            and entry["benchmark"] == "patch"
            and entry["status"] == "measured"
            and entry["seconds"]["q1"] > 0
        )
        if points:
            yield _Curve(number, variant, tuple(points))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a value lies in the picture."""

    low_x: float
    high_x: float
    low_y: int
    high_y: int
    height: int

    @classmethod
    def around(cls, curves: Iterable[_Curve], height: int) -> _Frame:
        """The whole decades of time, and the sizes with a little room."""
        points = [point for curve in curves for point in curve.points]
        sizes = [math.log10(point[0]) for point in points]
        seconds = [math.log10(value) for point in points for value in point[1:]]
        low_y, high_y = math.floor(min(seconds)), math.ceil(max(seconds))
        return cls(min(sizes) - 0.12, max(sizes) + 0.12, low_y, max(high_y, low_y + 1), height)

    @property
    def bottom(self) -> float:
        """Where the horizontal axis lies."""
        return _HEIGHT - _BOTTOM

    def x(self, size: float) -> float:
        """Pixels from the left."""
        share = (math.log10(size) - self.low_x) / (self.high_x - self.low_x)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, seconds: float) -> float:
        """Pixels from above."""
        share = (math.log10(seconds) - self.low_y) / (self.high_y - self.low_y)
        return round(self.bottom - share * (self.bottom - _TOP), 1)


def _head(frame: _Frame, targets: int) -> Iterator[str]:
    light = " ".join(f"--c{number}: {_COLOURS[number % len(_COLOURS)][0]};" for number in range(targets))
    dark = " ".join(f"--c{number}: {_COLOURS[number % len(_COLOURS)][1]};" for number in range(targets))
    title = "Time of one call by state size"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {frame.height}" width="{_WIDTH}" '
        f'height="{frame.height}" role="img" aria-label="{title}: patch against full write">'
    )
    yield f"""<style>
svg {{ --page: #ffffff; --ink: #1c2330; --soft: #5b6573; --rule: #dde2e8; {light} }}
@media (prefers-color-scheme: dark) {{
  svg {{ --page: #14181f; --ink: #e8ecf2; --soft: #a3adba; --rule: #323a46; {dark} }}
}}
text {{ font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }}
.soft {{ fill: var(--soft); }}
.title {{ font-size: 17px; font-weight: 600; }}
.rule {{ stroke: var(--rule); stroke-width: 1; }}
.curve {{ fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }}
</style>"""
    yield f'<rect width="{_WIDTH}" height="{frame.height}" fill="var(--page)"/>'
    yield f'<text class="title" x="{_LEFT}" y="28">{title}</text>'
    yield (
        f'<text class="soft" x="{_LEFT}" y="48">a patch of 1 KB against writing the whole state; '
        "median, bars for the middle half; both axes logarithmic</text>"
    )


def _grid(frame: _Frame) -> Iterator[str]:
    for power in range(frame.low_y, frame.high_y + 1):
        y = frame.y(10.0**power)
        yield f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="soft" x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{_time(power)}</text>'
    for power in range(math.ceil(frame.low_x), math.floor(frame.high_x) + 1):
        x = frame.x(10.0**power)
        yield f'<line class="rule" x1="{x}" x2="{x}" y1="{_TOP}" y2="{frame.bottom}"/>'
        yield f'<text class="soft" x="{x}" y="{frame.bottom + 20}" text-anchor="middle">{_size(power)}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle}" y="{frame.bottom + 42}" text-anchor="middle">size of the state</text>'


def _curve(frame: _Frame, curve: _Curve) -> Iterator[str]:
    dashes = _MARKS[curve.variant][0]
    colour = f"var(--c{curve.target})"
    line = " ".join(f"{frame.x(size)},{frame.y(median)}" for size, median, _, _ in curve.points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    yield f'<polyline class="curve" style="stroke: {colour}"{dashed} points="{line}"/>'
    for size, median, q1, q3 in curve.points:
        x = frame.x(size)
        yield (
            f'<line x1="{x}" x2="{x}" y1="{frame.y(q1)}" y2="{frame.y(q3)}" '
            f'style="stroke: {colour}; stroke-width: 5; opacity: 0.35"/>'
        )
        if curve.variant == "patch":
            yield f'<circle cx="{x}" cy="{frame.y(median)}" r="3.4" style="fill: {colour}"/>'


def _legend(targets: Sequence[Plotted], shown: Sequence[int]) -> Iterator[str]:
    for row, number in enumerate(shown):
        y = _HEIGHT + _LEGEND_GAP + row * _LEGEND_LINE
        variants = [curve.variant for curve in _curves(number, targets[number].entries)]
        for place, variant in enumerate(variants):
            dashes, name = _MARKS[variant]
            x = _LEFT + place * 128
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            yield (
                f'<line class="curve" x1="{x}" x2="{x + 28}" y1="{y - 4}" y2="{y - 4}" '
                f'style="stroke: var(--c{number})"{dashed}/>'
            )
            yield f'<text class="soft" x="{x + 36}" y="{y}">{name}</text>'
        yield f'<text x="{_LEFT + 3 * 128}" y="{y}">{escape(targets[number].name)}</text>'


def _time(power: int) -> str:
    for unit, lowest in (("s", 0), ("ms", -3), ("µs", -6)):
        if power >= lowest:
            return f"{10 ** (power - lowest)} {unit}"
    return f"{10 ** (power + 9)} ns" if power >= -9 else f"1e{power} s"


def _size(power: int) -> str:
    for unit, lowest in (("MB", 6), ("KB", 3)):
        if power >= lowest:
            return f"{10 ** (power - lowest)} {unit}"
    return f"{10**power} B"
