"""Loops, batches, added nodes, subflows and sleeps: whatever is done to a run, it ends as in the in-process runtime.

They have a clause of their own, a SHOULD, so they stand in no check of the others: an adapter that cannot run a loop
loses this clause and no promise about what it does run. What the other checks do to a run is done here too.
"""

from __future__ import annotations

from flowcraft_conformance.checking.dynamic_blueprints import DAY_SECONDS
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.events import at_calls
from flowcraft_conformance.harness.captured.judging import Trace
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.workflow_graphs import dynamic, random_dynamic_scenarios

_LOST_OR_REPEATED = (Kind.DUPLICATE, Kind.CRASH)
_RANDOM_GRAPHS = 10


class WorkflowDynamic:
    """What runs more often, or is more, than the blueprint draws."""

    @checks("SUB-01")
    def test_a_loop_repeated_or_cut_off_at_every_change(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in dynamic("loop-at-the-start"):
            flowcraft_adapter_bench.at_each(scenario, at_calls(_LOST_OR_REPEATED, _commits_or_enqueues, before=False))

    @checks("SUB-01")
    def test_a_sleep_takes_its_time_once(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = dynamic("sleep", "sleep-beside-work")
        for scenario in chosen:
            flowcraft_adapter_bench.plain(scenario, also=_slept_as_told)
        for scenario in chosen[:1]:
            flowcraft_adapter_bench.at_each(scenario, at_calls((Kind.CRASH,), _may_follow_a_sleep), also=_slept_as_told)
        flowcraft_adapter_bench.search([*chosen, *dynamic("sleep-in-a-loop")], tuple(Kind), share=0.5)

    @checks("SUB-01")
    def test_what_a_node_has_added_outlives_its_worker(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in dynamic("batch", "added"):
            flowcraft_adapter_bench.at_each(scenario, at_calls(_LOST_OR_REPEATED, _commits_or_enqueues, before=False))
        flowcraft_adapter_bench.search(dynamic("added", "added-by-added"), tuple(Kind), share=0.5)

    @checks("SUB-01")
    def test_a_batch_is_gathered_in_the_order_of_its_items(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = dynamic(
            "batch", "batch-of-none", "batch-in-chunks", "batch-beside-work", "batch-that-fails", "batch-in-a-loop"
        )
        flowcraft_adapter_bench.search(chosen, (), share=0.3)
        flowcraft_adapter_bench.search(chosen, tuple(Kind), share=0.7)

    @checks("SUB-01")
    def test_more_than_ten_items_and_iterations(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in dynamic("batch-of-twelve", "loop-of-eleven"):  # as text, 10 comes before 2
            flowcraft_adapter_bench.plain(scenario)

    @checks("SUB-01")
    def test_a_subflow_sees_and_gives_what_is_mapped(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = dynamic(
            "subflow", "subflow-mapped", "subflow-apart", "subflow-that-fails", "subflow-not-taken",
            "subflow-in-a-loop", "subflow-in-a-subflow", "subflow-with-a-loop",
        )  # fmt: skip
        flowcraft_adapter_bench.search(chosen, tuple(Kind))

    @checks("SUB-01")
    def test_each_iteration_of_a_loop_runs_once(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = dynamic(
            "loop-asks-after", "loop-asks-before", "loop-of-none", "loop-of-a-diamond", "loop-of-branches",
            "loop-of-an-any", "loop-in-a-loop", "loop-that-dies", "loop-that-fails", "loop-of-failures",
        )  # fmt: skip
        flowcraft_adapter_bench.search(chosen, tuple(Kind))

    @checks("SUB-01")
    def test_random_mixtures_of_all_of_them(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        bench.search(random_dynamic_scenarios(bench.random(), _RANDOM_GRAPHS), _LOST_OR_REPEATED)


def _commits_or_enqueues(call: CallSeen) -> bool:
    """Whether the call makes something durable that others go by."""
    return call.part == "queue" or (call.part == "context" and call.name.startswith("patch"))


def _may_follow_a_sleep(call: CallSeen) -> bool:
    return call.part in ("clock", "queue") or _commits_or_enqueues(call)


def _slept_as_told(trace: Trace) -> str | None:
    """Node ``d`` follows node ``a`` after a day of sleep: no sooner, and not after another one."""
    begun = [execution.at for execution in trace.executions if execution.node == "a"]
    ended = [execution.at for execution in trace.executions if execution.node == "d"]
    if not begun or not ended:
        return None
    slept = ended[0] - begun[0]
    if slept < DAY_SECONDS:
        return f"a sleep of {DAY_SECONDS:g} s was over after {slept:g} s"
    if slept > 1.5 * DAY_SECONDS:
        return f"a sleep of {DAY_SECONDS:g} s took {slept:g} s: it was slept anew when its job came back"
    return None
