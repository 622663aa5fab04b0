"""The job suite: an adapter's own queue in real time, with a handler of the kit's, and whole workflows on it."""

from __future__ import annotations

import contextlib
from typing import ClassVar

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import NotApplicable, Unsupported
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.live.together import Program, judge_by
from flowcraft_conformance.suites.jobs_delivery import PEACE
from flowcraft_conformance.suites.jobs_life import CLOSING, CYCLES, STARTING, coming_back
from flowcraft_conformance.suites.jobs_messages import BAD
from flowcraft_conformance.suites.jobs_processes import crowd_of_processes, killed
from flowcraft_conformance.suites.jobs_put_back import PUT_BACK
from flowcraft_conformance.suites.jobs_results import ALIKE, LARGE_RESULT, LONG_REASON
from flowcraft_conformance.suites.jobs_workers import BACKLOG, BUSY, CROWD
from flowcraft_conformance.suites.jobs_workflows import killed_processes, many_processes, many_workers, poisoned
from flowcraft_conformance.suites.suite import Suite, checks

TOGETHER: tuple[Program, ...] = (
    PEACE, PUT_BACK, BUSY, BACKLOG, CROWD, BAD, STARTING, CLOSING, LONG_REASON, LARGE_RESULT, ALIKE
)  # fmt: skip
"""Programs that share one wait."""


def _between_processes(bench: AdapterBench) -> tuple[Program, ...]:
    """Programs that share one wait, too.

    Raises:
        Unsupported: the adapter belongs to one process.
    """
    crew = bench.target.crew()
    programs = killed(crew), crowd_of_processes(crew), many_processes(bench, crew), killed_processes(bench, crew)
    with contextlib.suppress(NotApplicable):
        return *programs, poisoned(bench, crew)
    return programs


def _between_processes_if_any(bench: AdapterBench) -> tuple[Program, ...]:
    try:
        return _between_processes(bench)
    except Unsupported as error:  # what workers of one process show decides about the clause
        raise NotApplicable(str(error)) from None


class JobSuite(Suite):
    """Judges an adapter's queue. Override the fixture ``flowcraft_adapter_harness`` to use it in a repository."""

    part: ClassVar[Target] = Target.ADAPTER

    @checks("JOB-RT-01")
    def test_jobs_arrive_unchanged(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PEACE, TOGETHER, "JOB-RT-01")

    @checks("JOB-RT-01")
    def test_waiting_behind_slow_jobs_uses_up_no_attempt(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, BACKLOG, TOGETHER, "JOB-RT-01")

    @checks("JOB-LOSS-01")
    def test_a_job_enqueued_while_it_is_worked_at_comes_again(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PUT_BACK, TOGETHER, "JOB-LOSS-01")

    @checks("JOB-NACK-01")
    def test_a_job_may_be_deferred_often_and_for_long(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PUT_BACK, TOGETHER, "JOB-NACK-01")

    @checks("DLQ-01")
    def test_what_could_not_be_given_up_is_given_up_later(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PUT_BACK, TOGETHER, "DLQ-01")

    @checks("JOB-LOSS-01")
    def test_every_job_is_delivered(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PEACE, TOGETHER, "JOB-LOSS-01")

    @checks("JOB-ACK-01")
    def test_a_job_that_is_done_does_not_come_back(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PEACE, TOGETHER, "JOB-ACK-01")

    @checks("JOB-ACK-01")
    def test_waiting_behind_slow_jobs_makes_no_copies(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, BACKLOG, TOGETHER, "JOB-ACK-01")

    @checks("JOB-NACK-01")
    def test_a_job_that_raised_or_was_deferred_comes_again(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, PEACE, TOGETHER, "JOB-NACK-01")

    @checks("JOB-CRASH-01")
    def test_the_job_of_a_killed_process_comes_to_another(self, flowcraft_adapter_bench: AdapterBench) -> None:
        between = _between_processes(flowcraft_adapter_bench)
        judge_by(flowcraft_adapter_bench, between[0], between, "JOB-CRASH-01")

    @checks("JOB-CONC-01")
    def test_every_process_is_given_work(self, flowcraft_adapter_bench: AdapterBench) -> None:
        between = _between_processes_if_any(flowcraft_adapter_bench)
        judge_by(flowcraft_adapter_bench, between[1], between, "JOB-CONC-01")

    @checks("JOB-LONG-01")
    def test_a_long_job_stays_with_its_worker(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, BUSY, TOGETHER, "JOB-LONG-01")

    @checks("JOB-CONC-01")
    def test_every_worker_is_given_work(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, CROWD, TOGETHER, "JOB-CONC-01")

    @checks("JOB-CONC-02")
    def test_a_slow_job_keeps_no_other_waiting(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, BUSY, TOGETHER, "JOB-CONC-02")

    @checks("JOB-BAD-01")
    def test_messages_that_are_no_jobs_are_told_and_passed(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, BAD, TOGETHER, "JOB-BAD-01")

    @checks("JOB-LIFE-01")
    def test_jobs_sent_around_a_start_are_taken(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, STARTING, TOGETHER, "JOB-LIFE-01")

    @checks("JOB-LIFE-02")
    def test_closing_lets_jobs_finish_and_takes_no_others(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, CLOSING, TOGETHER, "JOB-LIFE-02")

    @checks("JOB-LIFE-02")
    def test_cycles_of_start_and_close_leave_nothing_that_grows(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, CYCLES, (CYCLES,), "JOB-LIFE-02")

    @checks("JOB-LIFE-03")
    def test_a_worker_goes_on_when_its_queue_is_back(self, flowcraft_adapter_bench: AdapterBench) -> None:
        program = coming_back(flowcraft_adapter_bench.settings.surroundings.faults())
        judge_by(flowcraft_adapter_bench, program, (program,), "JOB-LIFE-03")

    @checks("DLQ-01")
    def test_a_job_that_kills_its_workers_ends_its_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        between = _between_processes_if_any(flowcraft_adapter_bench)
        program = poisoned(flowcraft_adapter_bench, flowcraft_adapter_bench.target.crew())
        judge_by(flowcraft_adapter_bench, program, between, "DLQ-01")

    @checks("RESULT-02")
    def test_a_client_reads_the_whole_reason(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, LONG_REASON, TOGETHER, "RESULT-02")

    @checks("RESULT-01")
    def test_a_client_reads_the_whole_of_a_large_result(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, LARGE_RESULT, TOGETHER, "RESULT-01")

    @checks("KEY-01")
    def test_a_client_reads_the_result_of_its_own_run(self, flowcraft_adapter_bench: AdapterBench) -> None:
        judge_by(flowcraft_adapter_bench, ALIKE, TOGETHER, "KEY-01")

    @checks("DLV-MULTI-01")
    def test_workflows_end_the_same_on_several_workers(self, flowcraft_adapter_bench: AdapterBench) -> None:
        program = many_workers(flowcraft_adapter_bench)
        judge_by(flowcraft_adapter_bench, program, (program,), "DLV-MULTI-01")

    @checks("DLV-MULTI-01")
    def test_workflows_end_the_same_on_several_processes(self, flowcraft_adapter_bench: AdapterBench) -> None:
        between = _between_processes_if_any(flowcraft_adapter_bench)
        judge_by(flowcraft_adapter_bench, between[2], between, "DLV-MULTI-01")

    @checks("DLV-CRASH-02")
    def test_workflows_end_the_same_though_processes_are_killed(self, flowcraft_adapter_bench: AdapterBench) -> None:
        between = _between_processes(flowcraft_adapter_bench)
        judge_by(flowcraft_adapter_bench, between[3], between, "DLV-CRASH-02")
