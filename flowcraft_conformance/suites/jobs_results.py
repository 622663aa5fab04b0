"""What a client reads of a run's end is what was published, to the last letter."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence

from flowcraft_conformance.checking.blueprints import flow, node
from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.json_values import same_json
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.payloads import FinalResult
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.live.flows import LiveFlows, LiveRun
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.live.together import Findings, Program
from flowcraft_conformance.harness.nodes import kit_registry
from flowcraft_conformance.harness.oracle import only_outcome

_LONG = "the ledger of 2026 is closed: " + "entry, " * 300 + "and 'größe' is no column"
"""More than a careless column holds."""
_LARGE_BYTES = 300_000
"""More than a message of SQS holds."""
_ALIKE = ("order-a", "order-A", "order-à", "Order-a")


async def _long_reason(rig: Rig, findings: Findings) -> None:
    """A run that fails for a reason of some length."""
    published, read = await _ended(rig, flow("long-reason", node("b", "fail", message=_LONG), "a>b"))
    for one in read:
        if not _same(one, published):
            findings.broken("RESULT-02", _of_a_text("reason", published[0].reason, one.reason), sure=True)


async def _large_result(rig: Rig, findings: Findings) -> None:
    """A run whose outputs are larger than a message of many a queue."""
    size = min(_LARGE_BYTES, (rig.capabilities.max_value_bytes or 2 * _LARGE_BYTES) // 2)
    published, read = await _ended(rig, flow("large-result", node("a", "constant", value="0123456789" * (size // 10))))
    for one in read:
        if not _same(one, published):
            want, got = (json.dumps(each.to_wire(), ensure_ascii=False) for each in (published[0], one))
            findings.broken("RESULT-01", _of_a_text("result", want, got), sure=True)


async def _alike(rig: Rig, _findings: Findings) -> None:
    """Runs whose ids a careless table takes for one, each of which ends in its own way."""
    stem = uuid.uuid4().hex[:6]
    runs = [
        await _run(flow(f"alike-{number}", node("a", "fail" if number % 2 else "constant", value=number)), name + stem)
        for number, name in enumerate(_ALIKE)
    ]
    flows, client = await _ran(rig, runs)
    await flows.judge(
        client, lambda: flows.noted, f"beside runs whose ids look alike ({', '.join(repr(run.run_id) for run in runs)})"
    )


async def _run(blueprint: WorkflowBlueprint, run_id: str) -> LiveRun:
    allowed = await asyncio.to_thread(lambda: asyncio.run(only_outcome(blueprint, kit_registry)))
    return LiveRun(run_id, blueprint, allowed)


async def _ran(rig: Rig, runs: Sequence[LiveRun]) -> tuple[LiveFlows, DistributedAdapter]:
    """Runs that one worker has started and done, and the worker."""
    flows = LiveFlows(rig, runs)
    worker = await flows.worker()
    await flows.start(worker)
    await flows.wait(lambda: flows.noted, _nothing)
    return flows, worker


async def _ended(rig: Rig, blueprint: WorkflowBlueprint) -> tuple[list[FinalResult], list[FinalResult]]:
    """What was published of a run on one worker, and what a client reads.

    Raises:
        Inconclusive: the run did not end.
    """
    flows, _ = await _ran(rig, [await _run(blueprint, f"{blueprint.id}-{uuid.uuid4().hex[:6]}")])
    read = await _read(rig, flows.runs[0].run_id)
    published = [FinalResult.from_wire(one["result"]) for one in flows.noted if one["what"] == "published"]
    if not published:
        raise Inconclusive("the run did not end, which is DLV-MULTI-01's to judge")
    return published, read


async def _read(rig: Rig, run_id: str) -> list[FinalResult]:
    """What a client reads; nothing where the harness cannot tell."""
    try:
        found: list[FinalResult] = await rig.call("read_results", lambda: rig.harness.read_results(run_id))
    except ClauseViolation as error:
        if isinstance(error.__cause__, NotImplementedError):
            return []
        raise
    return found


def _same(read: FinalResult, published: list[FinalResult]) -> bool:
    return any(same_json(read.to_wire(), one.to_wire()) for one in published)


def _of_a_text(what: str, want: str | None, got: str | None) -> str:
    want, got = want or "", got or ""
    told = f"a {what} of {len(want)} characters was published, and a client reads "
    if want.startswith(got) and got:
        return f"{told}the first {len(got)} of them, up to {got[-30:]!r}"
    return f"{told}{shorten(got, 200)}, want {shorten(want, 200)}"


async def _nothing() -> None:
    return


LONG_REASON = Program("long reason", ("RESULT-02",), _long_reason)
LARGE_RESULT = Program("large result", ("RESULT-01",), _large_result)
ALIKE = Program("alike", ("KEY-01",), _alike)
