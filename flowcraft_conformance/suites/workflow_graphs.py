"""The workflows that the checks of an adapter run."""

from __future__ import annotations

import random
from collections.abc import Iterable

from flowcraft_conformance.checking.blueprints import EXAMPLES, flow, node, random_blueprint
from flowcraft_conformance.checking.dynamic_blueprints import DYNAMIC, Dynamic, random_dynamic
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import CoordinationTtls
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.nodes import kit_registry

DISTURBED = ("diamond", "condition", "any", "transform", "fallback", "retry", "failure", "action", "parallel-edges",
             "writes", "apart")  # fmt: skip
"""Names of the workflows that are disturbed in every way."""
LONG = Scenario(
    flow("long", node("b", "slow", seconds=30), "a>b a>c b>d c>d"),
    kit_registry,
    ttls=CoordinationTtls(fanin=20, joinlock=20, poison=20, cancel=20, nodelock=10, blueprint=20),
)
"""A node that takes longer than every TTL."""
TWO_FAILURES = Scenario(flow("two-failures", node("b", "fail"), node("c", "fail"), "a>b a>c"), kit_registry)
_DISTURBED_GRAPHS = 12


def scenario_of(blueprint: WorkflowBlueprint, *, watch_outputs: bool = False) -> Scenario:
    """The blueprint with the kit's nodes, started once."""
    return Scenario(blueprint, kit_registry, watch_outputs=watch_outputs)


def examples(*names: str, watch_outputs: bool = False) -> list[Scenario]:
    """Named workflows of the kit; all of them where none is named."""
    return [scenario_of(EXAMPLES[name], watch_outputs=watch_outputs) for name in names or EXAMPLES]


def random_scenarios(dice: random.Random, count: int) -> Iterable[Scenario]:
    """So many random workflows."""
    return [scenario_of(random_blueprint(dice)) for _ in range(count)]


def disturbed_graphs(bench: AdapterBench) -> list[Scenario]:
    """The random workflows of this run that faults are put into, the same for every check."""
    return list(random_scenarios(bench.shared_random(), _DISTURBED_GRAPHS))


def every_workflow(bench: AdapterBench) -> list[Scenario]:
    """All that any check puts faults into: what is wrong with them without a fault is FLOW-ORACLE-01's to say."""
    return [*examples(), LONG, TWO_FAILURES, *disturbed_graphs(bench)]


def dynamic(*names: str) -> list[Scenario]:
    """Named workflows with loops, batches, added nodes, subflows and sleeps."""
    return [_dynamic_scenario(DYNAMIC[name]) for name in names]


def random_dynamic_scenarios(dice: random.Random, count: int) -> list[Scenario]:
    """So many random ones of them."""
    return [_dynamic_scenario(random_dynamic(dice)) for _ in range(count)]


def _dynamic_scenario(one: Dynamic) -> Scenario:
    return Scenario(one.blueprint, kit_registry, blueprints=one.children)
