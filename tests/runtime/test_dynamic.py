"""Loops, batches, added nodes, subflows and sleeps end on the distributed base as in one process, and as drawn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flowcraft_conformance import FlowRuntime, JobPayload, NodeDefinition, RuntimeOptions
from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.checking.dynamic_blueprints import (
    DAY_SECONDS,
    DYNAMIC,
    Dynamic,
    again,
    batch,
    leave,
    loop,
    random_dynamic,
    sleep,
    subflow,
)
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.nodes import CLOCK, kit_registry
from flowcraft_conformance.harness.oracle import Outcome, comparable, possible_outcomes
from tests.mutants.adapters import QueuelessAdapter, harness_of
from tests.runtime.bench import ListAdapter

EXPECTED: Mapping[str, Mapping[str, Any]] = {
    "loop-asks-after": {"n": 3},
    "loop-asks-before": {"n": 2},
    "loop-of-none": {"_outputs.d": {"by": "d", "input": {"by": "a", "input": None}}},
    "loop-of-a-diamond": {"n": 2},
    "loop-in-a-loop": {"n": 4, "m": 2, "_outputs.c": {"by": "c", "input": 4, "count": 2}},
    "loop-that-dies": {"n": 2, "_outputs.d": {"by": "d", "input": {"a": {"by": "a", "input": None}}}},
    "batch": {"all": [{"done": 3}, {"done": 1}, {"done": 2}]},
    "batch-of-none": {"all": [], "_outputs.d": {"by": "d", "input": []}},
    "batch-in-chunks": {"_outputs.s_gather": [{"done": 3}, {"done": 1}, {"done": 2}]},
    "batch-in-a-loop": {"n": 2, "_outputs.s_gather": [{"done": "x"}, {"done": "y"}]},
    "added-by-added": {
        "_outputs.o": {"by": "o", "input": {"by": "m", "input": {"by": "b", "input": {"by": "a", "input": None}}}},
    },
    "sleep": {"_outputs.s": {"by": "a", "input": None}},
    "subflow-mapped": {"n": 7, "k": "kept", "_outputs.d": {"by": "d", "input": {
        "by": "y", "input": {"by": "x", "input": None, "count": 6}, "count": 7}}},
    "subflow-apart": {"n": 5},
    "subflow-in-a-loop": {"n": 2, "inner": 2},
    "subflow-with-a-loop": {"inner": 2},
}  # fmt: skip
"""By blueprint some of the keys that its run ends with, worked out by hand."""


def _ended(one: Dynamic, pick: Callable[[int], int] = lambda _: 0, *, guarded: bool = True) -> ListAdapter:
    """A run on the distributed base in which each job is delivered twice."""

    async def run() -> ListAdapter:
        adapter = ListAdapter(one.blueprint, *one.children, guarded=guarded)
        await adapter.start_run(one.blueprint.id, run_id="r")
        for _ in range(2):
            adapter.queue += adapter.queue
            await adapter.deliver(pick)
        return adapter

    return asyncio.run(run())


@pytest.mark.parametrize("name", EXPECTED)
def test_it_ends_as_worked_out_by_hand(name: str) -> None:
    one = DYNAMIC[name]
    clock = VirtualClock()

    async def in_one_process() -> Mapping[str, Any]:
        options = RuntimeOptions(
            registry=kit_registry(),
            blueprints={child.id: child for child in one.children},
            clock=clock,
            dependencies={CLOCK: clock},
        )
        running = asyncio.ensure_future(FlowRuntime(options).run(one.blueprint))
        while not running.done():
            await asyncio.sleep(0)
            if not running.done() and len(asyncio.all_tasks()) > 2:
                await asyncio.sleep(0.001)
                clock.advance_to_next()
        return running.result().context

    context = asyncio.run(in_one_process())
    state = _ended(one).state()
    for key, value in EXPECTED[name].items():
        assert context[key] == value
        assert state[key] == value
    assert comparable(state) == comparable(context)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "unguarded"])
@pytest.mark.parametrize("name", DYNAMIC)
def test_every_job_twice_in_any_order(name: str, guarded: bool) -> None:
    one = DYNAMIC[name]
    allowed = asyncio.run(possible_outcomes(one.blueprint, kit_registry, blueprints=one.children))
    for seed in range(3):
        adapter = _ended(one, random.Random(seed).randrange, guarded=guarded)
        (result,) = adapter.results
        outcome = Outcome(result.status, comparable(adapter.state()), allowed.outcomes[0].failed)
        assert allowed.allow(outcome), (outcome, allowed.outcomes)


_AT_EVERY_CALL = ("loop-at-the-start", "batch-in-chunks", "added", "subflow-mapped", "sleep")


@pytest.mark.parametrize("name", _AT_EVERY_CALL)
def test_a_crash_and_a_duplicate_at_every_call(name: str) -> None:
    _searched(DYNAMIC[name], (Kind.CRASH, Kind.DUPLICATE), most_plans=250)


@pytest.mark.parametrize("seed", range(6))
def test_random_mixtures_under_every_kind_of_plan(seed: int) -> None:
    _searched(random_dynamic(random.Random(seed)), tuple(Kind), most_plans=40)


def _searched(one: Dynamic, kinds: tuple[Kind, ...], *, most_plans: int) -> None:
    scenario = Scenario(one.blueprint, kit_registry, blueprints=one.children)
    captured = Captured(harness_of(QueuelessAdapter)("t"))
    result = asyncio.run(captured.search(scenario, seconds=600, most_plans=most_plans, kinds=kinds))
    assert result.problem is None, tell(result.problem)
    assert result.plans > most_plans / 2


def test_a_plain_run_knows_nothing_of_all_this() -> None:
    adapter = _ended(Dynamic(flow("b", "a>b a>c b>d c>d")))
    assert not [
        key for key in adapter.state() if key.startswith(("_came.", "_added.", "_sub.", "_wake.")) or "@" in key
    ]


def test_a_loop_that_was_lost_is_found_by_reconcile_at_any_moment() -> None:
    for name in (
        "loop-asks-before",
        "loop-of-a-diamond",
        "loop-in-a-loop",
        "batch-in-chunks",
        "subflow-in-a-loop",
        "added-by-added",
    ):
        one = DYNAMIC[name]
        allowed = asyncio.run(possible_outcomes(one.blueprint, kit_registry, blueprints=one.children))
        for delivered in range(40):
            asyncio.run(_lost_after(one, delivered, allowed.outcomes[0]))


async def _lost_after(one: Dynamic, delivered: int, expected: Outcome) -> None:
    adapter = ListAdapter(one.blueprint, *one.children)
    await adapter.start_run(one.blueprint.id, run_id="r")
    for _ in range(delivered):
        if adapter.queue:
            await adapter.handle_job(adapter.queue.pop(0))
    lost = {job.node_id for job in adapter.queue}
    adapter.queue.clear()
    assert await adapter.reconcile("r") == lost, (one.blueprint.id, delivered)
    await adapter.deliver()
    (result,) = adapter.results
    assert comparable(adapter.state()) == expected.state, (one.blueprint.id, delivered, result)


def test_a_wait_in_a_loop_and_in_a_subflow_is_resumed_at_each_visit() -> None:
    child = flow("asks", NodeDefinition("w", "wait"), "x>w")
    blueprint = flow("b", node("b", "count"), subflow("p", "asks"), loop("l", "n < 2"), "b>p p>l", again("l", "b"),
                     leave("l", "d"))  # fmt: skip

    async def run() -> ListAdapter:
        adapter = ListAdapter(blueprint, child)
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()
        assert await adapter.resume_with_action("r", "go", 1, node_id="p/w") == {"p/w"}
        assert await adapter.resume_with_action("r", "go", 9, node_id="p/w") == set()
        await adapter.deliver()
        assert await adapter.resume_with_action("r", "go", 2) == {"p/w@2"}
        await adapter.deliver()
        return adapter

    adapter = asyncio.run(run())
    assert [result.status for result in adapter.results] == ["completed"]
    assert adapter.state()["_outputs.d"]["input"] == 2


@pytest.mark.parametrize("early", ["s_gather", "s[1]", "s[2]"])
def test_what_somebody_asks_for_too_early_waits_for_its_turn(early: str) -> None:
    one = DYNAMIC["batch-in-chunks"]

    async def run() -> None:
        adapter = ListAdapter(one.blueprint)
        await adapter.start_run(one.blueprint.id, run_id="r")
        while adapter.queue:
            await adapter.handle_job(adapter.queue.pop(0))
            await adapter.handle_job(JobPayload("r", one.blueprint.id, early))
        assert adapter.state()["_outputs.s_gather"] == [{"done": 3}, {"done": 1}, {"done": 2}]

    asyncio.run(run())


def test_a_sleep_holds_no_worker_and_wakes_once() -> None:
    blueprint = flow("b", sleep("s", "1d"), "s>d")

    async def run() -> None:
        adapter = ListAdapter(blueprint)
        begun = adapter.clock.time()
        await adapter.start_run("b", run_id="r")
        await adapter.deliver()
        assert DAY_SECONDS <= adapter.clock.time() - begun < DAY_SECONDS + 1
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())


def test_a_wide_batch_is_gathered_in_order_with_few_small_calls() -> None:
    width = 300
    adapter = _once(flow("b", node("a", "constant", value=list(range(width))), *batch("s", "a"), "a>s"))
    assert adapter.state()["_outputs.s_gather"] == [{"done": number} for number in range(width)]
    calls = sum(adapter.calls.values())
    print(f"a batch of {width}: {calls} context calls, {calls / width:.1f} each")
    assert calls <= 40 * width
    assert adapter.calls["to_dict"] <= 2


def test_a_long_loop_makes_as_many_calls_at_each_iteration() -> None:
    calls = []
    for most in (10, 20):
        adapter = _once(
            flow("b", node("b", "constant"), node("c", "count"), loop("l", f"n < {most}"), "b>c c>l", again("l", "b"))
        )
        assert adapter.state()["n"] == most
        calls.append(sum(adapter.calls.values()))
    assert calls[1] <= 2 * calls[0]


def _once(blueprint: Any) -> ListAdapter:
    async def run() -> ListAdapter:
        adapter = ListAdapter(blueprint)
        await adapter.start_run(blueprint.id, run_id="r")
        await adapter.deliver()
        return adapter

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ([{"id": "a", "uses": "echo"}], "another node's"),
        ([{"id": "m", "uses": "echo"}, {"id": "m", "uses": "echo"}], "another node's"),
        ([{"id": "m", "uses": "subflow"}], "belong into a blueprint"),
        ([{"id": "m", "uses": "nothing"}], "is in the registry"),
        ([{"id": "m", "uses": "echo", "config": {"fallback": "a"}}], "with a fallback"),
    ],
)
def test_what_cannot_be_added_fails_the_node_that_adds_it(added: list[Any], said: str) -> None:
    adapter = _once(flow("b", node("b", "add", nodes=added), "a>b"))
    (result,) = adapter.results
    assert result.status == "failed"
    assert result.reason is not None
    assert "'b'" in result.reason
    assert said in result.reason


def test_a_batch_over_something_else_than_a_list_fails_with_a_reason() -> None:
    adapter = _once(flow("b", node("a", "constant", value="text"), *batch("s", "a"), "a>s"))
    (result,) = adapter.results
    assert result.reason is not None
    assert "'s'" in result.reason
    assert "is a list" in result.reason


def test_jobs_for_places_that_are_not_there_change_nothing() -> None:
    one = DYNAMIC["loop-asks-after"]

    async def run() -> None:
        adapter = ListAdapter(one.blueprint)
        await adapter.start_run(one.blueprint.id, run_id="r")
        for name in ("b@2", "b@9", "b@1", "b@0", "b@x", "a@2", "b@2.1", "a[0]", "a[x]", "z", "b@2[0]", "l@3", "d"):
            await adapter.handle_job(JobPayload("r", one.blueprint.id, name))
        await adapter.deliver()
        assert adapter.state()["n"] == 3
        assert [result.status for result in adapter.results] == ["completed"]

    asyncio.run(run())
