"""Calls that are cancelled, cut off or killed in the middle: what they leave must go by itself.

All ways share one wait: the first check that asks interrupts in all of them, and each is judged by its own keys.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.calls import CallRecord, StoreClient, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.evidence import violation
from flowcraft_conformance.harness.process_races import run_processes
from flowcraft_conformance.harness.proxy import Fault, FaultPlan
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.harness.workers.pool import Signal
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall
from flowcraft_conformance.suites.coordination_processes import PROCESSES
from flowcraft_conformance.suites.suite import checks

_TTL = 1
_SLACK = 0.3
_MOST_STEPS = 12
_LONGEST_SECONDS = 0.002
_MOST_PIECES = 4
"""Cuts strike up to the fourth request or reply of an increment."""
_LANES = 8
_CALLS = 200
_KILLED_WITHIN = 0.03
_ATTEMPTS = 3
_OPEN_CALLS = 16


_WHAT = {
    "cancelled": "increments that were cancelled",
    "cut off": "increments that were cut off",
    "killed": "increments that were killed",
    "extended": "extensions that were cancelled",
}


class CoordinationInterrupted:
    """What a call leaves that did not come to its end."""

    @checks("COORD-TTL-05")
    def test_a_cancelled_extension_leaves_nothing_for_ever(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "extended")

    @checks("COORD-INC-05")
    def test_a_cancelled_increment_leaves_nothing_for_ever(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "cancelled")

    @checks("COORD-INC-05")
    def test_an_increment_whose_connection_is_lost_leaves_nothing_for_ever(
        self, flowcraft_store_bench: StoreBench
    ) -> None:
        _judge(flowcraft_store_bench, "cut off")

    @checks("COORD-INC-05")
    def test_an_increment_whose_process_is_killed_leaves_nothing_for_ever(
        self, flowcraft_store_bench: StoreBench
    ) -> None:
        _judge(flowcraft_store_bench, "killed")


@dataclass(slots=True)
class _Way:
    """What was seen of increments that were interrupted in one way; ``error``: why they could not be."""

    keys: list[str] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None


def _judge(bench: StoreBench, name: str) -> None:
    if "interrupted" not in bench.settings.memo:
        bench.settings.memo["interrupted"] = bench.run(lambda space: _interrupt(bench, space))
    prefix, ways = bench.settings.memo["interrupted"]
    way: _Way = ways[name]
    if way.error is not None:
        raise way.error
    if not way.keys:
        raise Inconclusive(f"there were no {_WHAT[name]}: each had ended before")
    if way.left:
        key, value = next(iter(way.left.items()))
        calls = [call for call in way.calls if call.arguments[0] == key]
        raise violation(
            f"{len(way.left)} of {len(way.keys)} {_WHAT[name]} left a key without an expiry: it holds "
            f"{value!r} long after its TTL of {_TTL} s",
            calls,
            hide=prefix,
        )


async def _interrupt(bench: StoreBench, space: StoreSpace) -> tuple[str, dict[str, _Way]]:
    client = await space.client()
    for call in (
        client.increment,
        client.extend_ttl,
    ):  # what does not return even undisturbed is no matter of this check
        await call(space.key("undisturbed"), _TTL)
    space.own_health()
    ways = {name: _Way() for name in _WHAT}
    steps: dict[str, Callable[[_Way], Awaitable[None]]] = {
        "killed": lambda way: _kill(bench, space, way),
        "cut off": lambda way: _cut(space, client, way),
        "cancelled": lambda way: _cancel(bench, space, client.increment, client, way),
        "extended": lambda way: _cancel(bench, space, client.extend_ttl, client, way),
    }
    for name, step in steps.items():
        try:
            await step(ways[name])
        except Exception as error:  # it is that way's verdict: the others are judged all the same
            ways[name].error = error
    looking = await space.client(1)
    suspects = {key: way for way in ways.values() for key in way.keys}
    for look in range(
        3
    ):  # a late server may have armed a key late: what stays for ever is still there at the last look
        await _wait(space, _TTL + space.capabilities.ttl_lag + (_SLACK if look == 0 else 1))
        found = await _present(looking, list(suspects))
        suspects = {key: suspects[key] for key in found}
        if not found:
            break
    for key, way in suspects.items():
        way.left[key] = found[key]
    for way in ways.values():
        way.calls += [call for call in space.recorder.records if call.arguments[0] in way.left]
    return space.name, ways


async def _wait(space: StoreSpace, seconds: float) -> None:
    clock = space.bench.settings.clock
    if clock is None:
        await asyncio.sleep(seconds)
    else:
        clock.advance(seconds)


async def _present(client: StoreClient, keys: Sequence[str]) -> dict[str, str]:
    gate = asyncio.Semaphore(_OPEN_CALLS)

    async def look(key: str) -> tuple[str, str | None]:
        async with gate:
            return key, await client.get(key)

    looked = await asyncio.gather(*[look(key) for key in keys])
    return {key: value for key, value in looked if value is not None}


async def _cancel(
    bench: StoreBench,
    space: StoreSpace,
    call: Callable[[str, int], Coroutine[Any, Any, Any]],
    client: StoreClient,
    way: _Way,
) -> None:
    dice = bench.random()
    extends = call == client.extend_ttl
    for number in range(4 * space.profile.rounds):
        key = space.key(f"{'extended' if extends else 'cancelled'}{number}")
        if number % 2 or extends:
            await client.increment(key, _TTL)
        task = asyncio.ensure_future(call(key, _TTL))
        if number % 4 < 2:
            for _ in range(number // 4 % _MOST_STEPS):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(dice.uniform(0, _LONGEST_SECONDS))
        task.cancel()
        await asyncio.wait([task], timeout=space.recorder.within)
        way.keys.append(key)


async def _cut(space: StoreSpace, client: StoreClient, way: _Way) -> None:
    # It may start worker processes to find out that there is nothing to cut.
    faults = await asyncio.to_thread(space.bench.settings.surroundings.faults)
    for number in range(space.profile.rounds):
        for skip in range(_MOST_PIECES):
            key = space.key(f"cut{number}-{skip}")
            for _ in range(3):  # until the client has noticed what happened to its connection before
                if not await _fails(client, space.key("warm")):
                    break
            if number % 4 >= 2:  # otherwise the increment is the one that makes the key
                await _fails(client, key)
            fault = (Fault.CUT_REPLIES, Fault.CUT_REQUESTS)[number % 2]
            before = faults.traffic
            with faults.during(FaultPlan(fault, skip=skip, times=1)):
                await _fails(client, key)
            if not faults.traffic.since(before).bytes:
                raise Inconclusive("the proxy carried no byte: does the target read the variable when it connects?")
            way.keys.append(key)


async def _fails(client: StoreClient, key: str) -> bool:
    try:
        await client.increment(key, _TTL)
    except (TargetRaised, CallTimeoutError):
        return True
    return False


async def _kill(bench: StoreBench, space: StoreSpace, way: _Way) -> None:
    pool = await asyncio.to_thread(bench.settings.surroundings.pool)
    dice = bench.random()

    def programs(attempt: int) -> list[list[Lane]]:
        lanes = [
            Lane(
                client,
                [PlannedCall("increment", (space.key(f"killed{attempt}-{client}-{n}"), _TTL)) for n in range(_CALLS)],
            )
            for client in range(PROCESSES * _LANES)
        ]
        return [lanes[process * _LANES : (process + 1) * _LANES] for process in range(PROCESSES)]

    signals = [Signal(dice.uniform(0.002, _KILLED_WITHIN), process, signal.SIGKILL) for process in range(PROCESSES)]
    for attempt in range(_ATTEMPTS):
        way.calls = await run_processes(bench, pool, programs(attempt), signals)
        way.keys = [call.arguments[0] for call in way.calls if call.end is None]
        if way.keys:
            return
