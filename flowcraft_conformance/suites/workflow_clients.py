"""What clients and operators do: start, resume, reconcile, give up; and runs that belong to other workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from flowcraft_conformance.checking.blueprints import EXAMPLES, WAITING, flow
from flowcraft_conformance.contract.payloads import JobPayload, NodeResult
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.events import at_calls
from flowcraft_conformance.harness.captured.judging import Trace
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.harness.captured.records import CallSeen
from flowcraft_conformance.harness.captured.scenario import Scenario, Step
from flowcraft_conformance.harness.captured.world import World
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import possible_outcomes
from flowcraft_conformance.suites.suite import checks

_LOOK_EMPTY: tuple[Any, ...] = (0, False, "", [], {}, None)
"""Outputs that a careless look takes for none."""


class WorkflowClients:
    """Starting, waiting, reconciling, giving up."""

    @checks("START-01")
    def test_starting_twice_starts_once(self, flowcraft_adapter_bench: AdapterBench) -> None:
        scenario = Scenario(EXAMPLES["diamond"], kit_registry, {"k": 1}, steps=(_start_again,))
        flowcraft_adapter_bench.search([scenario], (Kind.DUPLICATE,), also=_ran_more_than_once)

    @checks("START-01")
    def test_a_start_that_was_cut_off_is_completed(self, flowcraft_adapter_bench: AdapterBench) -> None:
        scenario = Scenario(EXAMPLES["three-starts"], kit_registry, {"k": 1})
        flowcraft_adapter_bench.at_each(scenario, at_calls((Kind.CRASH, Kind.FAIL), _is_made_by_a_client))

    @checks("HITL-01")
    def test_a_wait_rests_until_it_is_resumed(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for name in WAITING:
            flowcraft_adapter_bench.plain(Scenario(WAITING[name], kit_registry))

    @checks("HITL-01")
    def test_the_action_of_a_resume_routes(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench = flowcraft_adapter_bench
        for action in ("yes", "no", "other"):
            bench.resumed(WAITING["wait"], (_resume("w", action, {"n": 1}),), {"w": NodeResult({"n": 1}, action)})

    @checks("HITL-01")
    def test_parallel_waits_are_resumed_one_by_one_or_together(self, flowcraft_adapter_bench: AdapterBench) -> None:
        bench, both = flowcraft_adapter_bench, {"w": NodeResult(1, "go"), "x": NodeResult(2, "go")}
        bench.resumed(WAITING["two-waits"], (_resume("w", "go", 1), _resume("x", "go", 2)), both)
        same = {"w": NodeResult(3, "go"), "x": NodeResult(3, "go")}
        bench.resumed(WAITING["two-waits"], (_resume(None, "go", 3),), same)
        bench.resumed(WAITING["two-waits"], (_resume("w", "go", 1),), {"w": NodeResult(1, "go")})

    @checks("HITL-01")
    def test_an_answer_that_looks_empty_is_an_answer(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for output in _LOOK_EMPTY:
            answers = {"w": NodeResult(output, "yes")}
            allowed = asyncio.run(possible_outcomes(WAITING["wait"], kit_registry, answers=answers))
            scenario = Scenario(WAITING["wait"], kit_registry, steps=(_resume("w", "yes", output),))
            flowcraft_adapter_bench.search([scenario], (), orders=False, allowed=allowed, share=0.05)

    @checks("HITL-01")
    def test_waits_in_a_row_may_be_answered_alike(self, flowcraft_adapter_bench: AdapterBench) -> None:
        """The same call again is another answer: what guards against a click too many must know which wait it was."""
        answers = {"w": NodeResult(1, "go"), "x": NodeResult(1, "go")}
        allowed = asyncio.run(possible_outcomes(WAITING["waits-in-a-row"], kit_registry, answers=answers))
        again = Scenario(
            WAITING["waits-in-a-row"], kit_registry, steps=(_resume(None, "go", 1), _resume(None, "go", 1))
        )
        flowcraft_adapter_bench.search([again], (), orders=False, allowed=allowed, share=0.05)

    @checks("HITL-01")
    def test_a_second_answer_changes_nothing(self, flowcraft_adapter_bench: AdapterBench) -> None:
        steps = (_resume("w", "yes", 1, twice="no"),)
        flowcraft_adapter_bench.resumed(WAITING["wait"], steps, {"w": NodeResult(1, "yes")})

    @checks("RECON-01")
    def test_what_was_lost_is_enqueued_again_and_nothing_else(self, flowcraft_adapter_bench: AdapterBench) -> None:
        for name in ("diamond", "three-starts", "condition", "any", "two-sinks", "apart"):
            for delivered in range(5):
                _reconciled(flowcraft_adapter_bench, name, delivered)

    @checks("DLQ-01")
    def test_a_job_that_was_given_up_fails_its_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        scenario = Scenario(EXAMPLES["chain"], kit_registry, before_delivery=_give_up)
        trace = flowcraft_adapter_bench.trace(scenario)
        statuses = [result.status for result in trace.results]
        if statuses != ["failed"]:
            raise ClauseViolation(f"a job was given up by the queue, and its run ended with {statuses or 'silence'}")
        if "too often" not in (trace.results[0].reason or ""):
            raise ClauseViolation(f"the published reason {trace.results[0].reason!r} does not say why it was given up")

    @checks("RESULT-03")
    def test_an_unknown_blueprint_is_a_published_failure(self, flowcraft_adapter_bench: AdapterBench) -> None:
        scenario = Scenario(EXAMPLES["single"], kit_registry, first=_enqueue_unknown)
        trace = flowcraft_adapter_bench.trace(scenario)
        if [result.status for result in trace.results] != ["failed"]:
            raise ClauseViolation(f"a job of an unknown blueprint ended with {list(trace.results) or 'silence'}")
        if "nobody-knows-this" not in (trace.results[0].reason or ""):
            raise ClauseViolation(f"the reason {trace.results[0].reason!r} does not name the blueprint")

    @checks("VER-01")
    def test_a_run_is_done_by_workers_of_its_version(self, flowcraft_adapter_bench: AdapterBench) -> None:
        old = flow("versioned", "a>b a>c b>d c>d", version="1")
        new = replace(old, metadata={"version": "2"})
        scenario = Scenario(old, kit_registry, worker_blueprints=((old,), (new,)))
        flowcraft_adapter_bench.plain(scenario, also=_deferred_without_an_attempt)

    @checks("VER-01")
    def test_a_run_without_a_version_starts(self, flowcraft_adapter_bench: AdapterBench) -> None:
        flowcraft_adapter_bench.plain(Scenario(EXAMPLES["chain"], kit_registry))


async def _start_again(world: World, client: DistributedAdapter) -> None:
    await client.start_run(world.scenario.blueprint.id, {"k": 2}, world.run_id)


async def _enqueue_unknown(world: World, client: DistributedAdapter) -> None:
    await client.enqueue_job(JobPayload(world.run_id, "nobody-knows-this", "a"))


async def _give_up(_world: World, client: DistributedAdapter, job: JobPayload) -> bool:
    """The queue gives up on node ``b``."""
    if job.node_id != "b":
        return True
    await client.abandon_job(job, "it was delivered too often")
    return False


def _is_made_by_a_client(call: CallSeen) -> bool:
    return call.delivery < 0


def _resume(node_id: str | None, action: str, output: Any, *, twice: str | None = None) -> Step:
    async def resume(world: World, client: DistributedAdapter) -> None:
        await client.resume_with_action(world.run_id, action, output, node_id=node_id)
        if twice is not None:
            await client.resume_with_action(world.run_id, twice, output, node_id=node_id)

    return resume


def _ran_more_than_once(trace: Trace) -> str | None:
    names = [execution.node for execution in trace.executions]
    repeated = [name for name in names if names.count(name) > 1]
    return f"node {repeated[0]!r} ran twice although the run was started with one id" if repeated else None


def _deferred_without_an_attempt(trace: Trace) -> str | None:
    """Workers of the other version execute nothing, and put their jobs back as they were."""
    strangers = {delivery.worker for delivery in trace.deliveries if trace.knows(delivery.worker, "2")}
    if not strangers:
        return None
    ended = next((call.number for call in trace.calls if call.part == "result"), len(trace.calls))
    too_late = {call.delivery for call in trace.calls if call.number > ended}
    for delivery in trace.deliveries:
        if delivery.worker in strangers and delivery.outcome != "deferred" and delivery.number not in too_late:
            return f"a worker of version 2 {delivery.outcome} job {delivery.job.node_id!r} of a run of version 1"
        if delivery.job.attempt > 1:
            return f"job {delivery.job.node_id!r} was put back by another version, and has used up an attempt"
    return None


def _reconciled(bench: AdapterBench, name: str, delivered: int) -> None:
    """After so many deliveries every job is lost; reconcile finds them, and the run ends as it should."""
    scenario = Scenario(EXAMPLES[name], kit_registry)

    async def body() -> tuple[set[str], list[set[str]], set[str], World]:
        captured = bench.captured()
        world = await captured.world(scenario)
        try:
            return *await world.run_losing_jobs(delivered), world
        finally:
            await captured.clean(world)

    lost, found, again, world = bench.run(body())
    for how, one in zip(("", " and, once they were enqueued again, lost again"), found, strict=True):
        if one != lost:
            raise ClauseViolation(
                f"{name}: after {delivered} deliveries the jobs {sorted(lost)} were lost{how}; "
                f"reconcile enqueued {sorted(one)}"
            )
    if again:
        raise ClauseViolation(f"{name}: the run is finished, and reconcile enqueued {sorted(again)}")
    outcomes = asyncio.run(possible_outcomes(scenario.blueprint, kit_registry))
    statuses = [result.status for result in world.results]
    if statuses != [outcomes.outcomes[0].status]:
        raise ClauseViolation(f"{name}: after reconcile the run ended with {statuses or 'silence'}")
