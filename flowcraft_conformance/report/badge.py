"""A badge for a README: as an endpoint that shields.io reads, or drawn as SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from flowcraft_conformance.report.html.markup import tag
from flowcraft_conformance.report.wording import REPORT, TITLES

_LABEL = "flowcraft"
_COLOURS: Mapping[str, tuple[str, str]] = {
    "conformant": ("brightgreen", "#1f7a35"),
    "not-conformant": ("red", "#b3151f"),
    "inconclusive": ("yellow", "#8a5a00"),
}
"""Verdict -> the colour's name for shields.io, and one on which white text can be read."""
_CHARACTER = 6.6
_PADDING = 12


def badge_json(report: REPORT) -> str:
    """The endpoint for shields.io, schema version 1."""
    colour, _ = _COLOURS[report["verdict"]]
    endpoint = {"schemaVersion": 1, "label": _LABEL, "message": TITLES[report["verdict"]].lower(), "color": colour}
    return json.dumps(endpoint, indent=2) + "\n"


def badge_svg(report: REPORT) -> str:
    """The badge as a picture of its own."""
    message = TITLES[report["verdict"]].lower()
    left, right = (round(len(text) * _CHARACTER) + _PADDING for text in (_LABEL, message))
    _, colour = _COLOURS[report["verdict"]]
    words = f"{_LABEL}: {message}"
    svg = tag(
        "svg",
        tag("title", words),
        tag("rect", width=left + right, height=20, rx=3, fill="#444"),
        tag("rect", x=left, width=right, height=20, rx=3, fill=colour),
        tag("rect", x=left, width=6, height=20, fill=colour),
        tag(
            "g",
            tag("text", _LABEL, x=left / 2, y=14),
            tag("text", message, x=left + right / 2, y=14),
            fill="#fff",
            text_anchor="middle",
            font_family="Verdana,DejaVu Sans,sans-serif",
            font_size=11,
        ),
        xmlns="http://www.w3.org/2000/svg",
        width=left + right,
        height=20,
        role="img",
        aria_label=words,
    )
    return f"{svg}\n"


WRITERS: Mapping[str, Callable[[REPORT], str]] = {".json": badge_json, ".svg": badge_svg}
"""Suffix -> what makes the badge."""
