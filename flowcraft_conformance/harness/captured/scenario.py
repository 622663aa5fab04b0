"""What a captured run is about: a blueprint, its nodes, and what a client does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import CoordinationTtls
from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter, NodeFunction
from flowcraft_conformance.harness.oracle import PossibleOutcomes, only_outcome, possible_outcomes

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.world import World

Step = Callable[["World", DistributedAdapter], Coroutine[Any, Any, Any]]
"""What a client does to a run."""

BeforeDelivery = Callable[["World", DistributedAdapter, JobPayload], Coroutine[Any, Any, bool]]


RUN = "{run}"


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
    first: Step | None = None
    """The first step, where it is not an ordinary start."""
    before_delivery: BeforeDelivery | None = None
    """Asked with a client before each delivery; False: the job is not delivered."""
    worker_blueprints: tuple[tuple[WorkflowBlueprint, ...], ...] = ()
    """What the workers know, by turns; empty: the same as the client."""
    workers: int = 2
    """How many take turns; others are hired where all of them are at work."""
    newest_first: bool = False
    """Which of the jobs that are due is delivered where a plan leaves it open: the newest, or else the oldest."""
    attempts: int | None = None
    """Deliveries of one job that raises, where they are fewer than the captured queue's own bound."""
    watch_outputs: bool = False
    """Whether each execution is to be noted with the outputs that were stored when it began."""
    ttls: CoordinationTtls = field(default_factory=CoordinationTtls)
    run_name: str = RUN
    """The run's id, with a unique name in the place of ``{run}``."""
    beside: tuple[tuple[str, WorkflowBlueprint], ...] = ()
    """Other runs that are started with this one: their ids as in ``run_name``, and their blueprints."""
    dead_bus: bool = False
    """Whether every call to the event bus fails."""
    watch_keys: bool = False
    """Whether the run is watched after its end, until its coordination keys should be gone."""

    async def outcomes(self) -> PossibleOutcomes:
        """How it may end when nothing is done to it."""
        return await possible_outcomes(self.blueprint, self.registry, self.initial_context, blueprints=self.blueprints)

    async def one_outcome(self) -> PossibleOutcomes:
        """The same where it has only one, whatever the order."""
        return await only_outcome(self.blueprint, self.registry, blueprints=self.blueprints)


async def start(world: World, client: DistributedAdapter) -> None:
    """The first step of every run."""
    await client.start_run(world.scenario.blueprint.id, dict(world.scenario.initial_context), world.run_id)
    for run_id, blueprint in world.beside.items():
        await client.start_run(blueprint.id, {}, run_id)
