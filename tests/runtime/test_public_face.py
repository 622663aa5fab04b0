"""The names of the contract, with its signatures."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

import flowcraft_conformance as kit

_STORE = {
    "increment": ("key", "ttl_seconds"), "set_if_not_exist": ("key", "value", "ttl_seconds"),
    "extend_ttl": ("key", "ttl_seconds"), "delete": ("key",), "get": ("key",),
}  # fmt: skip
_CONTEXT = {
    "get": ("key",), "set": ("key", "value"), "has": ("key",), "delete": ("key",), "to_dict": (),
    "patch": ("operations",),
}  # fmt: skip
_ADAPTER: dict[str, tuple[str, ...]] = {
    "process_jobs": ("handler",), "enqueue_job": ("job",), "publish_final_result": ("run_id", "result"),
    "register_webhook_endpoint": ("run_id", "node_id"), "open": (), "stop_jobs": (), "disconnect": (), "start": (),
    "close": (), "start_run": ("blueprint_id", "initial_context", "run_id"), "handle_job": ("job",),
    "abandon_job": ("job", "reason"), "reconcile": ("run_id",),
    "resume_with_action": ("run_id", "action", "output", "node_id"),
}  # fmt: skip
ASYNC_METHODS = {
    "ICoordinationStore": _STORE,
    "IAsyncContext": _CONTEXT,
    "IGuardedContext": _CONTEXT | {"patch_if_absent": ("guard", "operations")},
    "DistributedAdapter": _ADAPTER,
    "BaseDistributedAdapter": _ADAPTER | {"on_job_start": ("run_id", "blueprint_id", "node_id")},
}
FIELDS: dict[str, dict[str, Any]] = {
    "SetOp": {"key": ..., "value": ...},
    "DeleteOp": {"key": ...},
    "JobPayload": {"run_id": ..., "blueprint_id": ..., "node_id": ..., "attempt": 1, "is_last_attempt": True},
    "AdapterOptions": {"runtime_options": ..., "coordination_store": ..., "event_bus": None},
    "WebhookEndpoint": {"url": ..., "event": ...},
    "FinalResult": {"status": ..., "payload": None, "reason": None},
    "NodeConfig": {"max_retries": 1, "retry_delay": 0, "timeout": None, "fallback": None, "join_strategy": "all"},
}
FIELD_NAMES = {
    "RuntimeOptions": "registry blueprints dependencies logger evaluator middleware serializer strict ttls clock "
    "shutdown_grace_seconds",
    "WorkflowBlueprint": "id nodes edges metadata",
    "NodeDefinition": "id uses params inputs config",
    "EdgeDefinition": "source target action condition transform",
    "NodeResult": "output action dynamic_nodes",
    "NodeContext": "context input params dependencies",
    "WorkflowResult": "context serialized_context status errors",
}
OTHERS = "CoordinationTtls SystemClock IEventBus ILogger IEvaluator ISerializer Middleware PatchOperation JobDeferred"


@pytest.mark.parametrize("name", [*ASYNC_METHODS, *FIELDS, *FIELD_NAMES, *OTHERS.split()])
def test_a_name_of_the_contract_is_public_and_documented(name: str) -> None:
    assert name in kit.__all__
    value = getattr(kit, name)
    if inspect.isclass(value):
        assert (inspect.getdoc(value) or "").strip()
        assert "(" not in (inspect.getdoc(value) or "").split("\n")[0][:1], "the docstring of a dataclass is generated"


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [(owner, method, names) for owner, methods in ASYNC_METHODS.items() for method, names in methods.items()],
)
def test_a_method_is_async_has_its_parameters_and_a_docstring(
    owner: str, method: str, parameters: tuple[str, ...]
) -> None:
    function = getattr(getattr(kit, owner), method)
    assert inspect.iscoroutinefunction(function)
    assert tuple(inspect.signature(function).parameters)[1:] == parameters
    assert (function.__doc__ or "").strip()


@pytest.mark.parametrize("owner", ["DistributedAdapter", "BaseDistributedAdapter"])
def test_the_defaults_of_the_calls_are_those_of_the_contract(owner: str) -> None:
    start = inspect.signature(getattr(kit, owner).start_run).parameters
    assert (start["initial_context"].default, start["run_id"].default) == (None, None)
    resume = inspect.signature(getattr(kit, owner).resume_with_action).parameters
    assert (resume["output"].default, resume["node_id"].default) == (None, None)
    assert resume["node_id"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_a_record_has_its_fields_defaults_and_is_frozen(name: str, fields: dict[str, Any]) -> None:
    record = getattr(kit, name)
    found = {
        field.name: ... if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(record)
    }
    assert found == fields
    assert record.__dataclass_params__.frozen


@pytest.mark.parametrize(("name", "fields"), FIELD_NAMES.items())
def test_a_record_has_its_fields_in_order(name: str, fields: str) -> None:
    assert [field.name for field in dataclasses.fields(getattr(kit, name))] == fields.split()


def test_the_four_methods_of_an_adapter_are_the_abstract_ones() -> None:
    assert kit.BaseDistributedAdapter.__abstractmethods__ == {
        "create_context", "process_jobs", "enqueue_job", "publish_final_result",
    }  # fmt: skip


def test_times_to_live_are_those_of_the_contract() -> None:
    assert dataclasses.asdict(kit.CoordinationTtls()) == {
        "fanin": 3600, "joinlock": 3600, "poison": 3600, "cancel": 3600, "nodelock": 120, "blueprint": 3600,
    }  # fmt: skip
