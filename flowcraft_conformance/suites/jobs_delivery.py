"""The queue in peace: every job arrives as it was sent, is done once, and comes again where its handler says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.live.rig import Delivery, Rig, ids_of
from flowcraft_conformance.harness.live.together import Findings, Program

ODD_IDS = (
    "run:1", "r_1", "A", "r", "1_A", "a.b.c", "a/b?c=d&e#f%41", " blanks ", "tab\tand\nline", "it's", 'say "no"',
    "back\\slash", "{braces}", "[1]", "$__proto__", "null", "007", "ümlaut", "U\u0308mlaut", "日本語", "🙂", "\x7f\x1f",
    "*", "-x", "CASE", "case", "x" * 200,
)  # fmt: skip
_WORKERS = 3
_ACKNOWLEDGED = 20
_FLOOD = {"quick": (100, 1.0), "standard": (1000, 5.0), "thorough": (10_000, 60.0)}
"""Profile -> the most jobs, and the seconds after which a slow queue is given no more than the least."""
_LEAST_FLOOD = 60
_SENT_AGAIN = _WORKERS + 1
"""One of the workers gets the job twice: a consumer that remembers what it has done cannot get by."""
_DEFERRALS = 4
_MOST_DEFERRALS = 9
_DEFERRED_SECONDS = 0.05
_RAISED = 3
"""Times that a job raises on a queue without a bound."""


class _Refused(RuntimeError):
    """What a handler of the kit's raises."""


def _job(group: str, number: int = 0) -> JobPayload:
    return JobPayload(f"{group}-{number}", "flow", group)


class _Handlers:
    """What each kind of job has done to it."""

    def __init__(self, attempts: int | None) -> None:
        self.attempts = attempts
        self.raises_once = attempts != 1
        self.deferrals = _DEFERRALS if attempts is None else min(attempts + 1, _MOST_DEFERRALS)

    async def __call__(self, delivery: Delivery) -> None:
        """By the name of the node."""
        kind = delivery.job.node_id
        if kind == "raises" and (self.attempts is not None or delivery.number < _RAISED):
            raise _Refused("this job is not done")
        if kind == "defers":
            if self.raises_once and delivery.number == 0:
                raise _Refused("this job is not done")
            if delivery.number < self.deferrals + self.raises_once:
                raise JobDeferred(_DEFERRED_SECONDS)


async def _peace(rig: Rig, findings: Findings) -> None:
    handlers = _Handlers(rig.capabilities.queue_attempts)
    for number in range(_WORKERS):
        await rig.worker(f"worker {number}", handlers)
    client = await rig.client()
    odd = [JobPayload(run, *_two_after(number)) for number, run in enumerate(ODD_IDS)]
    await rig.enqueue(client, odd)
    flood = await _flood(rig, client)
    missing = await rig.delivered([*odd, *flood])
    _judge_arrival(rig, findings, odd, flood, missing)
    await _send_again(rig, client, findings)
    await asyncio.gather(
        _acknowledge(rig, client, findings), _raise(rig, client, findings), _defer(rig, client, findings, handlers)
    )


def _two_after(number: int) -> tuple[str, str]:
    return ODD_IDS[(number + 1) % len(ODD_IDS)], ODD_IDS[(number + 2) % len(ODD_IDS)]


async def _flood(rig: Rig, client: DistributedAdapter) -> list[JobPayload]:
    """Jobs from many tasks at once; those that were enqueued."""
    profile = rig.profile
    most, seconds = _FLOOD[profile.name]
    until = time.monotonic() + seconds
    numbers = iter(range(most))
    sent: list[JobPayload] = []

    async def one() -> None:
        for number in numbers:
            if number >= _LEAST_FLOOD and time.monotonic() > until:
                return
            job = _job("flood", number)
            await rig.enqueue(client, [job])
            sent.append(job)

    await asyncio.gather(*[one() for _ in range(profile.racers)])
    return sent


def _judge_arrival(
    rig: Rig, findings: Findings, odd: Sequence[JobPayload], flood: Sequence[JobPayload], missing: Sequence[JobPayload]
) -> None:
    sent = {ids_of(job) for job in (*odd, *flood)}
    strange = [one.job for one in rig.notes.deliveries if rig.is_alone and one.ids not in sent]
    lost_odd = [job for job in missing if job in odd]
    lost = [job for job in missing if job not in odd]
    arrived = f"; what arrived instead: {strange[0]!r}" if strange else ""
    if lost_odd:
        findings.broken(
            "JOB-RT-01",
            f"{len(lost_odd)} of {len(odd)} jobs with odd ids did not arrive as they were sent, the first is "
            f"{lost_odd[0]!r}{arrived}",
            sure=bool(strange),
        )
    elif strange:
        findings.broken("JOB-LOSS-01", f"a job was delivered that nobody had sent: {strange[0]!r}", sure=True)
    if lost:
        findings.broken(
            "JOB-LOSS-01",
            f"{len(lost)} of {len(flood)} jobs were never delivered, the first is {lost[0].run_id!r}; for "
            f"{rig.patience:g} s nothing came any more",
            sure=True,
        )
    firsts = [found[0].job for job in (*odd, *flood) if (found := rig.notes.of(job))]
    wrong = [job for job in firsts if type(job.attempt) is not int or job.attempt != 1]
    if wrong:
        findings.broken(
            "JOB-RT-01",
            f"the first delivery of {len(wrong)} jobs has attempt {wrong[0].attempt!r}, want 1",
            rig.told(wrong),
        )


