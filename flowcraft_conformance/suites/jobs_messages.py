"""Messages that are no job, among those that are."""

from __future__ import annotations

from flowcraft_conformance.contract.payloads import JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Unobservable
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.harness.loop import bounded

BAD_MESSAGES = {
    "no JSON": b"no json",
    "half of a job": b'{"runId": "r", "blueprintId": "b", "nod',
    "a list": b"[]",
    "null": b"null",
    "no field at all": b"{}",
    "a field missing": b'{"runId": "bad", "blueprintId": "bad"}',
    "a number as run id": b'{"runId": 5, "blueprintId": "bad", "nodeId": "bad"}',
    "null as node id": b'{"runId": "bad", "blueprintId": "bad", "nodeId": null}',
    "a list as node id": b'{"runId": "bad", "blueprintId": "bad", "nodeId": ["bad"]}',
    "no UTF-8": b"\xff\xfe\x00",
}
_MORE_FIELDS = b'{"runId": "more", "blueprintId": "flow", "nodeId": "n", "priority": 1, "trace": {"id": [null]}}'


async def _bad(rig: Rig, _findings: Findings) -> None:
    await rig.worker("worker")
    client = await rig.client()
    await _good(rig, client, "before", "the first")
    sent = 0
    for what, body in BAD_MESSAGES.items():
        lines = len(rig.lines.kept)
        if not await _send(rig, body):
            continue
        sent += 1
        await _good(rig, client, f"after {what}", f"a message that is no job ({what})")
        if not await rig.until(lambda lines=lines: len(rig.lines.kept) > lines):  # type: ignore[misc]
            raise ClauseViolation(
                f"a message that is no job ({what}: {body!r}) was lost without a line in the log", rig.told()
            )
    if not sent:
        raise Unobservable("its send_raw takes none of the messages that are no job")
    if await _send(rig, _MORE_FIELDS):
        more = JobPayload("more", "flow", "n")
        if await rig.delivered([more]):
            raise ClauseViolation(f"a job with unknown fields was not delivered: {_MORE_FIELDS!r}", _log(rig))
    strange = [one.job for one in rig.notes.deliveries if one.job.blueprint_id != "flow"]
    if strange:
        raise ClauseViolation(f"the handler was given a message that is no job, as {strange[0]!r}")


async def _good(rig: Rig, client: DistributedAdapter, run: str, behind: str) -> None:
    job = JobPayload(run, "flow", "n")
    await rig.enqueue(client, [job])
    if await rig.delivered([job]):
        if behind == "the first":
            raise Inconclusive("no job was delivered at all")
        raise ClauseViolation(f"behind {behind} no job was delivered any more for {rig.patience:g} s", _log(rig))


async def _send(rig: Rig, body: bytes) -> bool:
    """Whether the queue takes it."""
    try:
        await bounded(lambda: rig.harness.send_raw(body), within=rig.capabilities.call_timeout_seconds, what="send_raw")
    except NotImplementedError:
        raise Unobservable("the harness has no send_raw: with one, messages that are no job can be sent") from None
    except Exception:
        return False
    return True


def _log(rig: Rig) -> str:
    return "\n".join(rig.lines.kept[-10:])


BAD = Program("bad", ("JOB-BAD-01",), _bad)
