"""What is told of a broken run: what is wrong without a fault is one clause's, and each story is short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from flowcraft_conformance.checking.blueprints import EXAMPLES, draw_edges, flow
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.keys import short_context_key
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.differences import differences
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.replay import Replay
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured, SearchResult
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.report.failure_text import failure_text
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.suites.suite import checks_of
from flowcraft_conformance.suites.workflow_graphs import every_workflow, examples
from flowcraft_conformance.suites.workflows import WorkflowSuite
from tests.mutants.adapters import CountsWithoutDedupe, MarksThenCounts, QueuelessAdapter, harness_of
from tests.mutants.adapters_joins import WaitsForBranchesNotTaken
from tests.mutants.adapters_rules import LosesOutputs
from tests.support import UNHURRIED, judge_adapter, opened_adapter

_ABOUT_FAULTS = ("DLV-DUP-01", "DLV-CRASH-01", "DLV-MULTI-01", "FAULT-01", "HB-01")


@pytest.mark.parametrize("mutant", [LosesOutputs, WaitsForBranchesNotTaken], ids=lambda mutant: mutant.__name__)
def test_what_is_wrong_without_a_fault_fails_the_oracle_clause_and_leaves_those_about_faults_open(
    mutant: type[QueuelessAdapter],
) -> None:
    with opened_adapter(harness_of(mutant)) as target:
        assert judge_adapter(target, "FLOW-ORACLE-01")[0] is Verdict.FAIL
        for clause in _ABOUT_FAULTS:
            verdict, said = judge_adapter(target, clause)
            assert verdict is Verdict.INCONCLUSIVE, f"{clause}: {said}"
            assert "FLOW-ORACLE-01" in said


def test_the_run_without_a_fault_and_the_least_plans_are_judged_however_little_time_there_is() -> None:
    scenario = Scenario(EXAMPLES["skipped-branch"], kit_registry)
    wrong = Captured(harness_of(WaitsForBranchesNotTaken)("test"))
    found = asyncio.run(wrong.search(scenario, seconds=0))
    assert found.problem is not None
    assert found.problem.is_plain
    right = Captured(harness_of(QueuelessAdapter)("test"))
    kinds = (Kind.DUPLICATE, Kind.FAIL, Kind.CRASH)
    judged = asyncio.run(right.search(scenario, seconds=0, least_plans=3, kinds=kinds))
    assert judged.by_kind == {"plain": 1, "duplicate": 1, "fail": 1}


def test_every_kind_of_event_is_tried_in_a_search_however_short_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: set[Kind] = set()
    search = Captured.search

    async def noting(self: Captured, scenario: Scenario, **named: Any) -> SearchResult:
        tried.update(named["kinds"][: named["least_plans"] - 1])
        return await search(self, scenario, **named)

    monkeypatch.setattr(Captured, "search", noting)
    with opened_adapter(harness_of(QueuelessAdapter)) as target:
        AdapterBench(target, "x").search(examples("diamond", "any", "writes"), tuple(Kind))
    assert tried == set(Kind)


def test_every_workflow_that_faults_are_put_into_is_run_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clauses about faults leave to FLOW-ORACLE-01 is what that clause looks at, however short the profile."""
    left: list[Scenario] = []

    def search(_: AdapterBench, scenarios: Iterable[Scenario], *__: Any, when_plain: Any = None, **___: Any) -> None:
        left.extend(scenarios if when_plain is not None else ())

    def at_each(_: AdapterBench, scenario: Scenario, *__: Any, when_plain: Any = None, **___: Any) -> None:
        left.extend([scenario] if when_plain is not None else ())

    monkeypatch.setattr(AdapterBench, "search", search)
    monkeypatch.setattr(AdapterBench, "at_each", at_each)
    with opened_adapter(harness_of(QueuelessAdapter), seed=7) as target:
        for name, clause in checks_of(WorkflowSuite).items():
            if clause in (*_ABOUT_FAULTS, "RESULT-01", "LEAK-01", "EVT-01"):
                getattr(WorkflowSuite(), name)(AdapterBench(target, f"{clause} {name}"))
        looked_at = [(one.blueprint, one.ttls) for one in every_workflow(AdapterBench(target, "FLOW-ORACLE-01 x"))]
    assert len(left) > 50
    assert [one.blueprint.id for one in left if (one.blueprint, one.ttls) not in looked_at] == []


def test_a_failure_has_at_most_thirty_lines_and_is_replayed_by_what_it_names() -> None:
    with opened_adapter(harness_of(MarksThenCounts), profile=UNHURRIED) as target:
        verdict, said = judge_adapter(target, "DLV-CRASH-01")
    assert verdict is Verdict.FAIL
    summary, _, story = said.partition("\n")
    assert story.startswith("graph:    ")
    assert "the worker is killed" in story
    target_name = TargetName(Target.ADAPTER, "mine:Broken")
    long = "\n".join([story] * 3)
    finding = Finding(target_name, "DLV-CRASH-01", "t", Verdict.FAIL, summary, long, reproduce="pytest")
    assert len(failure_text(finding).splitlines()) <= 30


def test_a_replay_does_the_named_run_and_nothing_else() -> None:
    with opened_adapter(harness_of(CountsWithoutDedupe)) as target:
        plan = Plan((Event(30, Kind.DUPLICATE, what=1),))
        target.settings.replay = Replay.of(Scenario(EXAMPLES["diamond"], kit_registry), plan).encode()
        assert target.settings.replay == "diamond/d30:1"
        assert judge_adapter(target, "DLV-DUP-01")[0] in (Verdict.FAIL, Verdict.PASS)
        target.settings.replay = "diamond/plain"
        assert judge_adapter(target, "DLV-DUP-01")[0] is Verdict.PASS  # which the plugin tells as inconclusive


def test_a_graph_of_no_name_travels_in_its_replay() -> None:
    scenario = Scenario(flow("mine", "a>b a>c b>d c>d"), kit_registry)
    text = Replay.of(scenario, Plan.decode("i7:0@3.c9+")).encode()
    again = Replay.decode(text)
    assert again.blueprint == scenario.blueprint
    assert again.plan.encode() == "i7:0@3.c9+"
    for wrong in ("diamond", "/plain", "diamond/q7", "mine~!!/plain"):
        with pytest.raises(ValueError, match=r"replay|plan"):
            Replay.decode(wrong)


def test_only_the_places_that_differ_are_shown() -> None:
    got = {"same": 1, "deep": {"a": {"b": 1, "c": 2}}, "extra": None, "kind": 1}
    want = {"same": 1, "deep": {"a": {"b": 1, "c": 3}}, "kind": True}
    assert [str(one) for one in differences(got, want)] == [
        "deep.a.c: got 2, expected 3",
        "extra: got None, expected nothing",
        "kind: got 1, expected True",
    ]


def test_a_graph_is_drawn_with_one_line_for_the_plain_edges_of_a_node() -> None:
    assert draw_edges(EXAMPLES["condition"]) == ["a -> b", "a -(if result.output == 'never')-> c", "b -> d", "c -> d"]
    assert draw_edges(EXAMPLES["apart"]) == ["a, b"]


def test_long_keys_of_the_runtime_are_shortened_and_do_not_meet() -> None:
    long = [f"_outputs.{'ü' * 150}{number}" for number in range(50)]
    short = [short_context_key(key) for key in long]
    assert len({*short, *(short_context_key(key) for key in short)}) == 100
    assert max(len(key.encode()) for key in short) <= 255
    for plain in ("_outputs.a", "k" * 300, "_outputs.100%~"):
        assert short_context_key(plain) == plain
