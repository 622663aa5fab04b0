"""Programs on an adapter's own queue that share their waits: each has a scope of its own, and all run side by side.

On a busy machine a lease may be lost by nobody's fault. So a program that saw something wrong is run once more, and
what is seen once only is held against nobody, save what no delay can bring about.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Unobservable
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.hooks import GOES_PAST
from flowcraft_conformance.harness.harnesses import BareHarness
from flowcraft_conformance.harness.live.rig import HANDLED_INSIDE, Rig
from flowcraft_conformance.harness.loop import bounded

_MEMO = "queue programs"
_SHARED = "a shared queue"
_WAITS = 8
"""A program may wait so often for what a queue declares, as one does that raises until its attempts are used up."""
_SETUP_CALLS = 4
_NEAR_SECONDS = 3.0
"""After an instance got its own job, how much later one of another instance may come."""


@dataclass(slots=True)
class Findings:
    """What a program found wrong: clause id -> what a check of it raises. ``sure``: once is enough."""

    problems: dict[str, Exception] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)

    def broken(self, clause: str, summary: str, observed: str = "", *, sure: bool = False) -> None:
        """A clause is broken; the first finding counts."""
        if clause not in self.problems:
            self.problems[clause] = ClauseViolation(summary, observed)
            if sure:
                self.sure.add(clause)

    @property
    def in_doubt(self) -> bool:
        """Whether something must be seen a second time."""
        return any(
            isinstance(problem, ClauseViolation) and clause not in self.sure
            for clause, problem in self.problems.items()
        )

    def confirmed_by(self, again: Findings) -> Findings:
        """What both runs saw, and what is sure."""
        kept = {
            clause: problem
            for clause, problem in self.problems.items()
            if not isinstance(problem, ClauseViolation) or clause in self.sure or clause in again.problems
        }
        for clause in again.sure:
            kept.setdefault(clause, again.problems[clause])
        return Findings(kept, self.sure | again.sure)


@dataclass(frozen=True, slots=True)
class Program:
    """One story on one scope, and the clauses that it judges."""

    name: str
    clauses: tuple[str, ...]
    run: Callable[[Rig, Findings], Awaitable[None]]


def judge_by(bench: AdapterBench, wanted: Program, together: Iterable[Program], clause: str) -> None:
    """Raise what the program found about the clause; all of ``together`` run when the first of them is asked for.

    Raises:
        ClauseViolation: the clause is broken.
        Inconclusive: time ran out, or the scope could not be set up.
        Unobservable: what the clause is about cannot be seen on this harness.
    """
    if bench.target.goes_past:
        raise Unobservable(GOES_PAST)
    known: dict[str, Findings] = bench.settings.memo.setdefault(_MEMO, {})
    if wanted.name not in known:
        asked = {wanted.name: wanted, **{program.name: program for program in together}}
        missing = [program for program in asked.values() if program.name not in known]
        known.update(_results(bench, missing))
    problem = known[wanted.name].problems.get(clause)
    if problem is not None:
        raise problem


def _results(bench: AdapterBench, programs: list[Program]) -> dict[str, Findings]:
    """What each program found; one problem for all of them where they could not be run."""
    declared = bench.settings.capabilities
    seconds = 2 * _WAITS * (declared.redelivery_seconds + declared.lease_seconds + declared.call_timeout_seconds)
    try:
        problem = _unshared(bench, seconds)
        if problem is None:
            return bench.run(_all(bench, programs), seconds=seconds)
    except (ClauseViolation, Inconclusive) as error:
        problem = error
    return {program.name: Findings(dict.fromkeys(program.clauses, problem)) for program in programs}


def _unshared(bench: AdapterBench, seconds: float) -> Exception | None:
    """Why nothing can be seen of a bare class whose instances do not share a queue."""
    if not isinstance(bench.target.harness, BareHarness):
        return None
    if _SHARED not in bench.settings.memo:
        bench.settings.memo[_SHARED] = bench.run(_shares_a_queue(bench), seconds=seconds)
    if bench.settings.memo[_SHARED]:
        return None
    return Unobservable(
        "two instances of the class do not share a queue: name an AdapterHarness subclass, whose create_adapter gives "
        "adapters on one queue"
    )


async def _all(bench: AdapterBench, programs: list[Program]) -> dict[str, Findings]:
    first = await _each(bench, programs)
    again = await _each(bench, [program for program in programs if first[program.name].in_doubt])
    for name, findings in again.items():
        first[name] = first[name].confirmed_by(findings)
    return first


async def _each(bench: AdapterBench, programs: list[Program]) -> dict[str, Findings]:
    """Side by side; on a bare class one by one, for all its instances may share one queue, whatever the scope."""
    if isinstance(bench.target.harness, BareHarness):
        return {program.name: await _one(bench, program) for program in programs}
    found = await asyncio.gather(*[_one(bench, program) for program in programs])
    return dict(zip([program.name for program in programs], found, strict=True))


async def _one(bench: AdapterBench, program: Program) -> Findings:
    """Run a program on a fresh scope; what ends it early is found of every clause that it had not judged."""
    findings, passed_by = Findings(), False
    try:
        async with scope_of(bench) as rig:
            try:
                await program.run(rig, findings)
            finally:
                passed_by = rig.is_passed_by
    except (ClauseViolation, Inconclusive, Unobservable) as problem:
        for clause in program.clauses:
            findings.problems.setdefault(clause, problem)
    if passed_by:
        return Findings(dict.fromkeys(program.clauses, Unobservable(HANDLED_INSIDE)))
    return findings


@contextlib.asynccontextmanager
async def scope_of(bench: AdapterBench) -> AsyncIterator[Rig]:
    """A rig on a scope of its own, removed afterwards.

    Raises:
        Inconclusive: it could not be set up.
    """
    capabilities = bench.settings.capabilities
    within = _SETUP_CALLS * capabilities.call_timeout_seconds
    harness = type(bench.target.harness)(f"fc{uuid.uuid4().hex[:10]}")
    rig = Rig(harness, capabilities, bench.settings.profile)
    try:
        await bounded(harness.setup, within=within, what="setup")
    except Exception as error:
        raise Inconclusive(f"the setup() of a scope failed: {type(error).__name__}: {error}") from error
    try:
        rig.lines.open()
        yield rig
    finally:
        await rig.close()
        with contextlib.suppress(Exception):
            await bounded(harness.teardown, within=within, what="teardown")


async def _shares_a_queue(bench: AdapterBench) -> bool:
    """Whether a job that one instance of a bare class enqueues reaches another one, as its own does."""
    async with scope_of(bench) as rig:
        worker, client = await rig.worker("worker"), await rig.client()
        own, others = JobPayload("probe", "probe", "own"), JobPayload("probe", "probe", "other")
        await rig.enqueue(client, [others])
        await rig.enqueue(worker, [own])
        await rig.until(lambda: bool(rig.notes.of(own) or rig.notes.of(others)))
        return await rig.until(lambda: bool(rig.notes.of(others)), _NEAR_SECONDS)
