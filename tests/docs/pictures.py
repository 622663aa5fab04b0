"""Draws the pictures of ``docs/how_it_checks.md`` by the kit's own reports: ``python -m tests.docs.pictures``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from flowcraft_conformance.checking.blueprints import EXAMPLES
from flowcraft_conformance.harness.captured.details import details_of_run
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.report.html.history import draw_history
from flowcraft_conformance.report.html.workflow import draw_workflow
from tests.mutants.adapters import MarksThenCounts, harness_of

IMAGES = Path(__file__).parents[2] / "docs" / "images"
_WIDTH = 640
_CALLS = [
    {"client": 1, "call": "increment('n', 600)", "output": "-> 1", "start": 0.0, "end": 3.0, "marked": True},
    {"client": 2, "call": "increment('n', 600)", "output": "-> 1", "start": 1.0, "end": 4.0, "marked": True},
    {"client": 1, "call": "increment('n', 600)", "output": "-> 2", "start": 5.0, "end": 6.0, "marked": False},
]


def pictures() -> Mapping[str, str]:
    """Name of each picture's file -> the picture."""
    return {
        "history.svg": _picture(str(draw_history({"calls": _CALLS}, "history"))),
        "workflow.svg": _picture(str(draw_workflow(asyncio.run(_broken_run()), "workflow"))),
    }


async def _broken_run() -> Mapping[str, object]:
    """The run that shows a mistake in a join: always the same, as the enumeration of plans knows no chance."""
    search = Captured(harness_of(MarksThenCounts)("picture")).search
    found = await search(Scenario(EXAMPLES["diamond"], kit_registry), seconds=60, most_plans=600, seed=0)
    assert found.problem is not None
    workflow: Mapping[str, object] = details_of_run(found.problem)["workflow"]
    return workflow


def _picture(figure: str) -> str:
    """The drawings of a figure below each other, in a file that needs no other."""
    top, parts = 12, []
    for drawing in re.findall(r"<svg.*?</svg>", figure, re.DOTALL):
        height = re.search(r'height="(\d+)', drawing)
        assert height is not None
        unbound = re.sub(r' style="min-width[^"]*"', "", drawing)
        parts.append(f'<svg x="12" y="{top}" width="{_WIDTH - 24}" height="{height[1]}">{unbound}</svg>')
        top += int(height[1]) + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}">'
        f"<style>{_style()}</style>"
        f'<rect width="100%" height="100%" style="fill:var(--page)"/>{"".join(parts)}</svg>\n'
    )


def _style() -> str:
    """What the reports' style says about colours and drawings."""
    css = files("flowcraft_conformance.report.html").joinpath("style.css").read_text(encoding="utf-8")
    colours = re.search(r":root \{.*?\}\s*@media \(prefers-color-scheme: dark\) \{.*?\}\s*\}", css, re.DOTALL)
    assert colours is not None
    drawn = [line for line in css.splitlines() if re.match(r"svg|\.lane|\.bar|g\.bar|\.node|\.edge|\.arrow", line)]
    return "\n".join([colours[0], *drawn])


if __name__ == "__main__":
    for name, drawn in pictures().items():
        (IMAGES / name).write_text(drawn, encoding="utf-8")
