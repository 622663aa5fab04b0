"""The workflow suite: routing, joins, delivery, clients, on any adapter, with the kit in the queue's place."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.suites.suite import Suite
from flowcraft_conformance.suites.workflow_clients import WorkflowClients
from flowcraft_conformance.suites.workflow_delivery import WorkflowDelivery
from flowcraft_conformance.suites.workflow_rules import WorkflowRules
from flowcraft_conformance.suites.workflow_surface import WorkflowSurface


class WorkflowSuite(WorkflowRules, WorkflowDelivery, WorkflowClients, WorkflowSurface, Suite):
    """Judges an adapter. Override the fixture ``flowcraft_adapter_harness`` to use it in your own repository."""

    part: ClassVar[Target] = Target.ADAPTER
