"""The conformance kit for distributed Flowcraft adapters: the public names.

Names are imported when they are first used, so that a pytest run that does not ask for the kit pays nothing for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowcraft_conformance.contract.blueprint import BlueprintError as BlueprintError
    from flowcraft_conformance.contract.blueprint import EdgeDefinition as EdgeDefinition
    from flowcraft_conformance.contract.blueprint import NodeConfig as NodeConfig
    from flowcraft_conformance.contract.blueprint import NodeDefinition as NodeDefinition
    from flowcraft_conformance.contract.blueprint import WorkflowBlueprint as WorkflowBlueprint
    from flowcraft_conformance.contract.capabilities import Capabilities as Capabilities
    from flowcraft_conformance.contract.capabilities import CapabilityError as CapabilityError
    from flowcraft_conformance.contract.keys import CoordinationKeys as CoordinationKeys
    from flowcraft_conformance.contract.options import AdapterOptions as AdapterOptions
    from flowcraft_conformance.contract.options import CoordinationTtls as CoordinationTtls
    from flowcraft_conformance.contract.options import RuntimeOptions as RuntimeOptions
    from flowcraft_conformance.contract.options import SystemClock as SystemClock
    from flowcraft_conformance.contract.payloads import DeleteOp as DeleteOp
    from flowcraft_conformance.contract.payloads import FinalResult as FinalResult
    from flowcraft_conformance.contract.payloads import InvalidJobError as InvalidJobError
    from flowcraft_conformance.contract.payloads import JobDeferred as JobDeferred
    from flowcraft_conformance.contract.payloads import JobPayload as JobPayload
    from flowcraft_conformance.contract.payloads import NodeContext as NodeContext
    from flowcraft_conformance.contract.payloads import NodeError as NodeError
    from flowcraft_conformance.contract.payloads import NodeResult as NodeResult
    from flowcraft_conformance.contract.payloads import PatchOperation as PatchOperation
    from flowcraft_conformance.contract.payloads import SetOp as SetOp
    from flowcraft_conformance.contract.payloads import WebhookEndpoint as WebhookEndpoint
    from flowcraft_conformance.contract.payloads import WorkflowResult as WorkflowResult
    from flowcraft_conformance.contract.protocols import Clock as Clock
    from flowcraft_conformance.contract.protocols import DistributedAdapter as DistributedAdapter
    from flowcraft_conformance.contract.protocols import IAsyncContext as IAsyncContext
    from flowcraft_conformance.contract.protocols import ICoordinationStore as ICoordinationStore
    from flowcraft_conformance.contract.protocols import IEvaluator as IEvaluator
    from flowcraft_conformance.contract.protocols import IEventBus as IEventBus
    from flowcraft_conformance.contract.protocols import IGuardedContext as IGuardedContext
    from flowcraft_conformance.contract.protocols import ILogger as ILogger
    from flowcraft_conformance.contract.protocols import ISerializer as ISerializer
    from flowcraft_conformance.contract.protocols import Middleware as Middleware
    from flowcraft_conformance.contract.protocols import NodeFunction as NodeFunction
    from flowcraft_conformance.harness.adapter_harness import AdapterHarness as AdapterHarness
    from flowcraft_conformance.harness.services.azure_queue import azure_queue_service as azure_queue_service
    from flowcraft_conformance.harness.services.cassandra import cassandra_service as cassandra_service
    from flowcraft_conformance.harness.services.cosmos import cosmos_service as cosmos_service
    from flowcraft_conformance.harness.services.dynamodb import dynamodb_service as dynamodb_service
    from flowcraft_conformance.harness.services.firestore import firestore_service as firestore_service
    from flowcraft_conformance.harness.services.kafka import kafka_service as kafka_service
    from flowcraft_conformance.harness.services.model import Service as Service
    from flowcraft_conformance.harness.services.model import ServiceUnavailableError as ServiceUnavailableError
    from flowcraft_conformance.harness.services.postgres import postgres_service as postgres_service
    from flowcraft_conformance.harness.services.pubsub import pubsub_service as pubsub_service
    from flowcraft_conformance.harness.services.rabbitmq import rabbitmq_service as rabbitmq_service
    from flowcraft_conformance.harness.services.redis import redis_service as redis_service
    from flowcraft_conformance.harness.services.sqs import sqs_service as sqs_service
    from flowcraft_conformance.runtime.base import BaseDistributedAdapter as BaseDistributedAdapter
    from flowcraft_conformance.runtime.flow import FlowRuntime as FlowRuntime

__version__ = "0.1.0"

_ROOMS = {
    "contract.blueprint": (
        "BlueprintError", "EdgeDefinition", "NodeConfig", "NodeDefinition", "WorkflowBlueprint",
    ),
    "contract.capabilities": ("Capabilities", "CapabilityError"),
    "contract.keys": ("CoordinationKeys",),
    "contract.options": ("AdapterOptions", "CoordinationTtls", "RuntimeOptions", "SystemClock"),
    "contract.payloads": (
        "DeleteOp", "FinalResult", "InvalidJobError", "JobDeferred", "JobPayload", "NodeContext", "NodeError",
        "NodeResult", "PatchOperation", "SetOp", "WebhookEndpoint", "WorkflowResult",
    ),
    "contract.protocols": (
        "Clock", "DistributedAdapter", "IAsyncContext", "ICoordinationStore", "IEvaluator", "IEventBus",
        "IGuardedContext", "ILogger", "ISerializer", "Middleware", "NodeFunction",
    ),
    "harness.adapter_harness": ("AdapterHarness",),
    "harness.services.cassandra": ("cassandra_service",),
    "harness.services.dynamodb": ("dynamodb_service",),
    "harness.services.kafka": ("kafka_service",),
    "harness.services.azure_queue": ("azure_queue_service",),
    "harness.services.cosmos": ("cosmos_service",),
    "harness.services.firestore": ("firestore_service",),
    "harness.services.model": ("Service", "ServiceUnavailableError"),
    "harness.services.postgres": ("postgres_service",),
    "harness.services.pubsub": ("pubsub_service",),
    "harness.services.rabbitmq": ("rabbitmq_service",),
    "harness.services.redis": ("redis_service",),
    "harness.services.sqs": ("sqs_service",),
    "runtime.base": ("BaseDistributedAdapter",),
    "runtime.flow": ("FlowRuntime",),
}  # fmt: skip
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - the names come from one table


def __getattr__(name: str) -> Any:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value
