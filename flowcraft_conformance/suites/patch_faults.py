"""Patches over a proxy: what they cost in bytes, and what is left of one whose connection or process breaks off."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Unsupported
from flowcraft_conformance.harness.calls import ContextClient, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.proxy import Fault, FaultPlan
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.harness.workers.pool import Signal, WorkerPool
from flowcraft_conformance.harness.workers.process import WorkerError
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall
from flowcraft_conformance.suites.suite import checks

_STATES = {"quick": (10_000, 1_000_000), "standard": (10_000, 1_000_000, 10_000_000)}
_VALUE_BYTES = 50_000
_SOME = 20
"""Operations of one patch while a state is built: every context takes 25."""
_FIXED: list[PatchOperation] = [SetOp("output", "x" * 500), SetOp("count", 1), DeleteOp("never there")]
_NOISE_BYTES = 2_000
"""Two counts of one patch may differ by the odd handshake or acknowledgement."""
_KEYS = 12
_MOST_PIECES = 4
_KILLED_WITHIN = 0.03
_PATCHES = 300
_ATTEMPTS = 3


class PatchFaults:
    """What a patch is on the wire."""

    @checks("PATCH-COST-01")
    def test_the_bytes_of_a_patch_do_not_grow_with_the_state(self, flowcraft_context_bench: ContextBench) -> None:
        if not flowcraft_context_bench.settings.capabilities.delta_persistence:
            raise Unsupported("delta_persistence is declared absent")
        faults = flowcraft_context_bench.settings.surroundings.faults()

        async def body(space: ContextSpace) -> None:
            client = await space.client()
            costs: dict[int, int] = {}
            size = 0
            for wanted in _STATES.get(space.profile.name, _STATES["standard"]):
                size = await _grow(client, size, wanted)
                costs[wanted] = await _cheapest(client, faults)
            smallest, largest = costs[min(costs)], costs[max(costs)]
            if not smallest:
                raise Inconclusive("the proxy carried no byte: does the target read the variable when it connects?")
            if largest > 2 * smallest + _NOISE_BYTES:
                counted = "\n".join(f"{state:>12,} bytes of state: {cost:>12,} bytes" for state, cost in costs.items())
                raise ClauseViolation("the bytes of one and the same patch grow with the state", counted)

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-01")
    def test_a_patch_whose_connection_is_cut_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        faults = flowcraft_context_bench.settings.surroundings.faults()

        async def body(space: ContextSpace) -> None:
            space.own_health()
            client, fresh = await space.clients(2)
            await client.patch(_version(0))
            for number in range(1, space.profile.rounds + 1):
                skip = number // 2 % _MOST_PIECES
                fault = (Fault.CUT_REPLIES, Fault.CUT_REQUESTS)[number % 2]
                await _try(client, _version(0))
                before = faults.traffic
                with faults.during(FaultPlan(fault, skip=skip, times=1)):
                    await _try(client, _version(number))
                if not faults.traffic.since(before).bytes:
                    raise Inconclusive("the proxy carried no byte: does the target read the variable when it connects?")
                _expect_whole(space, await fresh.to_dict(), f"after the connection of a patch was {_SAID[fault]}")
                space.recorder.records.clear()

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-01")
    def test_a_patch_whose_process_is_killed_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            runs = [space.run_id(f"killed{process}-{lane}") for process in range(2) for lane in range(4)]
            clients = [await space.client(run) for run in runs]
            for client in clients:
                await client.patch(_version(0))
            for _ in range(_ATTEMPTS):
                interrupted = await asyncio.to_thread(_kill, flowcraft_context_bench, pool, runs, dice)
                for client in clients:
                    _expect_whole(space, await client.to_dict(), "after the process of a patch was killed")
                if interrupted:
                    return
            raise Inconclusive("no patch was interrupted: none was under way when its process was killed")

        flowcraft_context_bench.run(body)


_SAID = {Fault.CUT_REPLIES: "cut before the reply", Fault.CUT_REQUESTS: "cut before the request"}


def _version(number: int) -> list[PatchOperation]:
    return [SetOp(f"k{key}", number) for key in range(_KEYS)]


async def _grow(client: ContextClient, size: int, wanted: int) -> int:
    """Add keys until the state has so many bytes."""
    while size < wanted:
        part = min(_VALUE_BYTES, wanted - size)
        count = min(_SOME, max(1, (wanted - size) // part))
        await client.patch([SetOp(f"state{size + number * part}", "x" * part) for number in range(count)])
        size += count * part
    return size


async def _cheapest(client: ContextClient, faults: Faults) -> int:
    """The bytes of the fixed patch, the first of which may also have connected."""
    counted = []
    for _ in range(4):
        before = faults.traffic
        await client.patch(_FIXED)
        counted.append(faults.traffic.since(before).bytes)
    return min(counted)


async def _try(client: ContextClient, operations: Sequence[PatchOperation]) -> None:
    """Patch; an error is the right end of one whose connection is cut."""
    try:
        await client.patch(operations)
    except (TargetRaised, CallTimeoutError):
        return


def _expect_whole(space: ContextSpace, state: Mapping[str, Any], when: str) -> None:
    seen = [state.get(f"k{key}") for key in range(_KEYS)]
    if any(value != seen[0] for value in seen):
        raise space.violated(f"{when} a part of it is left: its keys hold {seen}, want one value in all")


def _kill(bench: ContextBench, pool: WorkerPool, runs: Sequence[str], dice: random.Random) -> bool:
    """Kill processes while they patch; whether a patch was under way."""
    calls = [PlannedCall("patch", (_version(number),)) for number in range(1, _PATCHES)]
    lanes = [Lane(client, calls, (run,)) for client, run in enumerate(runs)]
    signals = [Signal(dice.uniform(0.003, _KILLED_WITHIN), process, signal.SIGKILL) for process in range(2)]
    try:
        records = pool.run(
            [lanes[:4], lanes[4:]],
            call_seconds=bench.call_seconds,
            within=bench.settings.profile.check_seconds / 2,
            signals=signals,
        )
    except WorkerError as error:
        raise Inconclusive(str(error)) from None
    return any(record.end is None for record in records)
