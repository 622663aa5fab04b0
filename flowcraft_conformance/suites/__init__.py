"""The packaged suites: subclass one, name the class ``Test...`` and override its factory fixture."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowcraft_conformance.suites.context import ContextSuite as ContextSuite
    from flowcraft_conformance.suites.coordination import CoordinationStoreSuite as CoordinationStoreSuite
    from flowcraft_conformance.suites.jobs import JobSuite as JobSuite
    from flowcraft_conformance.suites.patch import PatchSuite as PatchSuite
    from flowcraft_conformance.suites.workflows import WorkflowSuite as WorkflowSuite

_HOME = {
    "CoordinationStoreSuite": "coordination",
    "ContextSuite": "context",
    "JobSuite": "jobs",
    "PatchSuite": "patch",
    "WorkflowSuite": "workflows",
}

__all__ = ["ContextSuite", "CoordinationStoreSuite", "JobSuite", "PatchSuite", "WorkflowSuite"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
