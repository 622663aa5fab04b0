"""JSON reports read from files: whatever is in the file, a reader gets a report or one clear message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowcraft_conformance.report.wording import REPORT, TITLES, VERDICTS

_CLAUSE = {"id": str, "level": str, "verdict": str, "title": str, "why": str, "evidence": str, "reproduce": str}
_TOP: Mapping[str, type] = {
    "target": dict,
    "clauses": list,
    "environment": dict,
    "benchmarks": list,
    "profile": str,
    "seed": int,
    "kit": str,
    "contract": str,
}


class ReportError(ValueError):
    """The file is no report; the text says why and what would be one."""


def read_report(path: Path) -> REPORT:
    """The report in the file.

    Raises:
        ReportError: the file cannot be read, is no JSON, is no report of schema version 1, or lacks a part.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} is no JSON; name a report that was written by --report={path.stem}.json") from error
    problem = _problem(data)
    if problem:
        raise ReportError(f"{path} is no report of flowcraft-conformance: {problem}")
    report: REPORT = data
    return report


def _problem(data: Any) -> str:
    if not isinstance(data, dict):
        return "it holds no object"
    if data.get("schema") != 1:
        return f"its schema is {data.get('schema')!r}, and this version reads 1"
    for name, kind in _TOP.items():
        if not isinstance(data.get(name), kind):
            return f"{name!r} is missing or no {kind.__name__}"
    if not all(isinstance(data["target"].get(name), str) for name in ("kind", "spec")):
        return "its target has no kind or spec"
    if data.get("verdict") not in TITLES:
        return f"{data.get('verdict')!r} is no verdict of a run"
    return next((problem for problem in map(_problem_of_clause, data["clauses"]) if problem), "")


def _problem_of_clause(clause: Any) -> str:
    if not isinstance(clause, dict):
        return "a clause is no object"
    for name, kind in _CLAUSE.items():
        if not isinstance(clause.get(name), kind):
            return f"a clause has no {name!r}"
    if clause["verdict"] not in VERDICTS:
        return f"{clause['id']} has the verdict {clause['verdict']!r}, which this version does not know"
    return ""
