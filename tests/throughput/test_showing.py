"""Table, plot and merged reports say what the entries hold, and nothing where there is nothing."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flowcraft_conformance.benchmarks.entries import withheld_entry
from flowcraft_conformance.benchmarks.merge import MergeError, main, merge_reports
from flowcraft_conformance.benchmarks.plot import Plotted, draw
from flowcraft_conformance.benchmarks.states import Case
from flowcraft_conformance.benchmarks.table import headline, table_lines
from tests.throughput.synthetic import SIZES, benchmarks_of, costed, items, plan_of

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    """The entries of a context on which a patch takes 1 ms and a full write of 1 MB takes 11 ms."""
    factory, clock = costed(lambda patch, _state: 1e-3 + patch * 1e-8)
    with benchmarks_of(factory, clock, plan_of(*map(Case, SIZES))) as benchmarks:
        benchmarks.outcome(items()[0])
        return list(benchmarks.entries())


def test_the_throughput_line_names_size_speed_ratio_and_growth(entries: list[dict[str, Any]]) -> None:
    line = headline(entries)
    assert line.startswith("patch of 1 KB in 1 MB of state: 990/s, 990 MB/s of state, 10.9 x the full write")
    assert line.endswith("; flat")


def test_what_was_not_measured_stands_below_the_table_with_its_reason(entries: list[dict[str, Any]]) -> None:
    lines = list(table_lines(entries))
    assert any(line.startswith("1 MB ") and " 990 " in line for line in lines)
    assert any("growth" not in line and "grows: flat (slope 0.00" in line for line in lines)
    assert lines[-1] == (
        "not measured (the target gives no bare patch to compare with): 1 KB bare, 10 KB bare, 100 KB bare, 1 MB bare"
    )


def test_a_withheld_part_has_no_figure() -> None:
    lines = list(table_lines([withheld_entry("patch", "PATCH-ATOM-01 is broken")]))
    assert lines == ["no throughput line for patches: PATCH-ATOM-01 is broken"]
    assert headline([withheld_entry("patch", "PATCH-ATOM-01 is broken")]) == (
        "no throughput line: PATCH-ATOM-01 is broken"
    )


def points(svg: str, curve: int) -> list[tuple[float, float]]:
    lines = list(ET.fromstring(svg).iter(f"{_SVG}polyline"))
    return [tuple(map(float, pair.split(",")))[:2] for pair in lines[curve].attrib["points"].split()]  # type: ignore[misc]


def test_the_plot_shows_each_variant_at_its_place_on_logarithmic_axes(entries: list[dict[str, Any]]) -> None:
    svg = draw([Plotted("mine <1>", entries)])
    assert svg is not None
    patch, full = points(svg, 0), points(svg, 1)
    assert len(patch) == len(full) == len(SIZES)
    across = [x for x, _ in patch]
    steps = [later - sooner for sooner, later in pairwise(across)]
    assert max(steps) - min(steps) < 3  # every size is ten times the one before
    assert max(y for _, y in patch) - min(y for _, y in patch) < 1  # flat
    decade = (full[-1][1] - patch[-1][1]) / math.log10(10.9)
    ticks = [float(line.attrib["y1"]) for line in ET.fromstring(svg).iter(f"{_SVG}line") if "x1" in line.attrib
             and line.attrib.get("class") == "rule" and line.attrib["y1"] == line.attrib["y2"]]  # fmt: skip
    assert abs(decade) == pytest.approx(abs(ticks[1] - ticks[0]), rel=0.02)
    assert "mine &lt;1&gt;" in svg


def test_the_plot_has_colours_for_light_and_dark_pages(entries: list[dict[str, Any]]) -> None:
    svg = draw([Plotted(f"t{number}", entries) for number in range(8)])
    assert svg is not None
    assert "prefers-color-scheme: dark" in svg
    light, dark = svg.split("@media", 1)
    for name in ("--page", "--ink", "--c7"):
        assert light.count(f"{name}:") == dark.count(f"{name}:") == 1


def test_nothing_measured_is_no_plot() -> None:
    assert draw([Plotted("mine", [withheld_entry("patch", "PATCH-EQ-01 is broken")])]) is None


def report(path: Path, spec: str, entries: Sequence[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"schema": 1, "target": {"kind": "context", "spec": spec}, "benchmarks": entries}))
    return path


def test_reports_merge_into_one_table_and_one_plot(
    entries: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = report(tmp_path / "one.json", "mine:Rows", entries)
    other = report(tmp_path / "other.json", "mine:Document", [withheld_entry("patch", "PATCH-EQ-01 is broken")])
    assert main([str(one), str(other), "--svg", str(tmp_path / "out.svg")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("mine:Rows: patch of 1 KB in 1 MB of state: 990/s")
    assert shown[1] == "mine:Document: no throughput line: PATCH-EQ-01 is broken"
    row = next(line for line in shown if line.startswith("state size: 1 MB, patch"))
    assert row.split()[-2:] == ["990", "-"]
    assert len(list(ET.parse(tmp_path / "out.svg").getroot().iter(f"{_SVG}polyline"))) == 2


def test_two_runs_of_one_target_are_told_apart_by_their_files(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    paths = [report(tmp_path / f"{name}.json", "mine:Rows", entries) for name in ("before", "after")]
    merged = merge_reports(paths)
    assert "mine:Rows (before)" in merged.table
    assert "mine:Rows (after)" in merged.table


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is no report of this kit"),
        ('{"schema": 2, "target": {"spec": "a:b"}, "benchmarks": []}', "is no report of this kit"),
        ('{"schema": 1, "target": {"spec": "a:b"}, "benchmarks": []}', "holds no benchmark: run pytest with"),
    ],
)
def test_a_file_that_is_no_report_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(MergeError, match=said):
        merge_reports([tmp_path / "wrong.json"])


def test_a_missing_file_ends_the_command_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be read" in capsys.readouterr().err
