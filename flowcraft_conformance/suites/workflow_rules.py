"""Routing, inputs, joins and retries: the run on the adapter ends as the in-process runtime does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from flowcraft_conformance.checking.blueprints import flow, node, wide_join
from flowcraft_conformance.contract.blueprint import NodeConfig, WorkflowBlueprint
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.events import at_calls
from flowcraft_conformance.harness.captured.judging import Trace
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.workflow_graphs import every_workflow, examples, random_scenarios, scenario_of

_NOTHING: tuple[Kind, ...] = ()
"""No event: the orders of delivery only."""


class WorkflowRules:
    """What a workflow means, whoever runs it."""

    @checks("FLOW-ORACLE-01")
    def test_a_run_without_any_fault_ends_as_in_one_process(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.each_plain(every_workflow(flowcraft_adapter_bench))

    @checks("FLOW-ORACLE-01")
    def test_every_example_ends_as_in_one_process(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(examples(), _NOTHING)

    @checks("FLOW-ORACLE-01")
    def test_random_graphs_end_as_in_one_process(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        bench.search(random_scenarios(bench.random(), bench.settings.profile.examples // 2), _NOTHING)

    @checks("FLOW-ORDER-01")
    def test_a_node_starts_after_those_it_waits_for(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("chain", "diamond", "diamond-and-on", "three-starts", "any", "fallback", watch_outputs=True)
        for kinds in (_NOTHING, (Kind.DUPLICATE,)):
            flowcraft_adapter_bench.search(chosen, kinds, also=_started_too_early, share=0.5, when_plain=())

    @checks("FLOW-ORDER-01")
    def test_a_queue_goes_on_beside_a_worker_that_died(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("chain", "diamond", watch_outputs=True):
            flowcraft_adapter_bench.at_each(
                scenario, at_calls((Kind.CRASH, Kind.PAUSE), _is_a_job), also=_started_too_early
            )

    @checks("FLOW-ROUTE-01")
    def test_actions_and_conditions_choose_the_edges(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("action", "action-unknown", "condition", "writes", "skipped-branch")
        flowcraft_adapter_bench.search(chosen, (Kind.CRASH, Kind.DUPLICATE))

    @checks("FLOW-INPUT-01")
    def test_an_input_depends_on_the_blueprint_alone(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("diamond", "three-starts", "transform", "parallel-edges", "inputs", "spoiled", "any")
        flowcraft_adapter_bench.search(chosen, (Kind.DUPLICATE,))

    @checks("JOIN-ALL-01")
    def test_an_all_join_commits_once_after_the_last_that_can_arrive(
        self, flowcraft_adapter_bench: AdapterBench
    ) -> None:
        chosen = examples("diamond", "three-starts", "condition", "skipped-branch", "skipped-join")
        flowcraft_adapter_bench.search(chosen, _NOTHING, share=0.4)
        flowcraft_adapter_bench.search(chosen, (Kind.DUPLICATE, Kind.CRASH, Kind.PAUSE), share=0.6)

    @checks("JOIN-ALL-02")
    def test_joins_of_parallel_edges_and_fallbacks(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("parallel-edges", "parallel-any", "fallback")
        flowcraft_adapter_bench.search(chosen, (Kind.DUPLICATE, Kind.CRASH))

    @checks("JOIN-ALL-02")
    def test_joins_of_any_width(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        widest = 50 if bench.settings.profile.name == "quick" else 1000
        for width in (1, 2, 50, *({widest} - {50})):
            bench.plain(scenario_of(wide_join(width)), any_order=True)

    @checks("JOIN-ANY-01")
    def test_an_any_join_runs_once_with_its_winner(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("any", "any-of-three", "parallel-any", "any-none", "skipped-behind-any")
        flowcraft_adapter_bench.search(chosen, tuple(Kind))

    @checks("JOIN-ANY-01")
    def test_the_first_to_arrive_at_an_any_join_wins(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(examples("any", "any-of-three"), _NOTHING, also=_another_one_won)

    @checks("JOIN-FAIL-01")
    def test_a_join_behind_a_failure_does_not_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("failure", "failure-before-any", "failure-at-once")
        flowcraft_adapter_bench.search(chosen, (Kind.CRASH, Kind.DUPLICATE), also=_ran_behind_a_failure)

    @checks("RETRY-01")
    def test_attempts_fallbacks_and_delays(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        for blueprint in _RETRIES:
            before = blueprint.to_dict()
            scenario = replace(scenario_of(blueprint), attempts=bench.settings.capabilities.queue_attempts)
            bench.plain(scenario, also=_attempts_as_configured)
            if blueprint.to_dict() != before:
                raise ClauseViolation(f"running blueprint {blueprint.id!r} has changed it")
        bench.search(examples("retry", "fallback"), (Kind.DUPLICATE, Kind.CRASH))


_RETRIES: tuple[WorkflowBlueprint, ...] = (
    flow("retry-enough", node("b", "flaky", failures=2, config=NodeConfig(max_retries=3)), "a>b b>c"),
    flow("retry-too-few", node("b", "flaky", failures=2, config=NodeConfig(max_retries=2)), "a>b b>c"),
    flow("retry-often", node("b", "flaky", failures=6, config=NodeConfig(max_retries=8)), "a>b b>c"),
    flow("retry-none", node("b", "flaky", failures=1), "a>b b>c"),
    flow("retry-delay", node("b", "flaky", failures=2, config=NodeConfig(max_retries=3, retry_delay=5000)), "a>b b>c"),
    flow("timeout", node("b", "slow", seconds=100, config=NodeConfig(timeout=2000)), "a>b b>c"),
    flow("in-time", node("b", "slow", seconds=1, config=NodeConfig(timeout=2000)), "a>b b>c"),
    flow("timeout-then-fallback", node("b", "slow", seconds=100, config=NodeConfig(timeout=2000, fallback="f")),
         node("f"), "a>b b>c"),
    flow("retries-then-fallback", node("b", "fail", config=NodeConfig(max_retries=3, fallback="f")), node("f"),
         "a>b b>c"),
    flow("fallback-fails-too", node("b", "fail", config=NodeConfig(fallback="f")), node("f", "fail"), "a>b b>c"),
)  # fmt: skip
_RUNS = {
    "retry-enough": 3, "retry-too-few": 2, "retry-often": 7, "retry-none": 1, "retry-delay": 3, "timeout": 1,
    "in-time": 1, "timeout-then-fallback": 1, "retries-then-fallback": 3, "fallback-fails-too": 1,
}  # fmt: skip
_DELAY_SECONDS = 5.0


def _attempts_as_configured(trace: Trace) -> str | None:
    """Node ``b`` was tried as often as its blueprint says, and no sooner."""
    moments = [execution.at for execution in trace.executions if execution.node == "b"]
    wanted = _RUNS[trace.scenario.blueprint.id]
    if len(moments) != wanted:
        return f"node 'b' was tried {len(moments)} times, its blueprint says {wanted}"
    if trace.scenario.blueprint.id == "retry-delay":
        waits = [later - earlier for earlier, later in pairwise(moments)]
        if short := [wait for wait in waits if wait < _DELAY_SECONDS]:
            return f"node 'b' was tried again after {short[0]:g} s, its retry_delay is {_DELAY_SECONDS:g} s"
    return None


def _is_a_job(call: CallSeen) -> bool:
    return call.part == "queue"


def _started_too_early(trace: Trace) -> str | None:
    """Whether a node ran before those it waits for had their outputs stored."""
    blueprint = trace.scenario.blueprint
    before: dict[str, list[str]] = {}
    for edge in blueprint.edges:
        before.setdefault(edge.target, []).append(edge.source)
    any_joins = {one.id for one in blueprint.nodes if one.config.join_strategy == "any"}
    for execution in trace.executions:
        missing = [source for source in before.get(execution.node, ()) if source not in execution.stored]
        is_early = len(missing) == len(before[execution.node]) if execution.node in any_joins else bool(missing)
        if missing and is_early:
            return f"node {execution.node!r} started before the output of {missing[0]!r} was stored"
    return None


def _another_one_won(trace: Trace) -> str | None:
    """Whether join ``d`` was given another's output than that of the predecessor that was done first.

    Each job of the run was over before the next one was delivered.
    """
    before = {edge.source for edge in trace.scenario.blueprint.edges if edge.target == "d"}
    first = next((execution.node for execution in trace.executions if execution.node in before), None)
    for execution in trace.executions:
        if execution.node == "d" and isinstance(execution.input, dict) and execution.input.get("by") != first:
            return f"join 'd' was given the output of {execution.input.get('by')!r}, and {first!r} was done before it"
    return None


def _ran_behind_a_failure(trace: Trace) -> str | None:
    """Whether an ``all`` join behind the failing node ran."""
    failing = {one.id for one in trace.scenario.blueprint.nodes if one.uses == "fail"}
    any_joins = {one.id for one in trace.scenario.blueprint.nodes if one.config.join_strategy == "any"}
    behind = {edge.target for edge in trace.scenario.blueprint.edges if edge.source in failing} - any_joins
    ran = [execution.node for execution in trace.executions if execution.node in behind]
    return f"node {ran[0]!r} ran although {min(failing)!r} before it has failed for good" if ran else None
