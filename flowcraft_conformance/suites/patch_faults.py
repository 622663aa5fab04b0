"""Patches over a proxy: what they cost in bytes, and what is left of one whose connection or process breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Unsupported
from flowcraft_conformance.harness.calls import ContextClient, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.process_races import run_processes
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.proxy import Fault, FaultPlan, Traffic
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.harness.workers.pool import Signal
from flowcraft_conformance.harness.workers.wire import Lane
from flowcraft_conformance.suites.patch_watched import Watched, offers_guard
from flowcraft_conformance.suites.suite import checks

_STATES = {"quick": (10_000, 1_000_000), "standard": (10_000, 1_000_000, 10_000_000)}
_VALUE_BYTES = 50_000
_SOME = 20
"""Operations of one patch while a state is built: every context takes 25."""
_FIXED: list[PatchOperation] = [SetOp("output", "x" * 500), SetOp("count", 1), DeleteOp("never there")]
_NOISE_BYTES = 2_000
"""Two counts of one patch may differ by the odd handshake or acknowledgement."""
_MOST_PIECES = 4
_KILLED_WITHIN = 0.03
_PATCHES = 300
_ATTEMPTS = 3
_CLIENTS = 3
_LONGEST_SECONDS = 0.02
"""A patch that takes longer is cancelled near its beginning."""


class PatchFaults:
    """What a patch is on the wire."""

    @checks("PATCH-COST-01")
    def test_the_bytes_of_a_patch_do_not_grow_with_the_state(self, flowcraft_context_bench: ContextBench) -> None:
        if not flowcraft_context_bench.settings.capabilities.delta_persistence:
            raise Unsupported("delta_persistence is declared absent")
        faults = flowcraft_context_bench.settings.surroundings.faults()

        async def body(space: ContextSpace) -> None:
            client = await space.client()
            costs: dict[int, Traffic] = {}
            size = 0
            for wanted in _STATES.get(space.profile.name, _STATES["standard"]):
                size = await _grow(client, size, wanted)
                costs[wanted] = await _cheapest(client, faults)
            smallest, largest = costs[min(costs)].bytes, costs[max(costs)].bytes
            if not smallest:
                raise Inconclusive("the proxy carried no byte: does the target read the variable when it connects?")
            if largest > 2 * smallest + _NOISE_BYTES:
                raise ClauseViolation("the bytes of one and the same patch grow with the state", _table(costs))
            flowcraft_context_bench.note(f"one and the same patch moved {_in_one_line(costs)}", _table(costs))

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-01")
    def test_a_patch_whose_connection_is_cut_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        faults = flowcraft_context_bench.settings.surroundings.faults()

        async def body(space: ContextSpace) -> None:
            space.own_health()
            client, fresh = await space.clients(2)
            watched = Watched()
            await watched.prepare(client)
            for number in range(1, space.profile.rounds + 1):
                skip = number // 4 % _MOST_PIECES
                fault = (Fault.CUT_REPLIES, Fault.CUT_REQUESTS)[number % 2]
                patch = partial(_patch, client, watched, f"v{number}", guarded=offers_guard(client) and number % 4 < 2)
                await _try(client.has("connected"))
                before = faults.traffic
                with faults.during(FaultPlan(fault, skip=skip, times=1)):
                    await _try(patch())
                if not faults.traffic.since(before).bytes:
                    raise Inconclusive("the proxy carried no byte: does the target read the variable when it connects?")
                _expect_whole(watched, await fresh.to_dict(), f"whose connection was {_SAID[fault]}", space)
                space.recorder.records.clear()

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-01")
    def test_a_cancelled_patch_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            fresh = await space.client(number=1)
            watched = Watched()
            await watched.prepare(fresh)
            longest = await _seconds_of(partial(_patch, fresh, watched, "timed", guarded=False))
            for number in range(2 * space.profile.rounds):
                client = await space.client(number=2 + number % _CLIENTS)
                guarded = offers_guard(client) and number % 2 == 1
                patch = asyncio.ensure_future(_try(_patch(client, watched, f"v{number}", guarded=guarded)))
                for _ in range(dice.randint(0, 3)):
                    await asyncio.sleep(0)
                await asyncio.sleep(dice.uniform(0, longest) if dice.random() < 0.7 else 0)
                patch.cancel()
                await asyncio.wait([patch])
                _expect_whole(watched, await fresh.to_dict(), "that was cancelled", space)
                space.recorder.records.clear()

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-01")
    def test_a_patch_whose_process_is_killed_is_all_or_nothing(self, flowcraft_context_bench: ContextBench) -> None:
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            runs = [space.run_id(f"killed{process}-{lane}") for process in range(2) for lane in range(4)]
            clients = [await space.client(run) for run in runs]
            watched = Watched()
            for client in clients:
                await watched.prepare(client)
            guarded = offers_guard(clients[0])
            for attempt in range(_ATTEMPTS):
                calls = [
                    watched.planned(f"v{attempt}.{number}", guarded=guarded and number % 2 == 1)
                    for number in range(_PATCHES)
                ]
                lanes = [Lane(client, calls, (run,)) for client, run in enumerate(runs)]
                kills = [Signal(dice.uniform(0.003, _KILLED_WITHIN), process, signal.SIGKILL) for process in range(2)]
                records = await run_processes(flowcraft_context_bench, pool, [lanes[:4], lanes[4:]], kills)
                for client in clients:
                    _expect_whole(watched, await client.to_dict(), "whose process was killed", space)
                if any(record.end is None for record in records):
                    return
            raise Inconclusive("no patch was interrupted: none was under way when its process was killed")

        flowcraft_context_bench.run(body)


_SAID = {Fault.CUT_REPLIES: "cut before the reply", Fault.CUT_REQUESTS: "cut before the request"}


async def _grow(client: ContextClient, size: int, wanted: int) -> int:
    """Add keys until the state has so many bytes."""
    while size < wanted:
        part = min(_VALUE_BYTES, wanted - size)
        count = min(_SOME, max(1, (wanted - size) // part))
        await client.patch([SetOp(f"state{size + number * part}", "x" * part) for number in range(count)])
        size += count * part
    return size


def _table(costs: Mapping[int, Traffic]) -> str:
    return "\n".join(
        f"{state:>12,} bytes of state: {cost.sent:>10,} bytes sent, {cost.received:>10,} received"
        for state, cost in costs.items()
    )


def _in_one_line(costs: Mapping[int, Traffic]) -> str:
    return ", ".join(f"{cost.bytes:,} bytes at {state // 1000:,} KB of state" for state, cost in costs.items())


async def _cheapest(client: ContextClient, faults: Faults) -> Traffic:
    """The traffic of the fixed patch, the first of which may also have connected."""
    counted = []
    for _ in range(4):
        before = faults.traffic
        await client.patch(_FIXED)
        counted.append(faults.traffic.since(before))
    return min(counted, key=lambda traffic: traffic.bytes)


def _patch(client: ContextClient, watched: Watched, value: str, *, guarded: bool) -> Awaitable[Any]:
    if guarded:
        return client.patch_if_absent(watched.guard(value), watched.guarded(value))
    return client.patch(watched.plain(value))


async def _try(call: Awaitable[Any]) -> None:
    """Make a call; an error is the right end of one whose connection is cut."""
    with contextlib.suppress(TargetRaised, CallTimeoutError):
        await call


async def _seconds_of(patch: Callable[[], Awaitable[Any]]) -> float:
    """How long it takes, as far as that matters."""
    started = time.monotonic()
    await patch()
    return min(time.monotonic() - started, _LONGEST_SECONDS)


def _expect_whole(watched: Watched, state: Any, which: str, space: ContextSpace) -> None:
    if (half := watched.half(state)) is not None:
        space.recorder.records[:] = [watched.short(record) for record in space.recorder.records[-4:]]
        raise space.violated(f"a patch {which} left a part of itself: {half}")
