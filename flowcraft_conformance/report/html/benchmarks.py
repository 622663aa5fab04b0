"""The benchmarks of a report: a table of their figures, and the plot where there is one."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance.report.html.markup import Markup, tag

_TITLE = ("title", "name", "id")
_PLOT = "svg"


def benchmarks_section(benchmarks: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The section, or None where nothing was measured. What an entry has besides its title and plot are its figures."""
    if not benchmarks:
        return None
    plain = [entry for entry in benchmarks if not any(isinstance(value, list | dict) for value in entry.values())]
    others = [entry for entry in benchmarks if entry not in plain]
    return tag(
        "section",
        tag("h2", "Benchmarks"),
        _table(plain) if plain else None,
        [_plot(entry) for entry in plain],
        [_entry(entry) for entry in others],
        id="benchmarks",
    )


def _title(entry: Mapping[str, Any]) -> str:
    return next((str(entry[key]) for key in _TITLE if key in entry), "benchmark")


def _table(entries: Sequence[Mapping[str, Any]]) -> Markup:
    """One row an entry, one column a figure."""
    used = [next((key for key in _TITLE if key in entry), "") for entry in entries]
    names = dict.fromkeys(
        key for entry, title in zip(entries, used, strict=True) for key in entry if key not in (title, _PLOT)
    )
    head = tag("tr", tag("th", "Benchmark", scope="col"), [tag("th", _words(name), scope="col") for name in names])
    rows = [
        tag("tr", tag("th", _title(entry), scope="row"), [_cell(entry.get(name)) for name in names])
        for entry in entries
    ]
    table = tag("table", tag("thead", head), tag("tbody", rows))
    return tag("div", table, class_="drawing", tabindex=0, role="group", aria_label="Table of the benchmarks")


def _entry(entry: Mapping[str, Any]) -> Markup:
    """An entry that has rows or groups of figures in it: a table of its own."""
    parts: list[Markup | None] = [tag("h3", _title(entry))]
    alone = {key: value for key, value in entry.items() if not isinstance(value, list | dict) and key != _PLOT}
    facts = {key: value for key, value in alone.items() if key not in _TITLE}
    if facts:
        parts.append(_facts(facts))
    for key, value in entry.items():
        if isinstance(value, dict):
            parts += [tag("h4", _words(key)), _facts(value)]
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            parts += [tag("h4", _words(key)), _table(value)]
        elif isinstance(value, list):
            parts.append(tag("p", f"{_words(key)}: {', '.join(map(_shown, value))}"))
    return tag("div", parts, _plot(entry), class_="benchmark")


def _facts(facts: Mapping[str, Any]) -> Markup:
    return tag("dl", [[tag("dt", _words(key)), tag("dd", _shown(value))] for key, value in facts.items()])


def _cell(value: Any) -> Markup:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return tag("td", _shown(value), class_="number" if number else None)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plot(entry: Mapping[str, Any]) -> Markup | None:
    """As an image: what stands in a plot cannot reach the page around it."""
    plot = entry.get(_PLOT)
    if not isinstance(plot, str) or "<svg" not in plot:
        return None
    data = base64.b64encode(plot.encode("utf-8", "replace")).decode("ascii")
    shown = tag(
        "img", src=f"data:image/svg+xml;base64,{data}", alt=f"Plot of {_title(entry)}; the table has its figures"
    )
    return tag("figure", shown, tag("figcaption", _title(entry)), class_="plot")
