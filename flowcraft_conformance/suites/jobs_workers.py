"""Several workers on one queue: each gets work, a slow job stays with its worker and holds up no other."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence

from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.live.rig import Delivery, Rig
from flowcraft_conformance.harness.live.stalls import watched_for_stalls
from flowcraft_conformance.harness.live.together import Findings, Program

_QUICK_JOBS = 10
_AT_ONCE = 4
_LEASES = 2.5
"""How long the long job runs, in leases."""
_COPY_LEASES = 0.6
"""A second copy that comes sooner has nothing to do with the end of a lease."""
_BACKLOG = 40
_BACKLOG_LEASES = 3
_MOST_OF_A_LEASE = 0.6
_MANY = 3
WORKERS = 3
WAVE = 40
WAVE_SECONDS = 0.25
MOMENT_SECONDS = 0.5
"""How long a job of the backlog takes at most: until each worker has one."""


async def _busy(rig: Rig, findings: Findings) -> None:
    release = asyncio.Event()

    async def conduct(delivery: Delivery) -> None:
        if delivery.job.node_id == "long" and delivery.number == 0:
            await release.wait()

    client = await rig.client()
    long = JobPayload("long", "flow", "long")
    runs = [f"quick-{number}" if number % 2 else long.run_id for number in range(_QUICK_JOBS)]
    quick = [JobPayload(run, "flow", f"quick-{number}") for number, run in enumerate(runs)]
    await rig.enqueue(client, [long, *quick[:_AT_ONCE]])  # a worker that takes many at once takes these together
    for number in range(2):
        await rig.worker(f"worker {number}", conduct)
    if await rig.delivered([long]):
        raise Inconclusive("the job that was to take long was never delivered")
    first = rig.notes.of(long)[0]
    lease = rig.capabilities.lease_seconds
    await rig.enqueue(client, quick[_AT_ONCE:])
    if waiting := await rig.delivered(quick):
        findings.broken(
            "JOB-CONC-02",
            f"{len(waiting)} of {len(quick)} quick jobs were not delivered within {rig.patience:g} s, while one of two "
            f"workers was at a slow one; {_of_its_run(waiting, long)}",
            rig.told(),
        )
    await asyncio.sleep(max(0.0, first.began + _LEASES * lease - time.monotonic()))
    again = [one for one in rig.notes.of(long)[1:] if one.began > first.began + _COPY_LEASES * lease]
    if again and first.ended is None:
        findings.broken(
            "JOB-LONG-01",
            f"a job that {first.worker} was still working on was given to {again[0].worker} after "
            f"{again[0].began - first.began:.2f} s (lease_seconds is {lease:g})",
            rig.told([long]),
        )
    elif first.outcome == "cancelled":
        findings.broken(
            "JOB-LONG-01", f"a job that ran for longer than the lease of {lease:g} s was cut off", rig.told([long])
        )
    release.set()


def _of_its_run(waiting: Sequence[JobPayload], long: JobPayload) -> str:
    same = sum(job.run_id == long.run_id for job in waiting)
    return f"{same} of them are of the slow job's own run, as parallel branches are"


async def _backlog(rig: Rig, findings: Findings) -> None:
    """One worker and a backlog of jobs that take most of a lease each, as long as some leases; then they are quick."""
    lease = rig.capabilities.lease_seconds
    until = 0.0

    async def conduct(_delivery: Delivery) -> None:
        nonlocal until
        until = until or time.monotonic() + _BACKLOG_LEASES * lease
        if time.monotonic() < until:
            await asyncio.sleep(_MOST_OF_A_LEASE * lease)

    client = await rig.client()
    jobs = [JobPayload(f"backlog-{number}", "flow", "n") for number in range(_BACKLOG)]
    await rig.enqueue(client, jobs)
    async with watched_for_stalls() as stalls:
        await rig.worker("the only worker", conduct)
        missing = await rig.delivered(jobs)
        await asyncio.sleep(lease)  # copies come when the leases of those that were taken ahead have ended
    if not missing and stalls.longest < lease / 4:  # what is missing is told by JOB-LOSS-01's other checks
        _judge_backlog(rig, findings, jobs)


def _judge_backlog(rig: Rig, findings: Findings, jobs: Sequence[JobPayload]) -> None:
    """One job may lose its lease to a busy machine; more of them have waited in a worker's hands without one."""
    behind = f"of {len(jobs)} jobs in a backlog, whose handlers all returned,"
    used = [job for job in jobs if rig.notes.of(job)[0].job.attempt > 1]
    given_up = rig.notes.given_up
    if len(used) + len(given_up) >= _MANY:
        highest = max((rig.notes.of(job)[0].job.attempt for job in used), default=1)
        findings.broken(
            "JOB-RT-01",
            f"{behind} {len(used)} came to their handler for the first time with an attempt above 1 (up to {highest}) "
            f"and {len(given_up)} were given up: waiting in a worker's hands has used up attempts",
            rig.told(used[:_MANY]),
        )
    # A queue that gives out each job twice gives no copy another attempt.
    again = [job for job in jobs if any(one.job.attempt > 1 for one in rig.notes.of(job)[1:])]
    if len(again) >= _MANY:
        findings.broken(
            "JOB-ACK-01",
            f"{behind} {len(again)} came again, with another attempt: the lease of a job ends while a worker has it "
            "and does not yet work on it",
            rig.told(again[:_MANY]),
        )


async def _crowd(rig: Rig, findings: Findings) -> None:
    served: dict[str, int] = {}
    all_served = asyncio.Event()

    async def conduct(delivery: Delivery) -> None:
        served[delivery.worker] = served.get(delivery.worker, 0) + 1
        if len(served) == WORKERS:
            all_served.set()
        try:
            async with asyncio.timeout(MOMENT_SECONDS):
                await all_served.wait()
        except TimeoutError:
            return

    for number in range(WORKERS):
        await rig.worker(f"worker {number}", conduct)
    client = await rig.client()
    until = time.monotonic() + rig.patience
    for wave in itertools.count():
        await rig.enqueue(client, [JobPayload(f"crowd-{wave}-{number}", "flow", "n") for number in range(WAVE)])
        if await rig.until(all_served.is_set, WAVE_SECONDS):
            return
        if time.monotonic() > until:
            break
    if not served:
        raise Inconclusive("no job was delivered at all")
    findings.broken(
        "JOB-CONC-01",
        f"of {WORKERS} workers {len(served)} were given work: {sum(served.values())} jobs in {rig.patience:g} s, "
        + ", ".join(f"{name} {count}" for name, count in served.items()),
    )


BUSY = Program("busy", ("JOB-LONG-01", "JOB-CONC-02"), _busy)
BACKLOG = Program("backlog", ("JOB-RT-01", "JOB-ACK-01"), _backlog)
CROWD = Program("crowd", ("JOB-CONC-01",), _crowd)
