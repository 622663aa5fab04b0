"""Patches on contexts of known cost: verdicts, ratios and limits come out as they must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flowcraft_conformance import PatchOperation
from flowcraft_conformance.benchmarks.plan import BY_CHANGE, BY_CLIENTS, BY_SIZE, KB
from flowcraft_conformance.benchmarks.states import Case
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from reference_adapters.memory import MemoryContext
from tests.right.contexts import LockedDocument
from tests.support import judge, opened
from tests.throughput.synthetic import SIZES, FakeClock, benchmarks_of, costed, items, plan_of

_PER_BYTE = 1e-8
_FIXED = 1e-3


def growth(entries: Sequence[dict[str, Any]]) -> str:
    return next(str(entry["growth"]) for entry in entries if entry["benchmark"] == "scaling")


def entry_of(entries: Sequence[dict[str, Any]], group: str, variant: str) -> dict[str, Any]:
    return next(one for one in entries if one.get("group") == group and one["variant"] == variant)


def measured(factory: Any, clock: Any, plan: Any, experiment: str = BY_SIZE) -> list[dict[str, Any]]:
    with benchmarks_of(factory, clock, plan) as benchmarks:
        benchmarks.outcome(items(experiment)[0])
        return list(benchmarks.entries())


def test_a_context_that_writes_what_changed_is_flat() -> None:
    factory, clock = costed(lambda patch, _state: _FIXED + patch * _PER_BYTE)
    entries = measured(factory, clock, plan_of(*map(Case, SIZES)))
    assert growth(entries) == "flat"
    patch = entry_of(entries, "1 MB", "patch")
    assert patch["seconds"]["median"] == pytest.approx(_FIXED + 1024 * _PER_BYTE, rel=0.01)
    assert patch["operations_per_second"] == pytest.approx(1 / patch["seconds"]["median"], rel=1e-4)
    assert patch["state_megabytes_per_second"] == pytest.approx(patch["operations_per_second"], rel=0.01)
    want = (_FIXED + 1e6 * _PER_BYTE) / (_FIXED + 1024 * _PER_BYTE)
    assert patch["speed_to"]["full-write"]["median"] == pytest.approx(want, rel=0.01)


def test_a_context_that_rewrites_the_whole_state_is_linear_in_the_state() -> None:
    factory, clock = costed(lambda _patch, state: _FIXED / 10 + state * 10 * _PER_BYTE)
    entries = measured(factory, clock, plan_of(*map(Case, SIZES)))
    assert growth(entries) == "linear in the state"
    assert entry_of(entries, "1 MB", "patch")["speed_to"]["full-write"]["median"] == pytest.approx(1, rel=0.02)


def test_a_document_under_a_lock_passes_the_patch_clauses_so_that_its_verdict_is_told() -> None:
    with opened(Target.CONTEXT, LockedDocument) as settings:
        verdict, said = judge(Target.CONTEXT, LockedDocument, settings, "PATCH-RACE-01")
    assert verdict is Verdict.PASS, said


def test_everything_that_was_written_is_removed() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)
    measured(factory, clock, plan_of(*map(Case, SIZES)))
    assert factory.kept.runs == {}


def test_declared_limits_cut_what_is_measured() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED, max_patch_operations=25)
    cases = [Case(100 * KB, keys=200, changed=count) for count in (1, 100)]
    entries = measured(factory, clock, plan_of(*cases, experiment=BY_CHANGE), BY_CHANGE)
    assert max(factory.operations) == 25
    assert entry_of(entries, "1 changed", "full-write")["status"] == "measured"
    cut = entry_of(entries, "100 changed", "patch")
    assert cut["status"] == "not-measured"
    assert "max_patch_operations is declared 25" in cut["reason"]
    assert "seconds" not in cut


def test_many_clients_count_each_of_their_patches() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)
    cases = [Case(100 * KB, keys=200, clients=count) for count in (1, 4)]
    entries = measured(factory, clock, plan_of(*cases, experiment=BY_CLIENTS), BY_CLIENTS)
    one, four = (entry_of(entries, label, "patch") for label in ("1 client", "4 clients"))
    assert four["seconds"]["median"] == pytest.approx(4 * one["seconds"]["median"], rel=0.01)
    assert four["operations_per_second"] == pytest.approx(one["operations_per_second"], rel=0.01)


def test_the_bare_client_is_measured_beside_the_patch() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)

    def bare_patch(run_id: str) -> Any:
        context = factory(run_id)

        async def patch(operations: Sequence[PatchOperation]) -> None:
            await MemoryContext.patch(context, operations)
            clock.seconds += _FIXED / 2

        return patch

    factory.bare_patch = bare_patch
    entries = measured(factory, clock, plan_of(Case(10 * KB)))
    assert entry_of(entries, "10 KB", "patch")["speed_to"]["bare"]["median"] == pytest.approx(0.5, rel=0.01)
    assert entry_of(entries, "10 KB", "bare")["status"] == "measured"


def test_a_bare_client_that_writes_elsewhere_is_nothing_to_compare_with() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)

    def bare_patch(_run_id: str) -> Any:
        async def patch(_operations: Sequence[PatchOperation]) -> None:
            clock.seconds += _FIXED / 2

        return patch

    factory.bare_patch = bare_patch
    entries = measured(factory, clock, plan_of(Case(10 * KB)))
    assert "does not write where the context reads" in entry_of(entries, "10 KB", "bare")["reason"]
    assert entry_of(entries, "10 KB", "patch")["speed_to"].keys() == {"full-write"}


def test_a_context_that_cannot_hold_the_state_says_so_for_that_size_only() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)
    inner = factory.patch

    async def patch(self: Any, operations: Sequence[PatchOperation]) -> None:
        if sum(len(repr(one)) for one in operations) > 50_000:
            raise ValueError("the item is too large")
        await inner(self, operations)

    factory.patch = patch
    entries = measured(factory, clock, plan_of(Case(10 * KB), Case(100 * KB)))
    assert entry_of(entries, "10 KB", "patch")["status"] == "measured"
    assert "the item is too large" in entry_of(entries, "100 KB", "patch")["reason"]


def test_a_context_that_cannot_be_built_is_a_reason_and_no_crash() -> None:
    def broken(_run_id: str) -> Any:
        raise RuntimeError("no server")

    broken.capabilities = None  # type: ignore[attr-defined]
    with benchmarks_of(broken, FakeClock(), plan_of(Case(10 * KB))) as benchmarks:
        outcome = benchmarks.outcome(items()[0])
    assert outcome.samples == ()
    assert "no server" in outcome.reason


def test_an_experiment_is_measured_once_for_all_its_items() -> None:
    factory, clock = costed(lambda _patch, _state: _FIXED)
    with benchmarks_of(factory, clock, plan_of(Case(KB))) as benchmarks:
        outcomes = [benchmarks.outcome(item) for item in items()[:3]]
        calls = len(factory.operations)
        assert [benchmarks.outcome(item) for item in items()[:3]] == outcomes
        assert len(factory.operations) == calls
    assert [len(outcome.samples) for outcome in outcomes] == [5, 5, 0]  # there is no bare client
