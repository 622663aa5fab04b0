"""The coordination store between operating-system processes: raced, paused and killed."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from flowcraft_conformance.checking.coordination_model import CoordinationModel
from flowcraft_conformance.checking.history import Operation, count_overlapping
from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.process_races import run_processes
from flowcraft_conformance.harness.races import judge_history
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.harness.workers.pool import Signal
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall
from flowcraft_conformance.suites.coordination_races import operation_of
from flowcraft_conformance.suites.suite import checks

PROCESSES = 4
_LANES = 2
_LONG_TTL = 600
_ROUND_SECONDS = 0.01
"""From the start of one round to that of the next: a few calls of a server that is near."""
_PAUSED_SECONDS = 0.05
_IN_A_ROW = 6
"""Calls of one client on a key: where each takes microseconds, one alone would meet no other."""
_ATTEMPTS = 5
_ENOUGH = 8
"""Calls that overlapped one of another process: with fewer it is raced again."""

RoundMaker = Callable[[StoreSpace, int, random.Random], list[list[PlannedCall]]]
"""Space, number of the round and dice -> the calls of each client in this round."""


class CoordinationProcesses:
    """What must hold when the callers are processes that share nothing but the backend."""

    @checks("COORD-PROC-01")
    def test_processes_count_every_increment_once(self, flowcraft_store_bench: StoreBench) -> None:
        def rounds(space: StoreSpace, number: int, _dice: random.Random) -> list[list[PlannedCall]]:
            call = PlannedCall("increment", (space.key(f"n{number}"), _LONG_TTL))
            return [[call] * _IN_A_ROW for _ in range(PROCESSES * _LANES)]

        _race(flowcraft_store_bench, rounds)

    @checks("COORD-PROC-01")
    def test_of_processes_exactly_one_wins(self, flowcraft_store_bench: StoreBench) -> None:
        def rounds(space: StoreSpace, number: int, dice: random.Random) -> list[list[PlannedCall]]:
            key = space.key(f"n{number}")
            setters = [
                [PlannedCall("set_if_not_exist", (key, f"c{client}.{index}", _LONG_TTL)) for index in range(_IN_A_ROW)]
                for client in range(PROCESSES * _LANES)
            ]
            if dice.random() < 0.5:  # free it in between: it must be won again, by one
                setters[0].insert(_IN_A_ROW // 2, PlannedCall("delete", (key,)))
            return setters

        _race(flowcraft_store_bench, rounds)

    @checks("COORD-PROC-01")
    def test_histories_of_processes_are_linearizable(self, flowcraft_store_bench: StoreBench) -> None:
        _race(flowcraft_store_bench, _random_round)

    @checks("COORD-PROC-01")
    def test_histories_with_paused_and_killed_processes_are_linearizable(
        self, flowcraft_store_bench: StoreBench
    ) -> None:
        dice = flowcraft_store_bench.random()
        length = _ROUND_SECONDS * flowcraft_store_bench.settings.profile.rounds
        paused, killed = dice.sample(range(PROCESSES), 2)
        at = dice.uniform(0.1, 0.6) * length
        signals = [
            Signal(at, paused, signal.SIGSTOP),
            Signal(at + _PAUSED_SECONDS, paused, signal.SIGCONT),
            Signal(dice.uniform(0.2, 0.9) * length, killed, signal.SIGKILL),
        ]
        _race(flowcraft_store_bench, _random_round, signals)


def _race(bench: StoreBench, make: RoundMaker, signals: Iterable[Signal] = ()) -> None:
    """Run the rounds between the processes, each from a common moment, and judge what all of them saw."""
    pool = bench.settings.surroundings.pool()

    async def body(space: StoreSpace) -> None:
        dice = bench.random()
        await space.client()  # it removes the keys afterwards
        for attempt in range(_ATTEMPTS):
            count = space.profile.rounds
            rounds = [make(space, number, dice) for number in range(attempt * count, (attempt + 1) * count)]
            records = await run_processes(bench, pool, _programs(rounds), () if attempt else signals)
            space.recorder.records += records
            operations = [operation_of(record) for record in records]
            judge_history(
                space,
                operations,
                CoordinationModel(space.capabilities.ttl_granularity, space.capabilities.ttl_lag),
                partition=lambda operation: operation.input.key,
            )
            if _between_processes(operations) >= _ENOUGH:
                return
        raise Inconclusive("the calls of the processes hardly overlapped on one key: there was no race")

    bench.run(body)


def _between_processes(operations: Iterable[Operation]) -> int:
    """How many calls overlapped one of another process on the same key."""
    by_process = [replace(operation, client=operation.client // _LANES) for operation in operations]
    return count_overlapping(by_process, partition=lambda operation: operation.input.key)


def _programs(rounds: Sequence[Sequence[Sequence[PlannedCall]]]) -> list[list[Lane]]:
    """The lanes of each process: every client takes part in every round."""
    lanes = [
        Lane(
            client,
            [
                PlannedCall(call.name, call.arguments, number * _ROUND_SECONDS if first else None)
                for number, calls in enumerate(rounds)
                for first, call in ((index == 0, call) for index, call in enumerate(calls[client]))
            ],
            instance=client % _LANES,
        )
        for client in range(PROCESSES * _LANES)
    ]
    return [lanes[process * _LANES : (process + 1) * _LANES] for process in range(PROCESSES)]


def _random_round(space: StoreSpace, number: int, dice: random.Random) -> list[list[PlannedCall]]:
    keys = [space.key(f"r{number}-{name}") for name in ("a", "b")[: dice.randint(1, 2)]]
    return [
        [_random_call(dice.choice(keys), dice.random(), f"c{client}.{index}") for index in range(dice.randint(2, 4))]
        for client in range(PROCESSES * _LANES)
    ]


def _random_call(key: str, what: float, value: str) -> PlannedCall:
    if what < 0.4:
        return PlannedCall("increment", (key, _LONG_TTL))
    if what < 0.65:
        return PlannedCall("set_if_not_exist", (key, value, _LONG_TTL))
    if what < 0.8:
        return PlannedCall("delete", (key,))
    return PlannedCall("extend_ttl", (key, _LONG_TTL)) if what < 0.87 else PlannedCall("get", (key,))
