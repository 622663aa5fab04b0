"""The context suite: the state of a run as one client sees it, and as many see it at once."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.suites.context_processes import ContextProcesses
from flowcraft_conformance.suites.context_races import ContextRaces
from flowcraft_conformance.suites.context_schedules import ContextSchedules
from flowcraft_conformance.suites.context_values import ContextValues
from flowcraft_conformance.suites.suite import Suite


class ContextSuite(ContextValues, ContextRaces, ContextSchedules, ContextProcesses, Suite):
    """Checks an ``IAsyncContext``; override the fixture ``flowcraft_context_factory`` in a subclass."""

    part: ClassVar[Target] = Target.CONTEXT
