"""What a client reads of a run's end is what was published, to the last letter."""

from __future__ import annotations

import asyncio
import uuid

from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.json_values import same_json
from flowcraft_conformance.contract.payloads import FinalResult
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.live.flows import LiveFlows, LiveRun
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import only_outcome

_LONG = "the ledger of 2026 is closed: " + "entry, " * 300 + "and 'größe' is no column"
"""More than a careless column holds."""
_CLAUSE = "RESULT-02"


async def _long_reason(rig: Rig, findings: Findings) -> None:
    """One worker, and a run that fails for a reason of some length."""
    blueprint = flow("long-reason", node("b", "fail", message=_LONG), "a>b")
    allowed = await asyncio.to_thread(lambda: asyncio.run(only_outcome(blueprint, kit_registry)))
    flows = LiveFlows(rig, [LiveRun(f"long-reason-{uuid.uuid4().hex[:6]}", blueprint, allowed)])
    client = await flows.worker()
    await flows.start(client)
    await flows.wait(lambda: flows.noted, _nothing)
    read = await _read(rig, flows.runs[0].run_id)
    published = [FinalResult.from_wire(one["result"]) for one in flows.noted if one["what"] == "published"]
    if not published:
        raise Inconclusive("the run did not end, which is DLV-MULTI-01's to judge")
    for one in read:
        _judge(one, published, findings)


async def _read(rig: Rig, run_id: str) -> list[FinalResult]:
    """What a client reads; nothing where the harness cannot tell."""
    try:
        found: list[FinalResult] = await rig.call("read_results", lambda: rig.harness.read_results(run_id))
    except ClauseViolation as error:
        if isinstance(error.__cause__, NotImplementedError):
            return []
        raise
    return found


def _judge(read: FinalResult, published: list[FinalResult], findings: Findings) -> None:
    if any(same_json(read.to_wire(), one.to_wire()) for one in published):
        return
    want = published[0].reason or ""
    got = read.reason or ""
    told = f"a reason of {len(want)} characters was published, and a client reads "
    if want.startswith(got) and got:
        findings.broken(_CLAUSE, f"{told}the first {len(got)} of them, up to {got[-30:]!r}", sure=True)
    else:
        findings.broken(_CLAUSE, f"{told}{shorten(got, 200)}, want {shorten(want, 200)}", sure=True)


async def _nothing() -> None:
    return


LONG_REASON = Program("long reason", (_CLAUSE,), _long_reason)
