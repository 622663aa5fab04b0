"""Jobs that are done in the middle of others: two events of the same moment want the same last job."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft_conformance.checking.blueprints import EXAMPLES, flow, node
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.harness.captured.judging import judge
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import possible_outcomes
from tests.mutants.adapter_parts import PartedAdapter
from tests.mutants.adapters import harness_of


def test_two_interleavings_of_one_moment_take_the_last_job_once() -> None:
    scenario = Scenario(flow("two", node("n0"), node("n1")), kit_registry)

    async def run() -> None:
        captured = Captured(harness_of(PartedAdapter)("two"))
        allowed = await possible_outcomes(scenario.blueprint, scenario.registry, scenario.initial_context)
        calls = len((await captured.run_plan(scenario, Plan())).calls)
        for at in range(calls // 2):
            first = Event(at, Kind.INTERLEAVE, after=True)
            plan = Plan((first, Event(at + 1, Kind.INTERLEAVE, hold=4)))
            problem = judge(await captured.run_plan(scenario, plan), allowed)
            assert problem is None, f"{plan.encode()}: {problem}"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("blueprint", "plan"),
    [
        (flow("two", node("a"), node("d")), "d30+:0@8.d38+:0"),  # a heartbeat stands while its job delivers another
        (EXAMPLES["any"], "d75:2"),  # whoever stands where a job is delivered is cancelled
        (EXAMPLES["retry"], "d33:0"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.id,
)
def test_no_delivery_is_left_in_the_middle(blueprint: WorkflowBlueprint, plan: str) -> None:
    captured = Captured(harness_of(PartedAdapter)("left"))
    scenario = Scenario(blueprint, kit_registry, watch_keys=True)
    trace = asyncio.run(captured.run_plan(scenario, Plan.decode(plan)))
    assert {delivery.outcome for delivery in trace.deliveries} <= {"acknowledged", "deferred"}
    assert trace.left == ()
