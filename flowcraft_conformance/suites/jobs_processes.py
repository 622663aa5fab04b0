"""The queue between operating-system processes: killed with a job in hand, and sharing a backlog."""

from __future__ import annotations

import asyncio
import itertools
import time

from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.live.crew import Crew, at_work
from flowcraft_conformance.harness.live.inside import DEFERRED
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.suites.jobs_workers import MOMENT_SECONDS, WAVE, WAVE_SECONDS

_HELD_SECONDS = 3600.0
_JOBS = 2
_DEFERRED_SECONDS = 2.0
_LATE_SECONDS = 2.0
"""A machine may be busy: so much later than declared is not late."""
_TAKEN_AHEAD_SECONDS = 0.2
_PROCESSES = 2


def killed(crew: Crew) -> Program:
    """A process is killed with a job in its handler, another one that it has put back, and perhaps others that it has
    taken ahead.
    """

    async def run(rig: Rig, findings: Findings) -> None:
        jobs = [JobPayload(f"held {number}", "flow", "n") for number in range(_JOBS)]
        deferred = JobPayload("deferred", "flow", DEFERRED)
        conduct = {"seconds": _HELD_SECONDS, "deferred_seconds": _DEFERRED_SECONDS}
        async with at_work(crew, 1, rig.harness.scope, rig.patience, **conduct) as (victim,):
            client = await rig.client()
            await rig.enqueue(client, [deferred])
            if not await rig.until(lambda: bool(victim.look())):
                raise Inconclusive("no job was delivered to a worker process")
            await rig.enqueue(client, jobs)
            await rig.until(lambda: len(victim.look()) > 1)
            await asyncio.sleep(_TAKEN_AHEAD_SECONDS)
            await rig.worker("the other worker")
            victim.kill()
            died = time.monotonic()
        had = sorted(entry["run"] for entry in victim.look())
        lost = await rig.delivered(jobs)
        declared = rig.capabilities.redelivery_seconds
        if lost:
            findings.broken(
                "JOB-CRASH-01",
                f"a worker process was killed while it worked on {', '.join(had)}: {lost[0].run_id!r} was not "
                f"delivered to another within {rig.patience:g} s",
                rig.told(),
                sure=True,
            )
            return
        if await rig.delivered([deferred]):
            findings.broken(
                "JOB-CRASH-01",
                f"a job that a worker process had put back for {_DEFERRED_SECONDS:g} s was never delivered once that "
                "process was killed: nothing but its memory knew of the job",
                rig.told(),
                sure=True,
            )
        took = max(rig.notes.of(job)[0].began for job in jobs) - died
        if took > declared + _LATE_SECONDS:
            findings.broken(
                "JOB-CRASH-01",
                f"the job of a worker process that was killed came to another after {took:.2f} s only "
                f"(redelivery_seconds is {declared:g})",
                rig.told(),
            )

    return Program("killed", ("JOB-CRASH-01",), run)


def crowd_of_processes(crew: Crew) -> Program:
    """Processes and one more worker share a backlog."""

    async def run(rig: Rig, findings: Findings) -> None:
        async with at_work(crew, _PROCESSES, rig.harness.scope, rig.patience, seconds=MOMENT_SECONDS) as members:
            await rig.worker("this process")
            client = await rig.client()
            until = time.monotonic() + rig.patience
            for wave in itertools.count():
                await rig.enqueue(client, [JobPayload(f"crowd-{wave}-{one}", "flow", "n") for one in range(WAVE)])
                if await rig.until(lambda: all(member.look() for member in members), WAVE_SECONDS):
                    return
                if time.monotonic() > until:
                    break
            counts = {member.name: len(member.look()) for member in members}
        if not any(counts.values()) and not rig.notes.deliveries:
            raise Inconclusive("no job was delivered at all")
        findings.broken(
            "JOB-CONC-01",
            f"in {rig.patience:g} s " + ", ".join(f"{name} was given {count} jobs" for name, count in counts.items()),
        )

    return Program("crowd of processes", ("JOB-CONC-01",), run)
