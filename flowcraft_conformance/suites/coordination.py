"""The coordination-store suite: every operation against the sequential rules, many clients at once, real expiry."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.suites.coordination_races import CoordinationRaces
from flowcraft_conformance.suites.coordination_schedules import CoordinationSchedules
from flowcraft_conformance.suites.coordination_time import CoordinationTime
from flowcraft_conformance.suites.coordination_values import CoordinationValues
from flowcraft_conformance.suites.suite import Suite


class CoordinationStoreSuite(CoordinationValues, CoordinationTime, CoordinationRaces, CoordinationSchedules, Suite):
    """Checks an ``ICoordinationStore``; override the fixture ``flowcraft_store_factory`` in a subclass."""

    part: ClassVar[Target] = Target.STORE
