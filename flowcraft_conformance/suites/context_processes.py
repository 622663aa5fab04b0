"""Contexts between operating-system processes, which share nothing but the backend."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from flowcraft_conformance.checking.drawing import draw_time_line
from flowcraft_conformance.checking.history import Operation, count_overlapping
from flowcraft_conformance.checking.models import KeyValueModel, ValueCall
from flowcraft_conformance.contract.keys import OUTPUTS_PREFIX
from flowcraft_conformance.contract.payloads import DeleteOp, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.evidence import draw
from flowcraft_conformance.harness.process_races import Round, race_processes
from flowcraft_conformance.harness.races import judge_history
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.harness.workers.pool import WorkerPool
from flowcraft_conformance.harness.workers.wire import PlannedCall
from flowcraft_conformance.suites.suite import checks
from flowcraft_conformance.suites.survivors import require_survivors, written_by

PROCESSES = 3
IN_A_ROW = 4
"""Calls of one process in one round: where each takes microseconds, one alone would meet no other."""
_MOST_NEW_RUNS = 10
_LONG_ROW = 80
"""Calls of one process in the last round: a log of changes is made shorter after a hundred or more."""

Writer = Callable[[Mapping[str, Any], random.Random], PlannedCall]
"""The values to write, and dice -> a call that writes them."""


class ContextProcesses:
    """What must hold when the callers are processes. Every process has clients of its own."""

    @checks("CTX-RUN-01")
    def test_another_process_sees_each_completed_write(self, flowcraft_context_bench: ContextBench) -> None:
        """In each round one process writes, and then, once it has had the time, the others look.

        The second key is one of the runtime's own: a cache may hold such keys alone, for an output is written once.
        """
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            await space.client()  # it removes the keys afterwards
            for key in ("k", f"{OUTPUTS_PREFIX}k"):
                await _writes_and_looks(space, pool, key, dice)

        flowcraft_context_bench.run(body)

    @checks("CTX-RACE-01")
    def test_writes_of_processes_to_different_keys_all_survive(self, flowcraft_context_bench: ContextBench) -> None:
        race_disjoint_writers(flowcraft_context_bench, _by_set_or_patch)

    @checks("CTX-RACE-02")
    def test_histories_of_processes_are_linearizable(self, flowcraft_context_bench: ContextBench) -> None:
        def calls(name: str, number: int, process: int, dice: random.Random) -> list[PlannedCall]:
            return _random_calls(f"k{name}", process, dice, contest=number % 3 == 0)

        def judge(space: ContextSpace, records: Sequence[list[CallRecord]]) -> int:
            operations = [_on_key(record, record.arguments[0]) for calls in records for record in calls]
            judge_history(space, operations, KeyValueModel(), partition=_key_of)
            return count_overlapping(operations, partition=_key_of)

        _race_on_keys_of_each_round(flowcraft_context_bench, calls, judge)

    @checks("CTX-RACE-03")
    def test_of_processes_that_write_and_look_one_sees_the_other(self, flowcraft_context_bench: ContextBench) -> None:
        def calls(name: str, _number: int, process: int, dice: random.Random) -> list[PlannedCall]:
            return _write_and_look(f"r{name}", process, dice)

        def judge(space: ContextSpace, records: Sequence[list[CallRecord]]) -> int:
            for calls in records:
                _one_of_each_pair_sees_the_other(space, calls)
            return overlapping_in_rounds(records)

        _race_on_keys_of_each_round(flowcraft_context_bench, calls, judge)


async def _writes_and_looks(space: ContextSpace, pool: WorkerPool, key: str, dice: random.Random) -> None:
    """Half of the profile's rounds on one key."""

    def rounds(attempt: int) -> list[Round]:
        planned: list[Round] = []
        for number in range(space.profile.rounds // 2):
            turn = number % PROCESSES
            write = _one_write(key, f"w{attempt}.{number}", dice)
            looks = [_one_look(key, dice) for _ in range(2)]
            planned.append(Round(space.run_id(), [[write] if one == turn else [] for one in range(PROCESSES)]))
            planned.append(Round(space.run_id(), [looks] * PROCESSES))
        return planned

    seen: list[Operation] = []

    async def judge(_rounds: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
        new = [_on_key(record, key) for calls in records for record in calls]
        seen.extend(new)
        judge_history(space, seen, KeyValueModel())
        return _looks_after_others(new)

    await race_processes(space, pool, rounds, judge)


def _race_on_keys_of_each_round(
    bench: ContextBench,
    calls: Callable[[str, int, int, random.Random], list[PlannedCall]],
    judge: Callable[[ContextSpace, Sequence[list[CallRecord]]], int],
) -> None:
    """Rounds of processes on one run, each on keys that no other round has.

    ``calls``: the name of a round, its number, the process and dice -> its calls. ``judge``: how many of the calls
    met, or a violation.
    """
    pool = bench.settings.surroundings.pool()

    async def body(space: ContextSpace) -> None:
        dice = bench.random()
        await space.client()  # it removes the keys afterwards

        def rounds(attempt: int) -> list[Round]:
            return [
                Round(
                    space.run_id(),
                    [calls(f"{attempt}n{number}", number, process, dice) for process in range(PROCESSES)],
                )
                for number in range(2 * space.profile.rounds)
            ]

        async def judged(_rounds: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
            return judge(space, records)

        await race_processes(space, pool, rounds, judged)

    bench.run(body)


def race_disjoint_writers(bench: ContextBench, write: Writer) -> None:
    """Processes write keys of their own side by side, in an existing run and in new ones: all must be there after.

    Raises:
        ClauseViolation: a write was lost, or a key is there that nobody wrote.
    """
    pool = bench.settings.surroundings.pool()

    async def body(space: ContextSpace) -> None:
        dice = bench.random()
        before = await space.client(space.run_id("existing"))
        await before.set("before", "kept")

        def rounds(attempt: int) -> list[Round]:
            planned = [
                _own_keys(space.run_id("existing"), f"a{attempt}r{number}", IN_A_ROW, write, dice)
                for number in range(space.profile.rounds)
            ]
            new = [
                _own_keys(space.run_id(f"new{attempt}.{number}"), f"r{number}", 2, write, dice)
                for number in range(min(space.profile.rounds // 2, _MOST_NEW_RUNS))
            ]
            dice.shuffle(both := [*planned, *new])
            return [*both, _own_keys(space.run_id("existing"), f"a{attempt}long", _LONG_ROW, write, dice)]

        written: dict[str, dict[str, Any]] = {space.run_id("existing"): {"before": "kept"}}

        async def judge(planned: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
            for each, calls in zip(planned, records, strict=True):
                written.setdefault(each.run, {}).update(
                    (key, value) for record in calls for key, value in written_by(record).items()
                )
            for run in dict.fromkeys(each.run for each in planned):
                calls = [
                    record for each, some in zip(planned, records, strict=True) if each.run == run for record in some
                ]
                client = await space.client(run)
                await client.to_dict()
                look = replace(space.recorder.records[-1], client=PROCESSES)
                kind = "an existing run" if "before" in written[run] else "a new run"
                require_survivors(space, calls, look, written[run], "processes", kind)
            return overlapping(planned, records)

        await race_processes(space, pool, rounds, judge)

    bench.run(body)


def overlapping(planned: Sequence[Round], records: Sequence[Sequence[CallRecord]]) -> int:
    """How many calls met one of another process on the same run."""
    return count_overlapping(
        [
            Operation(record.client, each.run, record.start, record.end)
            for each, calls in zip(planned, records, strict=True)
            for record in calls
        ],
        partition=lambda operation: operation.input,
    )


def overlapping_in_rounds(records: Sequence[Sequence[CallRecord]]) -> int:
    """How many calls met one of another process in the same round."""
    return sum(
        count_overlapping([Operation(record.client, None, record.start, record.end) for record in calls])
        for calls in records
    )


def _own_keys(run: str, name: str, count: int, write: Writer, dice: random.Random) -> Round:
    return Round(
        run,
        [
            [write({f"{name}p{process}n{index}": f"v{process}.{index}"}, dice) for index in range(count)]
            for process in range(PROCESSES)
        ],
    )


def _by_set_or_patch(values: Mapping[str, Any], dice: random.Random) -> PlannedCall:
    if dice.random() < 0.5:
        return by_patch(values, dice)
    ((key, value),) = values.items()
    return PlannedCall("set", (key, value))


def by_patch(values: Mapping[str, Any], _dice: random.Random) -> PlannedCall:
    """One patch that sets the values and deletes what is not there."""
    return PlannedCall("patch", ([*(SetOp(key, value) for key, value in values.items()), DeleteOp("never there")],))


def _one_write(key: str, value: str, dice: random.Random) -> PlannedCall:
    what = dice.random()
    if what < 0.2:
        return PlannedCall("delete", (key,))
    return _by_set_or_patch({key: value}, dice)


def _one_look(key: str, dice: random.Random) -> PlannedCall:
    name = dice.choice(("get", "get", "has", "to_dict"))
    return PlannedCall(name, () if name == "to_dict" else (key,))


def _random_calls(key: str, process: int, dice: random.Random, *, contest: bool) -> list[PlannedCall]:
    """Calls of any kind, or a contest of deletes: of those that meet, one has found the key."""
    names = dice.choices(("set", "delete", "has", "get"), (4, 2, 1, 3), k=dice.randint(2, IN_A_ROW))
    if contest:
        names = ["set", *["delete"] * (IN_A_ROW - 1)] if process == 0 else ["delete"] * IN_A_ROW
    return [
        PlannedCall(name, (key, f"v{process}.{number}") if name == "set" else (key,))
        for number, name in enumerate(names)
    ]


@dataclass(frozen=True, slots=True)
class _Shown(ValueCall):
    """A call on one key that was part of another one."""

    shown: str = ""

    def __str__(self) -> str:
        """The call that was made."""
        return self.shown


def _on_key(record: CallRecord, key: str) -> Operation:
    """A recorded call as one on this key alone: a patch sets it, to_dict gets it."""
    name, output = record.name, record.output
    call = ValueCall(name, key, record.arguments[1] if name == "set" else None)
    if name == "patch":
        value, output = written_by(record)[key], None
        call = _Shown("set", key, value, f"patch([set {key!r} = {value!r}])")
    elif name == "to_dict":
        output = output.get(key) if isinstance(output, dict) else output
        call = _Shown("get", key, None, f"to_dict()[{key!r}]")
    return Operation(record.client, call, record.start, record.end, output)


def _key_of(operation: Operation) -> str:
    key: str = operation.input.key
    return key


def _looks_after_others(operations: Iterable[Operation]) -> int:
    """How many looks came after a write of another process had ended, which was the last one so far."""
    ordered = sorted(operations, key=lambda operation: operation.start)
    count = 0
    for number, look in enumerate(ordered):
        if look.input.name not in ("get", "has"):
            continue
        writes = [one for one in ordered[:number] if one.input.name in ("set", "delete")]
        count += bool(writes) and writes[-1].client != look.client and (writes[-1].end or look.start) < look.start
    return count


def _write_and_look(name: str, process: int, dice: random.Random) -> list[PlannedCall]:
    others = [other for other in range(PROCESSES) if other != process]
    dice.shuffle(others)
    how = dice.choice(("get", "has", "to_dict"))
    looks = (
        [PlannedCall("to_dict", ())] if how == "to_dict" else [PlannedCall(how, (f"{name}p{one}",)) for one in others]
    )
    return [_by_set_or_patch({f"{name}p{process}": 1}, dice), *looks]


def _one_of_each_pair_sees_the_other(space: ContextSpace, calls: Sequence[CallRecord]) -> None:
    own = {record.client: key for record in calls for key in written_by(record)}
    seen = {
        process: {key for record in calls if record.client == process for key in _seen_by(record)} for process in own
    }
    for one, other in combinations(sorted(own), 2):
        if own[other] not in seen[one] and own[one] not in seen[other]:
            pair = [
                record for record in calls if record.client in (one, other) and _is_about(record, own[one], own[other])
            ]
            looks = [record for record in pair if not written_by(record)]
            raise ClauseViolation(
                "each of two processes wrote its key and then did not see the other's",
                draw_time_line([draw(record, space.name, marked=record in looks) for record in pair]),
            )


def _seen_by(look: CallRecord) -> set[str]:
    """The keys that a call has shown to be there."""
    if look.name == "to_dict":
        return set(look.output) if isinstance(look.output, dict) else set()
    there = look.output is True if look.name == "has" else look.name == "get" and look.output == 1
    return {look.arguments[0]} if there else set()


def _is_about(record: CallRecord, *keys: str) -> bool:
    return record.name in ("patch", "to_dict") or record.arguments[0] in keys
