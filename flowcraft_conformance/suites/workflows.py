"""The workflow suite: what a workflow means, delivery, clients, loops; on any adapter, with the kit as its queue."""

from __future__ import annotations

from typing import ClassVar

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.suites.suite import Suite
from flowcraft_conformance.suites.workflow_clients import WorkflowClients
from flowcraft_conformance.suites.workflow_delivery import WorkflowDelivery
from flowcraft_conformance.suites.workflow_dynamic import WorkflowDynamic
from flowcraft_conformance.suites.workflow_rules import WorkflowRules
from flowcraft_conformance.suites.workflow_surface import WorkflowSurface


class WorkflowSuite(WorkflowRules, WorkflowDelivery, WorkflowClients, WorkflowDynamic, WorkflowSurface, Suite):
    """Judges an adapter. Override the fixture ``flowcraft_adapter_harness`` to use it in your own repository."""

    part: ClassVar[Target] = Target.ADAPTER
