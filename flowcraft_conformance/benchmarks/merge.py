"""Several reports as one table and one plot: ``python -m flowcraft_conformance.benchmarks.merge A.json B.json``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.benchmarks.plot import Plotted, draw
from flowcraft_conformance.benchmarks.table import aligned, headline


class MergeError(ValueError):
    """A file is no report of this kit, or holds no benchmark; the text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Merged:
    """``table``: text for the terminal. ``svg``: the plot, None where no report has a patch by state size."""

    table: str
    svg: str | None


def merge_reports(paths: Sequence[Path]) -> Merged:
    """One table and one plot of the benchmarks in several JSON reports, in the order of the files.

    Raises:
        MergeError: a file cannot be read, is no JSON report of this kit, or holds no benchmark.
    """
    targets = [_read(path) for path in paths]
    names = _distinct([target.name for target in targets], paths)
    targets = [Plotted(name, target.entries) for name, target in zip(names, targets, strict=True)]
    lines = [*(f"{target.name}: {headline(target.entries)}" for target in targets), ""]
    for benchmark, title in _TITLES.items():
        rows = _rows(benchmark, targets)
        if rows:
            lines += [*aligned([(title, *(target.name for target in targets)), *rows]), ""]
    return Merged("\n".join(lines).rstrip() + "\n", draw(targets))


_TITLES = {"patch": "patches/s", "run": "workflows/s", "store": "operations/s"}


def _rows(benchmark: str, targets: Sequence[Plotted]) -> list[Sequence[str]]:
    """One row a measurement that at least one target has."""
    speeds = [
        {
            (entry["experiment"], entry["group"], entry["variant"]): entry["operations_per_second"]
            for entry in target.entries
            if entry["benchmark"] == benchmark and entry["status"] == "measured"
        }
        for target in targets
    ]
    known = dict.fromkeys(key for speed in speeds for key in speed)
    return [
        (f"{experiment}: {group}, {variant}", *(_speed(speed.get((experiment, group, variant))) for speed in speeds))
        for experiment, group, variant in known
    ]


def _speed(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _distinct(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Two runs of one target are told apart by their files."""
    return [f"{name} ({path.stem})" if names.count(name) > 1 else name for name, path in zip(names, paths, strict=True)]


def _read(path: Path) -> Plotted:
    try:
        report: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MergeError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MergeError(f"{path} is no JSON: {error}") from error
    try:
        name, entries = report["target"]["spec"], report["benchmarks"]
        fits = report["schema"] == 1 and isinstance(entries, list)
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise MergeError(
            f"{path} is no report of this kit with schema 1: write one with --flowcraft-report={path.name}"
        )
    if not entries:
        raise MergeError(
            f"{path} holds no benchmark: run pytest with --flowcraft-benchmark --flowcraft-report={path.name}"
        )
    return Plotted(str(name), entries)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 where a file cannot be used, as argparse has it for a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="python -m flowcraft_conformance.benchmarks.merge",
        description="Benchmarks of several adapters side by side.",
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json", help="written by --flowcraft-report")
    parser.add_argument("--svg", type=Path, metavar="OUT.svg", help="draw patch against full write by state size")
    given = parser.parse_args(arguments)
    try:
        merged = merge_reports(given.reports)
        if given.svg is not None:
            given.svg.write_text(_plot_of(merged), encoding="utf-8")
    except (MergeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(merged.table)
    return 0


def _plot_of(merged: Merged) -> str:
    if merged.svg is None:
        raise MergeError("there is nothing to draw: no report has a patch measured by state size")
    return merged.svg


if __name__ == "__main__":
    sys.exit(main())
