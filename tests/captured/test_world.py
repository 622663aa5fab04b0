"""What the workers of one captured run have in common, and what each has of its own."""

from __future__ import annotations

import asyncio

from flowcraft_conformance.harness.captured.judging import Trace, judge
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.search import Captured
from tests.captured.reach import REACH
from tests.mutants.adapters import harness_of


def test_what_a_node_counts_is_of_the_run_whichever_worker_runs_it() -> None:
    """The node fails twice in all; three attempts on three workers are enough, since it knows of all of them."""
    reach = next(one for one in REACH if one.name == "retries-of-the-queue")

    async def run() -> Trace:
        return await Captured(harness_of(reach.adapter)("test")).run_plan(reach.scenario, Plan.decode("c1+"))

    trace = asyncio.run(run())
    assert len({delivery.worker for delivery in trace.deliveries if delivery.job.node_id == "a"}) > 1
    assert judge(trace, asyncio.run(reach.scenario.outcomes())) is None
