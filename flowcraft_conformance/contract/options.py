"""What an adapter is built from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
    from flowcraft_conformance.contract.protocols import (
        Clock,
        ICoordinationStore,
        IEvaluator,
        IEventBus,
        ILogger,
        ISerializer,
        Middleware,
        NodeFunction,
    )


class SystemClock:
    """Real time, in seconds. Implements :class:`Clock`."""

    def monotonic(self) -> float:
        """A reading that never goes back, shared by the processes of one machine."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class CoordinationTtls:
    """Time to live of each kind of coordination key, in whole seconds."""

    fanin: int = 3600
    joinlock: int = 3600
    poison: int = 3600
    cancel: int = 3600
    nodelock: int = 120
    blueprint: int = 3600


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What the runtime inside an adapter works with; None means the runtime's own default.

    ``registry`` maps a node's ``uses`` to its implementation, ``blueprints`` an id to a blueprint. ``strict`` also
    refuses blueprints that are only suspicious, such as one with a node that no path reaches.
    ``shutdown_grace_seconds``: how long ``close()`` lets jobs in flight go on.
    """

    registry: Mapping[str, NodeFunction] = field(default_factory=dict)
    blueprints: Mapping[str, WorkflowBlueprint] = field(default_factory=dict)
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    logger: ILogger | None = None
    evaluator: IEvaluator | None = None
    middleware: tuple[Middleware, ...] = ()
    serializer: ISerializer | None = None
    strict: bool = False
    ttls: CoordinationTtls = field(default_factory=CoordinationTtls)
    clock: Clock = field(default_factory=SystemClock)
    shutdown_grace_seconds: float = 30


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """The one argument of an adapter's constructor."""

    runtime_options: RuntimeOptions
    coordination_store: ICoordinationStore
    event_bus: IEventBus | None = None
