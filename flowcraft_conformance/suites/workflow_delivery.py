"""Duplicates, crashes, failing calls and lost leases: whatever is done to a run, it ends as if nothing had been."""

from __future__ import annotations

from dataclasses import replace

from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.events import at_calls, changes_something, interleavings, losses, repeats
from flowcraft_conformance.harness.captured.judging import Trace
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.harness.captured.records import CallSeen, Queued
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.workflow_graphs import DISTURBED, LONG, TWO_FAILURES, disturbed_graphs, examples

_HOUR = 3600.0


class WorkflowDelivery:
    """What at-least-once delivery, dying workers and a failing backend must not change."""

    @checks("DLV-DUP-01")
    def test_every_job_twice_at_every_moment(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(examples(*DISTURBED), (Kind.DUPLICATE,), when_plain=())

    @checks("DLV-DUP-01")
    def test_every_job_once_more_after_it_was_done(self, flowcraft_adapter_bench: AdapterBench) -> None:
        """What a copy puts on the queue too early is done at once where the newest job comes first."""
        for scenario in examples("diamond", "any", "condition"):
            for newest_first in (False, True):
                ordered = replace(scenario, newest_first=newest_first)
                flowcraft_adapter_bench.at_each(ordered, repeats, when_plain=())

    @checks("DLV-DUP-01")
    def test_every_job_once_more_an_hour_after_the_end(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("diamond", "any", "failure"):
            late = replace(scenario, steps=(_an_hour_later_all_jobs_again,), ttls=LONG.ttls)
            flowcraft_adapter_bench.compared(scenario, late)

    @checks("DLV-DUP-01")
    def test_duplicates_on_random_graphs(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        bench.search(disturbed_graphs(bench), (Kind.DUPLICATE,), when_plain=())

    @checks("DLV-CRASH-01")
    def test_a_crash_at_every_await(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(examples(*DISTURBED), (Kind.CRASH,), orders=False, when_plain=())

    @checks("DLV-CRASH-01")
    def test_a_crash_after_every_change(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("diamond", "condition", "action", "transform"):
            flowcraft_adapter_bench.at_each(
                scenario, at_calls((Kind.CRASH,), changes_something, before=False), when_plain=()
            )

    @checks("DLV-CRASH-01")
    def test_crashes_on_random_graphs(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        bench.search(disturbed_graphs(bench), (Kind.CRASH, Kind.DUPLICATE), when_plain=())

    @checks("FAULT-01")
    def test_one_failing_call_at_every_point(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(examples(*DISTURBED), (Kind.FAIL,), orders=False, when_plain=())

    @checks("FAULT-01")
    def test_a_change_that_fails_once_on_the_only_worker(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("writes", "failure"):
            events = at_calls((Kind.FAIL,), changes_something)
            flowcraft_adapter_bench.at_each(replace(scenario, workers=1), events, when_plain=())

    @checks("FAULT-01")
    def test_a_job_or_result_that_is_refused_once(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("diamond", "failure"):
            flowcraft_adapter_bench.at_each(scenario, at_calls((Kind.FAIL,), _tells_others), when_plain=())

    @checks("HB-01")
    def test_a_worker_that_wakes_up_after_its_lease(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("writes", "diamond", "any", "failure", "retry", "transform")
        flowcraft_adapter_bench.search(chosen, (Kind.PAUSE,), orders=False, when_plain=())

    @checks("HB-01")
    def test_a_worker_that_wakes_up_before_a_change(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("writes"):
            flowcraft_adapter_bench.at_each(
                scenario, at_calls((Kind.PAUSE,), changes_something, after=False), when_plain=()
            )

    @checks("HB-01")
    def test_a_coordination_key_is_lost_between_two_jobs(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("any", "diamond"):
            flowcraft_adapter_bench.at_each(scenario, losses, when_plain=())

    @checks("HB-01")
    def test_any_coordination_key_may_be_lost(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = examples("any", "diamond", "skipped-branch", "failure", "any-of-three", "apart")
        flowcraft_adapter_bench.search(chosen, (Kind.EXPIRE,), when_plain=())

    @checks("HB-01")
    def test_a_node_may_take_longer_than_every_lease(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.search(
            [LONG], (Kind.DUPLICATE, Kind.FAIL), also=_ran_twice_under_its_lease, when_plain=()
        )

    @checks("HB-01")
    def test_a_heartbeat_that_fails_stops_no_node(self, flowcraft_adapter_bench: AdapterBench) -> None:
        events = at_calls((Kind.FAIL,), _is_heartbeat)
        flowcraft_adapter_bench.at_each(LONG, events, also=_ran_twice_though_it_held_its_lease, when_plain=())

    @checks("DLV-MULTI-01")
    def test_two_jobs_done_in_the_middle_of_each_other(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for scenario in examples("sibling-writes", "any"):
            flowcraft_adapter_bench.at_each(scenario, interleavings, when_plain=())

    @checks("DLV-MULTI-01")
    def test_interleaved_jobs_of_many_workflows(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        chosen = examples("three-starts", "condition", "any-of-three", "apart", "fallback", "failure")
        bench.search([*chosen, *disturbed_graphs(bench)], (Kind.INTERLEAVE,), orders=False, when_plain=())

    @checks("RESULT-01")
    def test_one_final_status_published_once(self, flowcraft_adapter_bench: AdapterBench) -> None:
        chosen = [*examples("apart", "two-sinks", "failure", "any"), TWO_FAILURES]
        flowcraft_adapter_bench.search(
            chosen,
            (Kind.DUPLICATE, Kind.CRASH, Kind.FAIL),
            when_plain=("ends", "says_one_thing", "says_it_once"),
        )

    @checks("RESULT-02")
    def test_the_reason_names_the_node_and_its_error(self, flowcraft_adapter_bench: AdapterBench) -> None:
        unpaid = flow("unpaid", node("payment", "fail", message="boom"), "order>payment order>parcel")
        flowcraft_adapter_bench.plain(Scenario(unpaid, kit_registry), also=_names_node_and_error)


def _tells_others(call: CallSeen) -> bool:
    return call.part in ("queue", "result")


async def _an_hour_later_all_jobs_again(world: World, _client: DistributedAdapter) -> None:
    """Whatever was to end has ended, and a queue that kept unacknowledged copies for long delivers each."""
    world.clock.advance(_HOUR)
    await world.expire_keys()
    jobs = dict.fromkeys(delivery.job.node_id for delivery in world.deliveries)
    now = world.clock.monotonic()
    world.queue += [Queued(JobPayload(world.run_id, world.scenario.blueprint.id, node), now) for node in jobs]


def _is_heartbeat(call: CallSeen) -> bool:
    return call.part == "store" and call.name == "extend_ttl"


def _ran_twice_though_it_held_its_lease(trace: Trace) -> str | None:
    times = sum(execution.node == "b" for execution in trace.executions)
    if times > 1 and trace.happened:
        return f"the long node ran {times} times: one heartbeat failed, and its lease had most of its time left"
    return None


def _ran_twice_under_its_lease(trace: Trace) -> str | None:
    times = sum(execution.node == "b" for execution in trace.executions)
    if times > 1 + trace.disturbed:
        return f"the long node ran {times} times: its lease was not kept alive while it worked"
    return None


def _names_node_and_error(trace: Trace) -> str | None:
    reason = trace.results[0].reason or "" if trace.results else ""
    missing = [word for word in ("payment", "boom") if word not in reason]
    return f"the reason {reason!r} does not name {missing[0]!r}" if missing else None
