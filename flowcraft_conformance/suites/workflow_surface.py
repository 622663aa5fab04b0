"""What others see of a run: its events, the ids it was given, and what it leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import partial

from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable
from flowcraft_conformance.harness.adapter_bench import WRONG_WHEN_PLAIN, AdapterBench
from flowcraft_conformance.harness.captured.events import at_calls, changes_something
from flowcraft_conformance.harness.captured.judging import Trace, judge
from flowcraft_conformance.harness.captured.plan import Event, Kind
from flowcraft_conformance.harness.captured.records import CallSeen, InjectedError
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.workflow_graphs import examples
from flowcraft_conformance.suites.workflow_ids import FAMILIES, PAIRS, UNLIKE, Pair, odd_run, plain_run

_EVENTS = ("job:enqueued", "job:processed", "job:failed")
_BUS_ERRORS = ("the connection was lost", "the event bus is down")
_DEEPEST_CAUSE = 20
_WEEK = 7 * 24 * 3600


class WorkflowSurface:
    """Events, ids and leftovers."""

    @checks("EVT-01")
    def test_each_event_comes_once_with_its_ids(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("chain", "diamond", "condition", "any", "failure", "fallback", "retry"):
            _require_events(flowcraft_adapter_bench.trace(scenario))

    @checks("EVT-01")
    def test_an_event_bus_that_fails_once_harms_no_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("chain", "failure"):
            events = at_calls((Kind.FAIL,), _is_an_event)
            flowcraft_adapter_bench.at_each(scenario, events, also=_harmed_by_its_bus, when_plain=())

    @checks("EVT-01")
    def test_an_event_bus_that_is_down_harms_no_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("diamond", "failure", "retry"):
            flowcraft_adapter_bench.compared(scenario, replace(scenario, dead_bus=True), also=_harmed_by_its_bus)

    @checks("KEY-01")
    def test_nodes_with_odd_ids_end_as_others_do(self, flowcraft_adapter_bench: AdapterBench) -> None:
        _needs_to_be_right_with_plain_ids(flowcraft_adapter_bench)
        chosen = [odd_run(name, ids) for name, ids in FAMILIES.items()]
        flowcraft_adapter_bench.each_plain(chosen)
        flowcraft_adapter_bench.search(chosen, (Kind.DUPLICATE, Kind.INTERLEAVE))

    @checks("KEY-01")
    def test_two_runs_whose_ids_look_alike_end_as_each_alone(self, flowcraft_adapter_bench: AdapterBench) -> None:
        _needs_to_be_right_with_plain_ids(flowcraft_adapter_bench)
        flowcraft_adapter_bench.beside([pair.scenario() for pair in PAIRS], (Kind.INTERLEAVE,))

    @checks("KEY-01")
    def test_two_runs_whose_ids_look_alike_do_not_wait_for_each_other(
        self, flowcraft_adapter_bench: AdapterBench
    ) -> None:
        if _put_back(flowcraft_adapter_bench, UNLIKE) is not None:
            raise NotApplicable("jobs of unlike runs wait for each other too, for some other reason than their ids")
        for pair in PAIRS:
            if (waits := _put_back(flowcraft_adapter_bench, pair)) is not None:
                raise ClauseViolation(
                    f"runs {pair.first[0]!r} and {pair.second[0]!r} wait for each other: job {waits!r} of the one was "
                    f"put back while a job of the other was at work, which does not happen where their ids are unlike"
                )

    @checks("LEAK-01")
    def test_coordination_keys_end_after_their_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        rule = _leak_rule(bench)
        for scenario in _watched("diamond", "any", "failure", "retry"):
            bench.at_each(scenario, _no_events, also=rule, when_plain=())

    @checks("LEAK-01")
    def test_coordination_keys_of_a_disturbed_run_end_too(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        rule = _leak_rule(bench)
        [chain] = _watched("chain")
        bench.at_each(chain, at_calls((Kind.CRASH,), changes_something, before=False), also=rule, when_plain=())
        bench.search(_watched("diamond", "failure"), (Kind.FAIL, Kind.DUPLICATE, Kind.PAUSE), also=rule, when_plain=())


def _needs_to_be_right_with_plain_ids(bench: AdapterBench) -> None:
    """Else its ids are not to blame.

    Raises:
        Inconclusive: the same workflow is wrong with plain ids.
    """
    if bench.settings.replay is None:
        scenario = plain_run()
        problem = judge(bench.trace(scenario), bench.expected(scenario))
        if problem is not None:
            raise Inconclusive(WRONG_WHEN_PLAIN.format(scenario.blueprint.id, problem.got))


# Events


def _is_an_event(call: CallSeen) -> bool:
    return call.part == "bus"


def _require_events(trace: Trace) -> None:
    """The events of a run to which nothing was done are those of its enqueues and of the outcomes of its jobs."""
    seen = [(event, payload) for event, payload in trace.events if event in _EVENTS]
    counts = Counter((event, str(payload.get("nodeId"))) for event, payload in seen)
    wrong = _wrong_ids(trace) or _wrong_enqueued(trace, counts) or _wrong_outcomes(trace, counts)
    if wrong is not None:
        told = [f"{event} {payload}" for event, payload in seen]
        raise ClauseViolation(
            f"workflow {trace.scenario.blueprint.id!r}: {wrong}",
            "\n".join(told).replace(trace.run_id, "run") or "no event was emitted",
        )


def _wrong_ids(trace: Trace) -> str | None:
    nodes = {one.id for one in trace.scenario.blueprint.nodes}
    for event, payload in trace.events:
        if event not in _EVENTS:
            continue
        for name, right in (
            ("runId", {trace.run_id}),
            ("blueprintId", {trace.scenario.blueprint.id}),
            ("nodeId", nodes),
        ):
            if payload.get(name) not in right:
                return f"event {event} has {name} {payload.get(name)!r}"
    return None


def _wrong_enqueued(trace: Trace, counts: Counter[tuple[str, str]]) -> str | None:
    for node, times in Counter(trace.enqueued).items():
        if counts["job:enqueued", node] != times:
            return f"job {node!r} was enqueued {times} times, with {counts['job:enqueued', node]} events job:enqueued"
    return None


def _wrong_outcomes(trace: Trace, counts: Counter[tuple[str, str]]) -> str | None:
    """One job:processed for a node that did its work, one job:failed for one that has failed for good.

    Where a job was delivered several times, several may be told.
    """
    delivered = Counter(delivery.job.node_id for delivery in trace.deliveries)
    raised = Counter(delivery.job.node_id for delivery in trace.deliveries if delivery.outcome == "raised")
    failed = {one.id for one in trace.scenario.blueprint.nodes if one.uses == "fail" and one.config.fallback is None}
    for node in {delivery.job.node_id for delivery in trace.deliveries if _did_work(trace, delivery.number)}:
        right, wrong = ("job:failed", "job:processed") if node in failed else ("job:processed", "job:failed")
        if not 1 <= counts[right, node] <= delivered[node]:
            return f"job {node!r} was delivered {delivered[node]} times, with {counts[right, node]} events {right}"
        if counts[wrong, node] > (0 if node in failed else raised[node]):
            return f"job {node!r} has {'failed' if node in failed else 'succeeded'}, with an event {wrong}"
    return None


def _did_work(trace: Trace, delivery: int) -> bool:
    return any(execution.delivery == delivery for execution in trace.executions)


def _harmed_by_its_bus(trace: Trace) -> str | None:
    """Whether the failure of the bus got as far as a job, a client or a result."""
    if trace.client_errors:
        return f"the event bus failed, and so did the call of a client: {trace.client_errors[0]}"
    for delivery in trace.deliveries:
        if _is_of_the_bus(delivery.error):
            return f"the event bus failed, and so did job {delivery.job.node_id!r}: {delivery.error}"
    for result in trace.results:
        if any(text in (result.reason or "") for text in _BUS_ERRORS):
            return f"the event bus failed, and so did the run: {result.reason}"
    return None


def _is_of_the_bus(error: BaseException | None) -> bool:
    """Whether the error, or one that it was raised for, is what the bus has failed with."""
    seen = 0
    while error is not None and seen < _DEEPEST_CAUSE:
        if isinstance(error, InjectedError) or any(text in str(error) for text in _BUS_ERRORS):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


# Ids


def _put_back(bench: AdapterBench, pair: Pair) -> str | None:
    """The node of a job that was put back while a job of the other run stood in the middle of its work, or None."""
    scenario = pair.lines()
    base = bench.trace(scenario)
    for call in base.calls:
        if call.part != "node" or not call.waiting:
            continue
        trace = bench.trace(scenario, Event(call.number, Kind.INTERLEAVE))
        for delivery in trace.deliveries:
            if delivery.outcome == "deferred":
                return delivery.job.node_id
    return None


# Leftovers


def _watched(*names: str) -> list[Scenario]:
    return [replace(scenario, watch_keys=True) for scenario in examples(*names)]


def _no_events(_: Trace) -> tuple[Event, ...]:
    return ()


def _leak_rule(bench: AdapterBench) -> partial[str | None]:
    """The rule; keys that another run leaves as well belong to no run."""
    [other] = _watched("single")
    return partial(_leaves_keys, {left.key for left in bench.trace(other).left})


def _leaves_keys(shared: Collection[str], trace: Trace) -> str | None:
    """Whether a coordination key of the run is kept alive after its end, or ends much later."""
    ttls = trace.scenario.ttls
    longest = max(ttls.fanin, ttls.joinlock, ttls.poison, ttls.cancel, ttls.nodelock, ttls.blueprint)
    for left in trace.left:
        if left.key in shared:
            continue
        if left.written > longest:
            return f"key {left.key!r} was still extended {left.written:g} s after the end of its run"
        if left.ends > _WEEK:
            return f"key {left.key!r} is there for {left.ends:g} s after the end of its run"
    return None
