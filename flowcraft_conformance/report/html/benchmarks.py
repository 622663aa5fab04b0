"""The benchmarks of a report: tables of their figures with a bar a measurement, and the plot where there is one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowcraft_conformance.report.html.markup import Child, Markup, tag

Entry = Mapping[str, Any]

_BAR_WIDTH = 120
_TITLES = {"patch": "Patches", "store": "The store", "run": "Workflows", "scaling": "Growth"}
_NOT_SHOWN = ("benchmark", "id", "svg")


def benchmarks_section(benchmarks: Sequence[Entry], plot: str | None) -> Markup | None:
    """The section, or None where nothing was measured; ``plot``: an SVG of all figures."""
    if not benchmarks:
        return None
    measured = [entry for entry in benchmarks if isinstance(entry.get("seconds"), Mapping)]
    others = [entry for entry in benchmarks if entry not in measured]
    tables = dict.fromkeys((entry.get("benchmark", ""), entry.get("experiment", "")) for entry in measured)
    plots = [plot, *(entry.get("svg") for entry in benchmarks)]
    return tag(
        "section",
        tag("h2", "Benchmarks"),
        tag("p", "Times say something about this machine at that moment only; ratios and bytes say more."),
        [_plot(one) for one in dict.fromkeys(plots)],
        [_experiment(name, [entry for entry in measured if _belongs(entry, name)]) for name in tables],
        [_other(entry) for entry in others],
        id="benchmarks",
    )


def _belongs(entry: Entry, name: tuple[str, str]) -> bool:
    return (entry.get("benchmark", ""), entry.get("experiment", "")) == name


def _experiment(name: tuple[str, str], entries: Sequence[Entry]) -> Markup:
    """One row a measurement; the bars of one group have one scale."""
    benchmark, experiment = name
    title = f"{_TITLES.get(benchmark, benchmark)} by {experiment}" if experiment else _TITLES.get(benchmark, benchmark)
    longest: dict[str, float] = {}
    for entry in entries:
        group = str(entry.get("group", ""))
        longest[group] = max(longest.get(group, 0.0), entry["seconds"]["median"])
    columns = {heading: shown for heading, shown in _COLUMNS.items() if any(shown(entry) for entry in entries)}
    head = [
        tag("th", "Group", scope="col"),
        tag("th", "Variant", scope="col"),
        tag("th", "Median", scope="col", class_="number"),
        tag("td"),
        [tag("th", heading, scope="col", class_="number") for heading in columns],
    ]
    body = [
        tag(
            "tr",
            tag("th", str(entry.get("group", entry.get("id", ""))), scope="row"),
            tag("td", str(entry.get("variant", ""))),
            tag("td", _time(entry["seconds"]["median"]), class_="number"),
            tag("td", _bar(entry["seconds"]["median"], longest[str(entry.get("group", ""))])),
            [tag("td", shown(entry), class_="number") for shown in columns.values()],
        )
        for entry in entries
    ]
    table = tag("table", tag("caption", title), tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", table, class_="drawing", tabindex=0, role="group", aria_label=f"Table: {title}")


def _middle_half(entry: Entry) -> str:
    seconds = entry["seconds"]
    return f"{_time(seconds['q1'])} – {_time(seconds['q3'])}" if {"q1", "q3"} <= set(seconds) else ""


def _times_as_fast(entry: Entry) -> str:
    compared = entry.get("speed_to") or {}
    return ", ".join(f"{name} {spread['median']:.3g}" for name, spread in compared.items())


def _bar(value: float, longest: float) -> Markup:
    width = _BAR_WIDTH * value / longest if longest else 0.0
    rect = tag("rect", width=max(width, 1.0), height=10, rx=2)
    return tag("svg", rect, class_="amount", width=_BAR_WIDTH, height=10, aria_hidden="true")


def _other(entry: Entry) -> Markup:
    """What is no measurement of times: a fit, what was withheld and why."""
    title = str(entry.get("id") or entry.get("name") or entry.get("benchmark") or "benchmark")
    facts: list[Child] = []
    tables: list[Child] = []
    for name, value in entry.items():
        if name in _NOT_SHOWN or value in ("", None, [], {}):
            continue
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
            tables.append(_rows(_words(name), value))
        else:
            facts.append([tag("dt", _words(name)), tag("dd", _shown(value))])
    return tag("div", tag("h3", title), tag("dl", facts) if facts else None, tables, class_="benchmark")


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    names = dict.fromkeys(name for row in rows for name in row)
    head = tag("tr", [tag("th", _words(name), scope="col") for name in names])
    body = [tag("tr", [tag("td", _shown(row.get(name)), class_="number") for name in names]) for row in rows]
    table = tag("table", tag("caption", title), tag("thead", head), tag("tbody", body))
    return tag("div", table, class_="drawing", tabindex=0, role="group", aria_label=f"Table: {title}")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(name))} {_shown(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if isinstance(value, int) or value >= 1000 else f"{value:.3g}"


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _bytes(count: Any) -> str:
    return "" if count is None else f"{count:,} B"


_COLUMNS: Mapping[str, Callable[[Entry], str]] = {
    "Middle half": _middle_half,
    "Per second": lambda entry: _number(entry.get("operations_per_second")),
    "Sent": lambda entry: _bytes(entry.get("bytes_sent")),
    "Received": lambda entry: _bytes(entry.get("bytes_received")),
    "Times as fast as": _times_as_fast,
}
"""Columns that are there where an entry has something to say in them."""


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plot(plot: object) -> Markup | None:
    """As an image: nothing in a plot can reach the page around it."""
    if not isinstance(plot, str) or "<svg" not in plot:
        return None
    data = base64.b64encode(plot.encode("utf-8", "replace")).decode("ascii")
    shown = tag(
        "img", src=f"data:image/svg+xml;base64,{data}", alt="Plot of the benchmarks; the tables have its figures"
    )
    return tag(
        "figure", tag("div", shown, class_="drawing", tabindex=0, role="group", aria_label="Plot"), class_="plot"
    )
