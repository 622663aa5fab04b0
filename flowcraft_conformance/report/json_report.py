"""The JSON report, schema version 1 (``schema.json`` beside this file)."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from flowcraft_conformance import __version__
from flowcraft_conformance.report.results import TargetResult

CONTRACT_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a run took place. ``backends``: name, version and kind of each server that is known."""

    profile: str
    seed: int
    backends: Sequence[dict[str, str]] = field(default_factory=tuple)
    started: datetime.datetime | None = None
    interrupted: bool = False
    """The run was broken off: clauses that were not reached are untested."""


def report_json(result: TargetResult, environment: Environment) -> dict[str, Any]:
    """The report of one target as plain JSON values."""
    return {
        "schema": 1,
        "kit": __version__,
        "contract": CONTRACT_VERSION,
        "target": {"kind": result.target.kind.value, "spec": result.target.text},
        "profile": environment.profile,
        "seed": environment.seed,
        "environment": {
            "python": platform.python_version(),
            "backends": list(environment.backends),
            "platform": f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
        },
        "verdict": result.verdict.value,
        "duration_seconds": round(result.duration_seconds, 6),
        "clauses": [clause.to_json() for clause in result.clauses],
        "benchmarks": [dict(entry) for entry in result.benchmarks],
        **({"started": environment.started.isoformat(timespec="seconds")} if environment.started else {}),
        **({"interrupted": True} if environment.interrupted else {}),
    }


def schema() -> dict[str, Any]:
    """The JSON schema of :func:`report_json`."""
    text = files("flowcraft_conformance.report").joinpath("schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def json_text(report: Mapping[str, Any]) -> str:
    """The report as the text of its file: ASCII, so that no odd character of a target harms it."""
    return json.dumps(report, indent=2, ensure_ascii=True) + "\n"
