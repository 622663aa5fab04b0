"""Workflows and stores are measured to the end, what was made is gone, and figures count what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from flowcraft_conformance import AdapterOptions, FinalResult, JobPayload
from flowcraft_conformance.benchmarks.items import items_of
from flowcraft_conformance.benchmarks.measured import Benchmarks
from flowcraft_conformance.benchmarks.plan import BenchPlan, Rounds
from flowcraft_conformance.benchmarks.running import WORKFLOWS
from flowcraft_conformance.benchmarks.storing import IN_FLIGHT, OPERATIONS
from reference_adapters.memory import MemoryAdapter, MemoryHarness
from tests.support import opened_adapter

_ROUNDS = Rounds(2, 2, 100)
_PLAN = BenchPlan({}, _ROUNDS, (1, 2), _ROUNDS, 2, 20_000)


class Counting(MemoryHarness):
    """Notes what is made, closed and removed."""

    closed: ClassVar[list[str]] = []
    torn_down: ClassVar[list[str]] = []
    made: ClassVar[list[str]] = []

    async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
        adapter = await super().create_adapter(options)
        self.made.append(self.scope)
        inner = adapter.close

        async def close() -> None:
            self.closed.append(self.scope)
            await inner()

        adapter.close = close  # type: ignore[method-assign]
        return adapter

    async def teardown(self) -> None:
        self.torn_down.append(self.scope)


@pytest.fixture(scope="module")
def measured() -> Iterator[Benchmarks]:
    """Everything of the memory adapter, by a small plan."""
    with opened_adapter(Counting) as target:
        benchmarks = Benchmarks(target.settings, adapter=target, plan=_PLAN)
        for kind in ("store", "run"):
            benchmarks.outcome(items_of(kind, "quick")[0])
        yield benchmarks


def entries(measured: Benchmarks, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in measured.entries() if entry["benchmark"] == kind]


def test_every_workflow_is_measured_with_every_number_of_workers(measured: Benchmarks) -> None:
    found = entries(measured, "run")
    assert [(one["group"], one["variant"], one["status"], one["reason"]) for one in found] == [
        (workflow, workers, "measured", "") for workflow in WORKFLOWS for workers in ("1 worker", "2 workers")
    ]
    assert {one["parameters"]["worker_kind"] for one in found} == {"tasks of one process"}


def test_the_wait_is_known_of_every_job(measured: Benchmarks) -> None:
    """Two rounds of two runs each; the calls before them only warm up."""
    for one in entries(measured, "run"):
        waits = one["enqueue_to_start_seconds"]
        assert waits["jobs"] == 2 * 2 * one["parameters"]["nodes"]
        assert 0 < waits["p50"] <= waits["p99"]


def test_every_operation_of_the_store_is_measured_alone_and_in_flight(measured: Benchmarks) -> None:
    found = entries(measured, "store")
    assert [(one["parameters"]["operation"], one["parameters"]["in_flight"], one["status"]) for one in found] == [
        (name, count, "measured") for name in OPERATIONS for count in IN_FLIGHT
    ]


def test_every_item_of_a_profile_has_its_entry(measured: Benchmarks) -> None:
    for kind in ("store", "run"):
        assert {item.entry_id for item in items_of(kind, "quick")} == {one["id"] for one in entries(measured, kind)}


@pytest.mark.usefixtures("measured")
def test_every_scope_is_removed_and_every_worker_closed() -> None:
    """A client and one worker, a client and two workers; the adapter of the bench itself is still open."""
    scopes = {scope for scope in Counting.made if scope.startswith("fb")}
    assert len(scopes) == 2
    assert scopes <= set(Counting.torn_down)
    assert sorted(one for one in Counting.closed if one in scopes) == sorted(
        one for one in Counting.made if one in scopes
    )
    assert len([one for one in Counting.made if one in scopes]) == 5


class FailsEveryRun(MemoryHarness):
    async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
        adapter = await super().create_adapter(options)

        async def handle_job(job: JobPayload) -> None:
            await adapter.publish_final_result(job.run_id, FinalResult("failed", reason="no node runs here"))

        adapter.handle_job = handle_job  # type: ignore[method-assign]
        return adapter


class NeverEnds(MemoryHarness):
    async def create_adapter(self, options: AdapterOptions) -> MemoryAdapter:
        adapter = await super().create_adapter(options)

        async def enqueue_job(job: JobPayload) -> None:
            await asyncio.sleep(0)

        adapter.enqueue_job = enqueue_job  # type: ignore[method-assign]
        return adapter


def run_entries(harness: type[MemoryHarness], within: float) -> list[dict[str, Any]]:
    with opened_adapter(harness) as target:
        target.settings.profile = replace(target.settings.profile, check_seconds=within)
        benchmarks = Benchmarks(target.settings, adapter=target, plan=_PLAN)
        benchmarks.outcome(items_of("run", "quick")[0])
        return entries(benchmarks, "run")


def test_a_run_that_fails_is_no_figure() -> None:
    found = run_entries(FailsEveryRun, 20)
    assert {one["status"] for one in found} == {"not-measured"}
    assert found[0]["reason"] == "a run of the chain of 20 failed: no node runs here"


def test_a_run_that_never_ends_is_given_up() -> None:
    found = run_entries(NeverEnds, 0.2)
    assert {one["status"] for one in found} == {"not-measured"}
    assert "did not return within 0.2 s" in found[0]["reason"]
