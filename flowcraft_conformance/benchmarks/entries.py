"""The entries of a report's ``benchmarks``: plain JSON values that say what they are (``report/schema.json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.benchmarks.patching import BARE, FULL, PATCH, PatchFigures
from flowcraft_conformance.benchmarks.plan import case_label
from flowcraft_conformance.benchmarks.rounds import Series
from flowcraft_conformance.benchmarks.running import FlowFigures
from flowcraft_conformance.benchmarks.scaling import Scaling
from flowcraft_conformance.benchmarks.spread import Spread, quantile, ratios

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """What one entry is about. ``benchmark``: patch, store or run; ``group``: what it is to be compared within."""

    benchmark: str
    experiment: str
    group: str
    variant: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The same in every run of a profile."""
        return f"{self.benchmark}/{self.experiment}/{self.group}/{self.variant}"


def series_entry(named: Named, series: Series) -> Entry:
    """What every measurement has: seconds of one operation by round, or why nothing was measured."""
    entry: Entry = {
        "benchmark": named.benchmark,
        "id": named.id,
        "experiment": named.experiment,
        "group": named.group,
        "variant": named.variant,
        "parameters": dict(named.parameters),
        "status": "measured" if series.measured else "not-measured",
        "reason": series.reason,
    }
    if series.measured:
        spread = Spread.of(series.samples)
        entry["rounds"] = len(series.samples)
        entry["calls_per_round"] = series.repeated
        entry["seconds"] = spread.to_json()
        entry["operations_per_second"] = _short(series.lane.operations / spread.median) if spread.median else None
    return entry


def patch_entries(experiment: str, figures: Sequence[PatchFigures]) -> list[Entry]:
    """The entries of one experiment: each variant of each case, a patch with its ratios to the other two."""
    by_case: dict[Any, dict[str, PatchFigures]] = {}
    for one in figures:
        by_case.setdefault(one.case, {})[one.variant] = one
    return [_patch_entry(experiment, one, by_case[one.case]) for one in figures]


def _patch_entry(experiment: str, one: PatchFigures, beside: Mapping[str, PatchFigures]) -> Entry:
    case = one.case
    entry = series_entry(
        Named(
            "patch", experiment, case_label(experiment, case), one.variant,
            {"state_bytes": one.size, "keys": one.keys, "changed_keys": case.changed, "shape": case.shape,
             "clients": case.clients},
        ),
        one.series,
    )  # fmt: skip
    entry["bytes_sent"] = one.traffic.sent if one.traffic else None
    entry["bytes_received"] = one.traffic.received if one.traffic else None
    if one.series.measured:
        speed = entry["operations_per_second"]
        entry["state_megabytes_per_second"] = None if speed is None else _short(one.size * speed / 1e6)
        entry["speed_to"] = {
            name: Spread.of(found).to_json()
            for name in (FULL, BARE)
            if one.variant == PATCH and name in beside and (found := _ratios(one.series, beside[name].series))
        }
    return entry


def _ratios(own: Series, other: Series) -> list[float]:
    if not own.measured or not other.measured:
        return []
    times = own.lane.operations / other.lane.operations
    return [times * ratio for ratio in ratios(own.samples, other.samples)]


def scaling_entry(fitted: Scaling) -> Entry:
    """The verdict on how the cost of a patch grows, with its points."""
    known = fitted.slope == fitted.slope
    return {
        "benchmark": "scaling",
        "id": "scaling/state size/patch",
        "experiment": "state size",
        "variant": PATCH,
        "status": "measured",
        "growth": fitted.growth.value,
        "slope": _short(fitted.slope) if known else None,
        "slope_low": _short(fitted.low) if known else None,
        "slope_high": _short(fitted.high) if known else None,
        "points": [{"state_bytes": size, "seconds": _short(seconds)} for size, seconds in fitted.points],
        "reason": fitted.reason,
    }


def flow_entry(one: FlowFigures) -> Entry:
    """Workflows a second, and the wait of a job."""
    workers = f"{one.workers} worker{'s' * (one.workers > 1)}"
    entry = series_entry(
        Named(
            "run", "workflows", one.workflow, workers,
            {"workflow": one.workflow, "workers": one.workers, "worker_kind": "tasks of one process",
             "nodes": one.nodes, "state_bytes": one.state_bytes, "runs_at_once": one.runs},
        ),
        one.series,
    )  # fmt: skip
    if one.series.measured and one.waits:
        entry["enqueue_to_start_seconds"] = {
            "p50": _short(quantile(one.waits, 0.5)), "p99": _short(quantile(one.waits, 0.99)), "jobs": len(one.waits),
        }  # fmt: skip
    return entry


def store_entries(measured: Mapping[tuple[str, int], Series]) -> list[Entry]:
    """Every operation of a store."""
    return [
        series_entry(
            Named("store", "operations", name, f"{count} in flight", {"operation": name, "in_flight": count}), series
        )
        for (name, count), series in measured.items()
    ]


def withheld_entry(benchmark: str, reason: str) -> Entry:
    """Nothing is said about the speed of a target that is not right."""
    return {"benchmark": benchmark, "id": f"{benchmark}/withheld", "status": "withheld", "reason": reason}


def _short(number: float) -> float:
    return float(f"{number:.6g}")
