"""The workflow graph as data, read from and written to upstream's camelCase JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JoinStrategy = Literal["all", "any"]


class BlueprintError(ValueError):
    """A blueprint that cannot be read or run; the text names the place."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How a node is tried. ``max_retries`` counts attempts in all; ``retry_delay`` and ``timeout`` in milliseconds."""

    max_retries: int = 1
    retry_delay: float = 0
    timeout: float | None = None
    fallback: str | None = None
    join_strategy: JoinStrategy = "all"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeConfig:
        """Read upstream's JSON: maxRetries, retryDelay, timeout, fallback, joinStrategy; other names are ignored.

        Raises:
            BlueprintError: a value of the wrong type or out of range.
        """
        return cls(
            max_retries=_whole_from_one(data, "maxRetries", 1),
            retry_delay=_milliseconds(data, "retryDelay") or 0,
            timeout=_milliseconds(data, "timeout"),
            fallback=_optional_text(data, "fallback"),
            join_strategy=_strategy(data.get("joinStrategy") or "all"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Upstream's JSON; defaults are left out."""
        values = {
            "maxRetries": (self.max_retries, 1),
            "retryDelay": (self.retry_delay, 0),
            "timeout": (self.timeout, None),
            "fallback": (self.fallback, None),
            "joinStrategy": (self.join_strategy, "all"),
        }
        return {name: value for name, (value, default) in values.items() if value != default}


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """One node: ``uses`` names its implementation in the registry, ``inputs`` is a context key or a map to keys.

    Some values of ``uses`` are the runtime's own, with these ``params``:

    * ``wait``, ``webhook``: none; the node rests until it is resumed (HITL-01);
    * ``sleep``: ``duration``, milliseconds or a text such as ``"10s"``, ``"5m"``, ``"1h"``, ``"2d"``;
    * ``loop-controller``: ``condition``, an expression; its edges have the actions ``continue`` and ``break``;
    * ``batch-scatter``: ``workerUsesKey`` (what runs for each item of the input, a list), ``gatherNodeId``, and
      ``chunkSize`` (how many items at a time; all of them where it is absent);
    * ``batch-gather``: ``outputKey``, the context key that gets the results in the order of the items (optional);
    * ``subflow``: ``blueprintId``, ``inputs`` (child key -> parent key or node id) and ``outputs`` (parent key -> child
      key or node id), both optional.

    How they end is SUB-01.
    """

    id: str
    uses: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: str | Mapping[str, str] | None = None
    config: NodeConfig = field(default_factory=NodeConfig)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeDefinition:
        """Read one node of upstream's JSON; raises BlueprintError."""
        inputs = data.get("inputs")
        if inputs is not None and not isinstance(inputs, str | Mapping):
            raise BlueprintError(f"node {data.get('id')!r}: 'inputs' is a string or an object, this is {inputs!r}")
        return cls(
            id=_required_text(data, "id", "node"),
            uses=_required_text(data, "uses", f"node {data.get('id')!r}"),
            params=dict(_object(data, "params")),
            inputs=dict(inputs) if isinstance(inputs, Mapping) else inputs,
            config=NodeConfig.from_dict(_object(data, "config")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Upstream's JSON for this node."""
        wire: dict[str, Any] = {"id": self.id, "uses": self.uses}
        if self.params:
            wire["params"] = dict(self.params)
        if self.inputs is not None:
            wire["inputs"] = self.inputs if isinstance(self.inputs, str) else dict(self.inputs)
        if config := self.config.to_dict():
            wire["config"] = config
        return wire


@dataclass(frozen=True, slots=True)
class EdgeDefinition:
    """One edge: taken when its action is the result's and its condition holds; a transform changes what it carries."""

    source: str
    target: str
    action: str | None = None
    condition: str | None = None
    transform: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EdgeDefinition:
        """Read one edge of upstream's JSON; raises BlueprintError."""
        return cls(
            source=_required_text(data, "source", "edge"),
            target=_required_text(data, "target", "edge"),
            action=_optional_text(data, "action"),
            condition=_optional_text(data, "condition"),
            transform=_optional_text(data, "transform"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Upstream's JSON for this edge; absent parts are left out."""
        names = ("source", "target", "action", "condition", "transform")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True, slots=True)
class WorkflowBlueprint:
    """A workflow: nodes, edges and metadata (``metadata["version"]`` is the version a run is bound to)."""

    id: str
    nodes: tuple[NodeDefinition, ...]
    edges: tuple[EdgeDefinition, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorkflowBlueprint:
        """Read upstream's JSON; raises BlueprintError. The graph itself is checked when it is first run."""
        return cls(
            id=_required_text(data, "id", "blueprint"),
            nodes=tuple(NodeDefinition.from_dict(node) for node in _objects(data, "nodes")),
            edges=tuple(EdgeDefinition.from_dict(edge) for edge in _objects(data, "edges")),
            metadata=dict(_object(data, "metadata")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Upstream's JSON for this blueprint."""
        wire: dict[str, Any] = {
            "id": self.id,
            "nodes": [node.to_dict() for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
        }
        if self.metadata:
            wire["metadata"] = dict(self.metadata)
        return wire


def _required_text(data: Mapping[str, Any], name: str, place: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise BlueprintError(f"{place}: {name!r} must be a non-empty string, this is {value!r}")
    return value


def _optional_text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise BlueprintError(f"{name!r} must be a string, this is {value!r}")
    return value


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BlueprintError(f"{name!r} must be an object, this is {value!r}")
    return value


def _objects(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = data.get(name) or []
    if not isinstance(value, list | tuple) or not all(isinstance(part, Mapping) for part in value):
        raise BlueprintError(f"{name!r} must be a list of objects, this is {value!r}")
    return list(value)


def _milliseconds(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BlueprintError(f"{name!r} is a time in milliseconds, 0 or more, this is {value!r}")
    return value


def _whole_from_one(data: Mapping[str, Any], name: str, default: int) -> int:
    value = data.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BlueprintError(f"{name!r} must be a whole number, this is {value!r}")
    return max(value, 1)  # attempts in all: 0 still tries once


def _strategy(value: object) -> JoinStrategy:
    if value == "all":
        return "all"
    if value == "any":
        return "any"
    raise BlueprintError(f"'joinStrategy' is 'all' or 'any', this is {value!r}")
