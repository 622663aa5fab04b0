"""The workflows that the checks of an adapter run."""

from __future__ import annotations

import random
from collections.abc import Iterable

from flowcraft_conformance.checking.blueprints import EXAMPLES, random_blueprint
from flowcraft_conformance.checking.dynamic_blueprints import DYNAMIC, Dynamic, random_dynamic
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.nodes import kit_registry


def scenario_of(blueprint: WorkflowBlueprint, *, watch_outputs: bool = False) -> Scenario:
    """The blueprint with the kit's nodes, started once."""
    return Scenario(blueprint, kit_registry, watch_outputs=watch_outputs)


def examples(*names: str, watch_outputs: bool = False) -> list[Scenario]:
    """Named workflows of the kit; all of them where none is named."""
    return [scenario_of(EXAMPLES[name], watch_outputs=watch_outputs) for name in names or EXAMPLES]


def random_scenarios(dice: random.Random, count: int) -> Iterable[Scenario]:
    """So many random workflows."""
    return [scenario_of(random_blueprint(dice)) for _ in range(count)]


def dynamic(*names: str) -> list[Scenario]:
    """Named workflows with loops, batches, added nodes, subflows and sleeps."""
    return [_dynamic_scenario(DYNAMIC[name]) for name in names]


def random_dynamic_scenarios(dice: random.Random, count: int) -> list[Scenario]:
    """So many random ones of them."""
    return [_dynamic_scenario(random_dynamic(dice)) for _ in range(count)]


def _dynamic_scenario(one: Dynamic) -> Scenario:
    return Scenario(one.blueprint, kit_registry, blueprints=one.children)
