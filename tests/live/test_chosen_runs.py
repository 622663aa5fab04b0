"""The workflows of live runs are those that end alike on whatever workers they are done."""

from __future__ import annotations

from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.profile import PROFILES
from flowcraft_conformance.suites.jobs_workflows import chosen_runs
from tests.mutants.adapters_queue import QueueMutant, harness_of
from tests.support import opened_adapter


def test_no_node_of_a_live_run_counts_its_failures_in_its_own_process() -> None:
    for profile in ("quick", "standard"):
        with opened_adapter(harness_of(QueueMutant), profile=PROFILES[profile]) as target:
            runs = chosen_runs(AdapterBench(target, "chosen"))
        assert len(runs) > 5
        assert [run.blueprint.id for run in runs if any(node.uses == "flaky" for node in run.blueprint.nodes)] == []
