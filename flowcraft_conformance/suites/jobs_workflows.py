"""Whole workflows on the adapter's own queue: with many workers, with processes, and with processes that are killed."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance.checking.blueprints import EXAMPLES, flow, wide_join
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.verdicts import Inconclusive, NotApplicable
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.live.crew import Crew, Member, at_work, flow_command
from flowcraft_conformance.harness.live.fates import Fate
from flowcraft_conformance.harness.live.flow_worker import NODE_LOCK_SECONDS
from flowcraft_conformance.harness.live.flows import LiveFlows, LiveRun, always_run
from flowcraft_conformance.harness.live.flows import story as told_of
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import only_outcome, possible_outcomes
from flowcraft_conformance.harness.workers.process import WorkerError

_FEW = ("diamond-and-on", "any-of-three", "condition", "fallback", "failure", "three-starts")
_COUNTING_NOTHING = tuple(name for name, one in EXAMPLES.items() if all(node.uses != "flaky" for node in one.nodes))
"""A node that fails so many times counts in its process: another worker that repeats it begins anew."""
_JOIN_WIDTH = 12
_WORKERS = 3
_PROCESSES = 2
_MOMENTS = 24
"""A job of the reference runtime has about so many; one that has fewer is met at its end."""
_KILLED = ("diamond-and-on", "any-of-three", "transform", "action", "two-sinks")
_MOMENTS_A_SUCCESSOR = 2
"""Counted from when the first is on the queue: then the reference runtime has noted that all are, and has not yet
returned."""
_MOST_KILLS = {"quick": 2, "standard": 3, "thorough": 3}
_ROUNDS = {"quick": 1, "standard": 1, "thorough": 8}
_MOST_POISONED = 6
"""Each time takes a redelivery."""
_MEMO = "live runs"


def chosen_runs(bench: AdapterBench, names: Sequence[str] | None = None) -> list[LiveRun]:
    """Fresh runs of the profile's blueprints, or of those with these names."""
    quick = bench.settings.profile.name == "quick"
    chosen = [EXAMPLES[name] for name in names or (_FEW if quick else _COUNTING_NOTHING)]
    return [_run(bench, blueprint) for blueprint in ([*chosen] if names else [*chosen, wide_join(_JOIN_WIDTH)])]


def _run(bench: AdapterBench, blueprint: WorkflowBlueprint) -> LiveRun:
    known: dict[str, Any] = bench.settings.memo.setdefault(_MEMO, {})
    if blueprint.id not in known:
        find = possible_outcomes if blueprint.id in EXAMPLES else only_outcome
        known[blueprint.id] = asyncio.run(find(blueprint, kit_registry))
    return LiveRun(f"{blueprint.id}-{uuid.uuid4().hex[:6]}", blueprint, known[blueprint.id])


def many_workers(bench: AdapterBench) -> Program:
    """Several workers of one process."""
    runs = chosen_runs(bench)

    async def run(rig: Rig, _findings: Findings) -> None:
        flows = LiveFlows(rig, runs)
        client = await flows.worker(starts=False)
        for _ in range(_WORKERS):
            await flows.worker()
        await flows.start(client)
        await flows.wait(lambda: flows.noted, _nothing)
        await flows.judge(client, lambda: flows.noted, f"with {_WORKERS} workers of one process")

    return Program("many workers", ("DLV-MULTI-01",), run)


def many_processes(bench: AdapterBench, crew: Crew) -> Program:
    """Several processes, and a worker of this one."""
    runs = chosen_runs(bench)

    async def run(rig: Rig, _findings: Findings) -> None:
        flows = LiveFlows(rig, runs)
        client = await flows.worker()
        command = flow_command([one.blueprint for one in runs])
        async with at_work(crew, _PROCESSES, rig.harness.scope, rig.patience, **command) as members:
            watch = _Watch(crew, rig, list(members), flows, command)
            await flows.start(client)
            await flows.wait(watch.entries, _nothing)
            await flows.judge(client, watch.entries, f"with {_PROCESSES} processes and a worker of another")

    return Program("many processes", ("DLV-MULTI-01",), run)


def killed_processes(bench: AdapterBench, crew: Crew) -> Program:
    """Processes kill themselves, and one stops for longer than every lease, in the middle of jobs."""
    dice = bench.random()
    attempts = bench.settings.capabilities.queue_attempts
    kills = _MOST_KILLS[bench.settings.profile.name]
    # A crash may raise the attempt: with too many of them a job is given up, and rightly so.
    kills = kills if attempts is None else max(1, min(kills, attempts - 2))
    rounds = _ROUNDS[bench.settings.profile.name]

    async def one_round(rig: Rig, dice: random.Random) -> None:
        runs = await asyncio.to_thread(chosen_runs, bench, _KILLED)
        flows = LiveFlows(rig, runs, may_give_up=attempts is not None and attempts <= kills + 1)
        fates = _fates(runs, dice, crew, kills)
        command = flow_command([one.blueprint for one in runs], fates)
        client = await flows.worker(starts=False)
        async with at_work(crew, _PROCESSES, rig.harness.scope, rig.patience, **command) as members:
            watch = _Watch(crew, rig, members, flows, command)
            await flows.start(client)
            await flows.wait(watch.entries, watch.tend)
            await flows.judge(client, watch.entries, _told(watch.entries()))
        if not any(fate.met for fate in fates if not fate.stops):
            raise Inconclusive("no process came to the moment at which it was to be killed")

    async def run(rig: Rig, _findings: Findings) -> None:
        for _ in range(rounds):
            await one_round(rig, dice)

    return Program("killed processes", ("DLV-CRASH-02",), run)


