"""What a captured run is about: a blueprint, its nodes, and what a client does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import CoordinationTtls
from flowcraft_conformance.contract.protocols import DistributedAdapter, NodeFunction

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.world import World

Step = Callable[["World", DistributedAdapter], Coroutine[Any, Any, Any]]
"""What a client does to a run."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run. ``steps``: what a client does, one step at the start and one each time nothing is left to do.

    A step that fails or whose client dies is done again.
    """

    blueprint: WorkflowBlueprint
    registry: Callable[[], Mapping[str, NodeFunction]]
    initial_context: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    blueprints: tuple[WorkflowBlueprint, ...] = ()
    ttls: CoordinationTtls = field(default_factory=CoordinationTtls)


async def start(world: World, client: DistributedAdapter) -> None:
    """The first step of every run."""
    await client.start_run(world.scenario.blueprint.id, dict(world.scenario.initial_context), world.run_id)
