"""Jobs that are put back, enqueued while they are worked at, or given up: the queue has to keep each of them."""

from __future__ import annotations

import asyncio

from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.live.rig import Delivery, Rig
from flowcraft_conformance.harness.live.together import Findings, Program

_WORKERS = 2
_LONG_SECONDS = 3600.0
"""Longer than the longest delay of many a queue: 15 minutes of SQS."""
_OFTEN_SECONDS = 0.01
_MOST_DEFERRALS = 60
_LONG, _OFTEN, _TWIN, _GIVEN_UP = (JobPayload(name, "flow", name) for name in ("long", "often", "twin", "given up"))


class _Refused(RuntimeError):
    """What a handler of the kit's raises."""


class _Handlers:
    """What is done to each job, by the name of its node."""

    def __init__(self) -> None:
        self.at_work = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> None:
        kind = delivery.job.node_id
        if kind == _LONG.node_id:
            raise JobDeferred(_LONG_SECONDS)
        if kind == _OFTEN.node_id and delivery.number < _MOST_DEFERRALS:
            raise JobDeferred(_OFTEN_SECONDS)
        if kind == _GIVEN_UP.node_id:
            raise _Refused("this job is never done")
        if kind == _TWIN.node_id and delivery.number == 0:
            self.at_work.set()
            await self.release.wait()


async def _put_back(rig: Rig, findings: Findings) -> None:
    handlers = _Handlers()
    rig.refuses = _GIVEN_UP.node_id
    for number in range(_WORKERS):
        await rig.worker(f"worker {number}", handlers)
    client = await rig.client()
    await rig.enqueue(client, [_LONG, _OFTEN, _GIVEN_UP, _TWIN])
    await _enqueued_at_work(rig, client, findings, handlers)
    await asyncio.sleep(rig.capabilities.redelivery_seconds + rig.capabilities.lease_seconds)
    _uses_up_no_attempt(rig, findings, _LONG, f"was deferred for {_LONG_SECONDS:g} s")
    _uses_up_no_attempt(rig, findings, _OFTEN, f"was deferred {len(rig.notes.of(_OFTEN))} times")
    await _is_given_up_again(rig, findings)


async def _enqueued_at_work(rig: Rig, client: DistributedAdapter, findings: Findings, handlers: _Handlers) -> None:
    """What a job cannot have seen, as it became true while it was at work, is told by a second one."""
    if not await rig.until(handlers.at_work.is_set):
        findings.broken("JOB-LOSS-01", "a job was never delivered", rig.told([_TWIN]))
        return
    await rig.enqueue(client, [_TWIN])
    handlers.release.set()
    if not await rig.until(lambda: len(rig.notes.of(_TWIN)) > 1):
        findings.broken(
            "JOB-LOSS-01",
            "a job that was enqueued while the one before it with the same ids was still worked at was never delivered",
            rig.told([_TWIN]),
            sure=True,
        )


def _uses_up_no_attempt(rig: Rig, findings: Findings, job: JobPayload, what: str) -> None:
    seen = rig.notes.of(job)
    highest = max((one.job.attempt for one in seen), default=1)
    given_up = [reason for given, reason in rig.notes.given_up if given.node_id == job.node_id]
    if given_up:
        findings.broken("JOB-NACK-01", f"a job that {what} was given up: {given_up[0]}", rig.told([job]))
    elif highest > 1:
        findings.broken(
            "JOB-NACK-01",
            f"JobDeferred used up attempts: a job that {what} came with attempt {highest}",
            rig.told([job]),
        )


async def _is_given_up_again(rig: Rig, findings: Findings) -> None:
    """Where a queue gives a job up by itself, and the first try at that fails as its server is away: there is another.

    An adapter that leaves this to the handler of the last attempt never tries.
    """

    refused_at = rig.notes.refused_at
    if refused_at is None:
        return

    def comes_again() -> bool:
        tries = sum(job.node_id == _GIVEN_UP.node_id for job, _ in rig.notes.given_up)
        return tries > 1 or any(one.began > refused_at for one in rig.notes.of(_GIVEN_UP))

    if not await rig.until(comes_again):
        findings.broken(
            "DLQ-01",
            f"a job was given up, the call of abandon_job for it failed, and for {rig.patience:g} s it was not made "
            "again: the run of such a job ends in silence",
            rig.told([_GIVEN_UP]),
        )


PUT_BACK = Program("put back", ("JOB-LOSS-01", "JOB-NACK-01", "DLQ-01"), _put_back)