def poisoned(bench: AdapterBench, crew: Crew) -> Program:
    """A job that kills whoever takes it, until its attempts are used up: its run must not rest in silence.

    A crash need not use up an attempt. Then the job comes once more than it has attempts, and is done.

    Raises:
        NotApplicable: a job has attempts without end, or so many that this would take too long.
    """
    attempts = bench.settings.capabilities.queue_attempts
    if attempts is None or attempts > _MOST_POISONED:
        raise NotApplicable(f"queue_attempts is {attempts}: jobs are killed up to {_MOST_POISONED} times")
    run = _run(bench, flow("poison", "a>b b>c"))

    async def story(rig: Rig, findings: Findings) -> None:
        flows = LiveFlows(rig, [run])
        fates = [
            Fate(run.run_id, "b", 0, stops=False, token=str(crew.folder / f"met-{uuid.uuid4().hex[:10]}"))
            for _ in range(attempts + 1)
        ]
        command = flow_command([run.blueprint], fates)
        client = await flows.worker(starts=False)
        async with at_work(crew, _PROCESSES, rig.harness.scope, rig.patience, **command) as members:
            watch = _Watch(crew, rig, members, flows, command)
            await flows.start(client)
            await flows.wait(watch.entries, watch.tend)
            killed = sum(fate.met for fate in fates)
            if killed < min(attempts, 2):
                raise Inconclusive(f"job 'b' was to kill its worker {attempts} times, and did so {killed} times")
            if not await flows.results(run.run_id, watch.entries):
                findings.broken(
                    "DLQ-01",
                    f"a job killed its worker {killed} times (queue_attempts is {attempts}) and did not come again; "
                    "its run never ended, for no result was published",
                    told_of(run.run_id, watch.entries()),
                )

    return Program("poison", ("DLQ-01",), story)


def _fates(runs: Sequence[LiveRun], dice: random.Random, crew: Crew, kills: int) -> list[Fate]:
    """Kills and a stop, each in another run: after a job that has successors and the moment at which its first one is
    on the queue, soon after such a job, and anywhere.
    """
    chosen = dice.sample(list(runs), min(kills + 2, len(runs)))
    told = _fate(chosen[0], dice, crew, has_successors=True)
    successors = sum(edge.source == told.node_id for edge in chosen[0].blueprint.edges)
    return [
        replace(told, moments=_MOMENTS_A_SUCCESSOR * successors, enqueued=True),
        replace(_fate(chosen[1], dice, crew, has_successors=True), after_seconds=dice.uniform(0.02, 0.2)),
        *[_fate(run, dice, crew) for run in chosen[2:-1]],
        replace(_fate(chosen[-1], dice, crew), stops=True),
    ]


def _fate(run: LiveRun, dice: random.Random, crew: Crew, *, has_successors: bool = False) -> Fate:
    targets = [edge.target for edge in run.blueprint.edges]
    # Before a join it depends on who comes last whether a job enqueues anything.
    sources = {edge.source for edge in run.blueprint.edges if targets.count(edge.target) == 1}
    nodes = [name for name in always_run(run.allowed) if not has_successors or name in sources]
    token = str(crew.folder / f"met-{uuid.uuid4().hex[:10]}")
    return Fate(run.run_id, dice.choice(nodes), dice.randrange(_MOMENTS), stops=False, token=token)


def _told(entries: Sequence[dict[str, Any]]) -> str:
    struck = [
        f"process {'killed' if entry['what'] == 'dies' else 'stopped'} in job {entry['node']!r} of {entry['run']!r}"
        for entry in entries
        if entry["what"] in ("dies", "stops")
    ]
    return f"({'; '.join(struck)})" if struck else "(nobody killed yet)"


async def _nothing() -> None:
    return


class _Watch:
    """Sees what processes note; replaces those that died, and wakes those that stopped, after their leases."""

    def __init__(self, crew: Crew, rig: Rig, members: list[Member], flows: LiveFlows, command: dict[str, Any]) -> None:
        self._crew = crew
        self._rig = rig
        self._members = members
        self._flows = flows
        self._command = command
        self._gone: list[dict[str, Any]] = []
        self._asleep: dict[str, float] = {}

    def entries(self) -> list[dict[str, Any]]:
        """All that was noted so far."""
        noted = [{**entry, "who": member.name} for member in self._members for entry in member.look()]
        return [*self._gone, *noted, *self._flows.noted]

    async def tend(self) -> None:
        """One look at every process."""
        capabilities = self._rig.capabilities
        nap = capabilities.lease_seconds + NODE_LOCK_SECONDS + 1
        for number, member in enumerate(self._members):
            stops = sum(entry["what"] == "stops" for entry in member.look())
            if stops and time.monotonic() > self._asleep.setdefault(member.name, time.monotonic() + nap):
                member.wake()
            if not member.alive:
                self._gone += [{**entry, "who": member.name} for entry in member.look()]
                self._members[number] = await self._replacement()

    async def _replacement(self) -> Member:
        """Another process; it may be dead again, killed by its first job before it could say that it works."""
        try:
            (member,) = await self._crew.hire(1)
        except WorkerError as error:
            raise Inconclusive(str(error)) from None
        try:
            await member.work(self._rig.harness.scope, self._rig.patience, **self._command)
        except WorkerError as error:
            if member.alive:
                raise Inconclusive(str(error)) from None
        return member
