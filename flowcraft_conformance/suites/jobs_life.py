"""Workers that start and close: nothing is lost before, between and after, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter, ICoordinationStore
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.live.rig import Delivery, Rig, ids_of
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.proxy import Fault, FaultPlan

_STARTS = 3
_LATER_JOBS = 5
_LATE_SECONDS = 1.0
_LATE_TIMES = 10
"""A first job that takes so many times what later ones take, and a second more, was sent before anybody listened."""
_MOMENT_SECONDS = 0.3
_CYCLES = 4
_SETTLE_SECONDS = 2.0
_AWAY_SECONDS = 1.5


def _job(name: str) -> JobPayload:
    return JobPayload(name, "flow", "n")


async def _starting(rig: Rig, findings: Findings) -> None:
    client = await rig.client()
    sent: list[JobPayload] = []
    late: list[float] = []
    later: list[float] = []
    for number in range(_STARTS):
        early = [_job(f"before {number}.{index}") for index in range(3)]
        await rig.enqueue(client, early)
        worker = await rig.worker(f"worker {number}")
        first = _job(f"at once {number}")
        took = await _took(rig, worker if number % 2 else client, first)
        sent += [*early, first]
        if missing := await rig.delivered(early):
            raise ClauseViolation(_missing(rig, missing), rig.told())
        later += [await _took(rig, client, _job(f"later {number}.{index}")) for index in range(_LATER_JOBS)]
        late.append(took)
        await rig.close_adapter(worker)
    usual = statistics.median(later)
    if min(late) > _LATE_SECONDS + _LATE_TIMES * usual:
        findings.broken(
            "JOB-LIFE-01",
            f"start() returns before jobs are taken: at each of {_STARTS} starts the first job after it waited for at "
            f"least {min(late):.2f} s, later ones {usual:.3f} s",
            rig.told(),
        )


async def _took(rig: Rig, sender: DistributedAdapter, job: JobPayload) -> float:
    """Seconds from a job's enqueueing to its delivery.

    Raises:
        ClauseViolation: it was never delivered.
    """
    started = time.monotonic()
    await rig.enqueue(sender, [job])
    if missing := await rig.delivered([job]):
        raise ClauseViolation(_missing(rig, missing), rig.told())
    return rig.notes.of(job)[0].began - started


def _missing(rig: Rig, missing: list[JobPayload]) -> str:
    return f"a job that was enqueued {missing[0].run_id.split()[0]} start() was never delivered ({rig.patience:g} s)"


async def _closing(rig: Rig, findings: Findings) -> None:
    client = await rig.client()
    held = [_job(f"held {number}") for number in range(2)]
    left = [_job(f"left {number}") for number in range(2)]
    for job, later in zip(held, left, strict=True):
        await _close_with_a_job(rig, client, job, later, findings)
    await rig.worker("the next worker")
    in_peace = _job("in peace")
    await rig.enqueue(client, [in_peace])
    if missing := await rig.delivered(left):
        findings.broken(
            "JOB-LIFE-02", f"a job that was enqueued while a worker closed was lost: {missing[0].run_id!r}", rig.told()
        )
    await asyncio.sleep(rig.capabilities.redelivery_seconds + rig.capabilities.lease_seconds)
    as_a_rule = max(1, len(rig.notes.of(in_peace)))  # a queue may send copies of every job
    if all(len(rig.notes.of(job)) > as_a_rule and rig.notes.of(job)[0].outcome == "returned" for job in held):
        findings.broken(
            "JOB-LIFE-02", "jobs that finished while their worker closed were delivered again", rig.told(held)
        )


async def _close_with_a_job(
    rig: Rig, client: DistributedAdapter, job: JobPayload, later: JobPayload, findings: Findings
) -> None:
    release = asyncio.Event()

    async def conduct(delivery: Delivery) -> None:
        if delivery.ids == ids_of(job):
            await release.wait()

    name = f"worker of {job.run_id!r}"
    worker = await rig.worker(name, conduct)
    await rig.enqueue(client, [job])
    if await rig.delivered([job]):
        raise Inconclusive("no job was delivered at all")
    delivery = rig.notes.of(job)[0]
    closing = asyncio.ensure_future(rig.close_adapter(worker))
    await asyncio.sleep(_MOMENT_SECONDS)
    early = closing.done()
    closed_at = time.monotonic()
    await rig.enqueue(client, [later])
    await asyncio.sleep(_MOMENT_SECONDS)
    cut_off = delivery.outcome
    release.set()
    await closing
    if cut_off != "running":
        findings.broken("JOB-LIFE-02", f"close() did not let a job in flight finish: it was {cut_off}", rig.told([job]))
    elif early:
        findings.broken("JOB-LIFE-02", "close() returned while a job was still in flight", rig.told([job]))
    if taken := [one for one in rig.notes.deliveries if one.worker == name and one.began > closed_at]:
        findings.broken(
            "JOB-LIFE-02", f"a worker that was being closed took a new job, {taken[0].job.run_id!r}", rig.told()
        )
    await rig.close_adapter(worker)  # may be called twice


@dataclass(frozen=True, slots=True)
class _Left:
    """What there is in this process."""

    tasks: int
    threads: int
    sockets: int

    @classmethod
    def now(cls) -> _Left:
        gc.collect()
        return cls(len(asyncio.all_tasks()), threading.active_count(), _open_sockets())

    def more_than(self, other: _Left) -> list[str]:
        return [name for name in ("tasks", "threads", "sockets") if getattr(self, name) > getattr(other, name)]


def _open_sockets() -> int:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return 0
    count = 0
    for entry in folder.iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return count


async def _cycles(rig: Rig, findings: Findings) -> None:
    """What grows with every cycle is left behind; what grows once is a pool or a cache."""
    store = await rig.harness.create_store()
    counts = [await _cycle(rig, store, 0)]
    for number in range(1, _CYCLES):
        counts.append(await _cycle(rig, store, number, at_most=counts[0]))
    if not counts[-1].more_than(counts[0]):
        return
    for number in range(_CYCLES, 2 * _CYCLES):
        counts.append(await _cycle(rig, store, number, at_most=counts[0]))
    growing = [
        name for name in counts[_CYCLES - 1].more_than(counts[0]) if name in counts[-1].more_than(counts[_CYCLES - 1])
    ]
    if growing:
        findings.broken(
            "JOB-LIFE-02",
            f"cycles of start and close leave more and more {' and '.join(growing)} behind",
            "\n".join(f"after cycle {number}: {count}" for number, count in enumerate(counts, 1)),
        )


async def _cycle(rig: Rig, store: ICoordinationStore, number: int, at_most: _Left | None = None) -> _Left:
    """Start, do one job, close; then what is there, once it is no more than ``at_most`` or does not get less."""
    adapter = await rig.client_on(store)
    rig.give_handler(adapter, f"worker {number}")
    await rig.call("start", adapter.start)
    await _took(rig, adapter, _job(f"cycle {number}"))
    await rig.close_adapter(adapter)
    rig.forget(adapter)
    del adapter
    await asyncio.sleep(_MOMENT_SECONDS / 5)
    if at_most is not None:
        await rig.until(lambda: not _Left.now().more_than(at_most), _SETTLE_SECONDS)
    return _Left.now()


async def _gets_through(rig: Rig, client: DistributedAdapter, job: JobPayload) -> bool:
    """Whether a job that is sent while the queue is away is delivered before it is back."""

    async def send() -> None:
        with contextlib.suppress(Exception):  # as it should be: there is no queue
            await asyncio.sleep(_MOMENT_SECONDS)
            await client.enqueue_job(job)

    sending = asyncio.ensure_future(send())
    await asyncio.sleep(_AWAY_SECONDS)
    delivered = bool(rig.notes.of(job))
    sending.cancel()
    await asyncio.wait({sending}, timeout=_MOMENT_SECONDS)
    return delivered


def coming_back(faults: Faults) -> Program:
    """The queue goes away while a worker listens, and comes back."""

    async def run(rig: Rig, findings: Findings) -> None:
        await rig.worker("worker")
        client = await rig.client()
        before = faults.traffic
        await _took(rig, client, _job("before"))
        if not faults.traffic.since(before).bytes:
            raise Inconclusive("the proxy carried no byte: it does not stand before the queue")
        with faults.during(FaultPlan(Fault.CUT_OFF)):
            got_through = await _gets_through(rig, client, _job("meanwhile"))
        if got_through:
            raise Inconclusive(
                "a job was sent and delivered while all that the proxy stands before was cut off: the queue is reached "
                "on another way"
            )
        sender = await rig.client()
        after = _job("after")
        await rig.enqueue(sender, [after])
        if await rig.delivered([after]):
            findings.broken(
                "JOB-LIFE-03",
                f"the queue was away for {_AWAY_SECONDS:g} s; {rig.patience:g} s after it was back, its worker had not "
                "taken the next job",
                "\n".join([rig.told(), *rig.lines.kept[-5:]]),
            )

    return Program("coming back", ("JOB-LIFE-03",), run)


STARTING = Program("starting", ("JOB-LIFE-01",), _starting)
CLOSING = Program("closing", ("JOB-LIFE-02",), _closing)
CYCLES = Program("cycles", ("JOB-LIFE-02",), _cycles)