async def _send_again(rig: Rig, client: DistributedAdapter, findings: Findings) -> None:
    """A loop or a reconcile enqueues what was enqueued and done before: that is another job, and no duplicate."""
    job = _job("again")
    for times in range(1, _SENT_AGAIN + 1):
        await rig.enqueue(client, [job])
        if not await rig.until(lambda times=times: len(rig.notes.of(job)) >= times):  # type: ignore[misc]
            findings.broken(
                "JOB-LOSS-01",
                f"a job that was enqueued {times} times, each time after it was done, was delivered "
                f"{len(rig.notes.of(job))} times",
                rig.told([job]),
                sure=True,
            )
            return


async def _acknowledge(rig: Rig, client: DistributedAdapter, findings: Findings) -> None:
    """Twenty jobs are done in peace and watched; where more than one comes back, twenty more."""
    for again in range(2):
        jobs = [_job("done", 100 * again + number) for number in range(_ACKNOWLEDGED)]
        await rig.enqueue(client, jobs)
        if missing := await rig.delivered(jobs):
            findings.broken("JOB-LOSS-01", f"{len(missing)} jobs were never delivered", rig.told(jobs))
            return
        await asyncio.sleep(rig.capabilities.redelivery_seconds + rig.capabilities.lease_seconds)
        returned = [job for job in jobs if _came_back(rig.notes.of(job), rig.capabilities.lease_seconds)]
        if len(returned) <= 1:
            return
    findings.broken(
        "JOB-ACK-01",
        f"{len(returned)} of {_ACKNOWLEDGED} jobs whose handlers had returned were delivered again, and so it was with "
        f"{_ACKNOWLEDGED} others before",
        rig.told(returned[:3]),
        sure=True,
    )


def _came_back(deliveries: Sequence[Delivery], lease: float) -> bool:
    """A second copy at once is what at-least-once delivery may bring; one after a while, or a third, is no copy."""
    done = deliveries[0].ended
    late = [one for one in deliveries[1:] if done is not None and one.began > done + lease / 2]
    return bool(late) or len(deliveries) > 2


async def _raise(rig: Rig, client: DistributedAdapter, findings: Findings) -> None:
    """A job that raises every time: the attempt rises to the last one, which alone is marked."""
    attempts, job = rig.capabilities.queue_attempts, _job("raises")
    await rig.enqueue(client, [job])

    def over() -> bool:
        done = [one for one in rig.notes.of(job) if one.ended is not None]
        return len(done) > _RAISED if attempts is None else any(one.job.attempt >= attempts for one in done)

    await _as_long_as_it_comes(rig, job, over, most=_RAISED + 2 if attempts is None else 3 * attempts + 2)
    seen = [one.job for one in rig.notes.of(job)]
    told = rig.told([job])

    def broken(summary: str) -> None:
        findings.broken("JOB-NACK-01", summary, told)

    expected = _RAISED + 1 if attempts is None else attempts
    highest = max((one.attempt for one in seen), default=0)
    marked = next(
        (one for one in seen if one.is_last_attempt != (attempts is not None and one.attempt >= attempts)), None
    )
    if len(seen) < min(expected, 2):
        broken(f"a job whose handler raised was not delivered again within {rig.patience:g} s")
    elif expected > 1 and highest <= 1:
        broken(f"the attempt stayed {highest} at each of {len(seen)} deliveries, though each handler raised")
    elif marked is not None:
        broken(
            f"is_last_attempt is {marked.is_last_attempt} at attempt {marked.attempt} (queue_attempts is {attempts})"
        )
    elif highest < expected:
        broken(f"a job whose handler raised every time was delivered up to attempt {highest} only, want {expected}")
    elif attempts is not None and highest > attempts:
        broken(f"a job was delivered with attempt {highest}, though queue_attempts is {attempts}")


async def _defer(rig: Rig, client: DistributedAdapter, findings: Findings, handlers: _Handlers) -> None:
    """A job that raises once and is deferred many times: of these only the one raises the attempt."""
    job, count = _job("defers"), handlers.deferrals + handlers.raises_once + 1
    await rig.enqueue(client, [job])
    await _as_long_as_it_comes(rig, job, lambda: len(rig.notes.of(job)) >= count, most=count)
    seen = [one.job.attempt for one in rig.notes.of(job)]
    told = rig.told([job])
    if max(seen, default=0) > 1 + handlers.raises_once:
        raised = "once" if handlers.raises_once else "never"
        findings.broken(
            "JOB-NACK-01", f"JobDeferred used up attempts: a job that raised {raised} was delivered with {seen}", told
        )
    elif len(seen) < count:
        findings.broken(
            "JOB-NACK-01",
            f"after {len(seen)} of {count} deliveries a deferred job did not come again within {rig.patience:g} s",
            told,
        )


async def _as_long_as_it_comes(rig: Rig, job: JobPayload, over: Callable[[], bool], *, most: int) -> None:
    """Wait until ``over()``, as long as delivery follows delivery."""
    while not over() and (seen := len(rig.notes.of(job))) < most:
        if not await rig.until(lambda seen=seen: over() or len(rig.notes.of(job)) > seen):  # type: ignore[misc]
            return


PEACE = Program("peace", ("JOB-RT-01", "JOB-LOSS-01", "JOB-ACK-01", "JOB-NACK-01"), _peace)
