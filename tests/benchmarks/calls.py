"""What a job costs in calls to servers, on any adapter of our runtime: ``python -m tests.benchmarks.calls``."""

from __future__ import annotations

import asyncio
from collections import Counter

from flowcraft_conformance.checking.blueprints import flow, node, wide_join
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.nodes import kit_registry
from reference_adapters.memory import MemoryHarness

_ON_SERVERS = ("context", "store", "queue", "result")


def workflows() -> list[WorkflowBlueprint]:
    """A chain, a fan-out with its fan-in, and a single node."""
    chain = " ".join(f"n{number}>n{number + 1}" for number in range(19))
    return [flow("one node", node("a")), flow("chain of 20", chain), wide_join(50)]


def counted(blueprint: WorkflowBlueprint) -> tuple[int, Counter[tuple[str, str]]]:
    """How many jobs a run of it takes with nothing done to it, and the calls they make, by part and name."""
    captured = Captured(MemoryHarness("calls"))
    trace = asyncio.run(captured.run_plan(Scenario(blueprint, kit_registry), Plan()))
    if trace.error is not None:
        raise trace.error
    return len(trace.deliveries), Counter((call.part, call.name) for call in trace.calls if call.part in _ON_SERVERS)


def main() -> None:
    """A table for each workflow: calls of the whole run, and of one job of it."""
    for blueprint in workflows():
        jobs, calls = counted(blueprint)
        print(f"{blueprint.id}: {jobs} jobs, {sum(calls.values())} calls, {sum(calls.values()) / jobs:.1f} a job")
        for (part, name), count in sorted(calls.items()):
            print(f"  {part:8} {name:20} {count:5} {count / jobs:6.1f} a job")


if __name__ == "__main__":
    main()
