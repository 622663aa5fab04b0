"""The JSON report, schema version 1 (``schema.json`` beside this file)."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
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


def report_json(result: TargetResult, environment: Environment) -> dict[str, Any]:
    """The report of one target as plain JSON values."""
    return {
        "schema": 1,
        "kit": __version__,
        "contract": CONTRACT_VERSION,
        "target": {"kind": result.target.kind.value, "spec": result.target.text},
        "profile": environment.profile,
        "seed": environment.seed,
        "environment": {"python": platform.python_version(), "backends": list(environment.backends)},
        "verdict": result.verdict.value,
        "duration_seconds": round(result.duration_seconds, 6),
        "clauses": [clause.to_json() for clause in result.clauses],
        "benchmarks": [dict(entry) for entry in result.benchmarks],
    }


def schema() -> dict[str, Any]:
    """The JSON schema of :func:`report_json`."""
    text = files("flowcraft_conformance.report").joinpath("schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def write_reports(path: Path, results: Sequence[TargetResult], environment: Environment) -> list[Path]:
    """Write one file a target: ``path`` itself where there is one, ``path`` with the target's name in it otherwise.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for result in results:
        place = path if len(results) == 1 else path.with_stem(f"{path.stem}-{_slug(result)}")
        text = json.dumps(report_json(result, environment), indent=2, ensure_ascii=True)
        place.write_text(text + "\n", encoding="utf-8")
        written.append(place)
    return written


def _slug(result: TargetResult) -> str:
    name = f"{result.target.kind}-{result.target.text}"
    return "".join(character if character.isalnum() or character in "._" else "-" for character in name)
