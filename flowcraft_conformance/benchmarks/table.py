"""Figures as lines of text: for the terminal, and for several reports side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entries = Sequence[Mapping[str, Any]]

HEADLINE_BYTES = 5_000_000
"""The state size of the one line that sums a target up, or else the largest that was measured."""


def table_lines(entries: Entries) -> Iterator[str]:
    """The figures of one target."""
    for entry in entries:
        if entry["status"] == "withheld":
            yield f"no throughput line for {_NAMES[entry['benchmark']]}: {entry['reason']}"
    patches = [entry for entry in entries if entry["benchmark"] == "patch" and entry["status"] != "withheld"]
    if patches:
        yield headline(entries)
        yield ""
        yield from _patch_lines(patches)
        yield from _scaling_lines(entries)
    yield from _run_lines([entry for entry in entries if entry["benchmark"] == "run" and "variant" in entry])
    yield from _store_lines([entry for entry in entries if entry["benchmark"] == "store" and "variant" in entry])
    yield from _left_out(entries)


_NAMES = {"patch": "patches", "store": "the store", "run": "workflows"}


def headline(entries: Entries) -> str:
    """One line about the patches of a target, or why there is none."""
    held = next((entry for entry in entries if entry["benchmark"] == "patch" and entry["status"] == "withheld"), None)
    if held is not None:
        return f"no throughput line: {held['reason']}"
    patches = [
        entry
        for entry in _measured(entries, "patch")
        if entry["experiment"] == "state size" and entry["variant"] == "patch"
    ]
    if not patches:
        return "no throughput line: no patch was measured by state size"
    entry = min(patches, key=lambda one: abs(one["parameters"]["state_bytes"] - HEADLINE_BYTES))
    parts = [
        f"patch of 1 KB in {entry['group']} of state: {_number(entry['operations_per_second'])}/s",
        f"{_number(entry['state_megabytes_per_second'])} MB/s of state",
    ]
    if ratio := entry["speed_to"].get("full-write"):
        parts.append(f"{_number(ratio['median'])} x the full write")
    if ratio := entry["speed_to"].get("bare"):
        parts.append(f"{_number(ratio['median'])} x the bare client")
    growth = next((one["growth"] for one in entries if one["benchmark"] == "scaling"), None)
    return ", ".join(parts) + (f"; {growth}" if growth else "")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of one width, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


_PATCH_HEAD = ("", "patch/s", "middle half", "state MB/s", "full/s", "x full", "x bare", "sent", "received")


def _patch_lines(patches: Entries) -> Iterator[str]:
    for experiment in dict.fromkeys(entry["experiment"] for entry in patches):
        of_it = [entry for entry in patches if entry["experiment"] == experiment and entry["status"] == "measured"]
        rows = [_patch_row(of_it, group) for group in dict.fromkeys(entry["group"] for entry in of_it)]
        if rows:
            yield from aligned([(f"by {experiment}", *_PATCH_HEAD[1:]), *rows])
            yield ""


def _patch_row(entries: Entries, group: str) -> Sequence[str]:
    variants = {entry["variant"]: entry for entry in entries if entry["group"] == group}
    patch, full = variants.get("patch"), variants.get("full-write")
    whole = _number(full["operations_per_second"]) if full else "-"
    if patch is None:
        return (group, "-", "-", "-", whole, "-", "-", "-", "-")
    ratios = patch["speed_to"]
    return (
        group,
        _number(patch["operations_per_second"]),
        _middle(patch),
        _number(patch["state_megabytes_per_second"]),
        whole,
        _number(ratios["full-write"]["median"]) if "full-write" in ratios else "-",
        _number(ratios["bare"]["median"]) if "bare" in ratios else "-",
        _bytes(patch["bytes_sent"]),
        _bytes(patch["bytes_received"]),
    )


def _middle(entry: Mapping[str, Any]) -> str:
    """The middle half of the rounds, as operations a second: the slow end first."""
    seconds, speed = entry["seconds"], entry["operations_per_second"]
    if not speed or not seconds["q1"]:
        return "-"
    return "..".join(_number(speed * seconds["median"] / seconds[end]) for end in ("q3", "q1"))


def _scaling_lines(entries: Entries) -> Iterator[str]:
    for entry in entries:
        if entry["benchmark"] != "scaling":
            continue
        band = ""
        if entry["slope"] is not None:
            low, high = entry["slope_low"], entry["slope_high"]
            band = f" (slope {entry['slope']:.2f}, with 95 % between {low:.2f} and {high:.2f})"
        reason = f": {entry['reason']}" if entry["reason"] else ""
        yield f"the cost of a patch as the state grows: {entry['growth']}{band}{reason}"
        points = ", ".join(f"{_bytes(point['state_bytes'])} {_time(point['seconds'])}" for point in entry["points"])
        yield f"  points: {points}"
        yield ""


def _run_lines(runs: Entries) -> Iterator[str]:
    rows = [
        (
            f"{entry['group']}, {entry['variant']}",
            _number(entry["operations_per_second"]),
            _middle(entry),
            *(_time(entry["enqueue_to_start_seconds"][share]) if "enqueue_to_start_seconds" in entry else "-"
              for share in ("p50", "p99")),
        )
        for entry in runs
        if entry["status"] == "measured"
    ]  # fmt: skip
    if rows:
        yield from aligned([("workflows", "workflows/s", "middle half", "wait p50", "wait p99"), *rows])
        yield ""


def _store_lines(operations: Entries) -> Iterator[str]:
    rows = [
        (f"{entry['group']}, {entry['variant']}", _number(entry["operations_per_second"]), _middle(entry))
        for entry in operations
        if entry["status"] == "measured"
    ]
    if rows:
        yield from aligned([("store", "operations/s", "middle half"), *rows])
        yield ""


def _left_out(entries: Entries) -> Iterator[str]:
    """What was not measured, by reason."""
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if entry["status"] == "not-measured":
            reasons.setdefault(entry["reason"], []).append(f"{entry['group']} {entry['variant']}")
    for reason, what in reasons.items():
        shown = ", ".join(what[:4]) + (f" and {len(what) - 4} more" if len(what) > 4 else "")
        yield f"not measured ({reason}): {shown}"


def _measured(entries: Entries, benchmark: str) -> Entries:
    return [entry for entry in entries if entry["benchmark"] == benchmark and entry["status"] == "measured"]


def _number(value: float | None) -> str:
    """Three digits that mean something."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _bytes(count: int | None) -> str:
    if count is None:
        return "-"
    for unit, size in (("MB", 1_000_000), ("KB", 1_000)):
        if count >= size:
            return f"{_three(count / size)} {unit}"
    return f"{count} B"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds * 1e6)} us"


def _three(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}"
