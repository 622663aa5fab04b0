"""Patches between operating-system processes, which share nothing but the backend."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from flowcraft_conformance.contract.payloads import PatchOperation, SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.process_races import Round, race_processes, show_race
from flowcraft_conformance.harness.spaces import ContextBench, ContextSpace
from flowcraft_conformance.harness.workers.wire import PlannedCall
from flowcraft_conformance.suites.context_processes import (
    IN_A_ROW,
    PROCESSES,
    by_patch,
    overlapping,
    overlapping_in_rounds,
    race_disjoint_writers,
)
from flowcraft_conformance.suites.patch_watched import SHARED, Watched, needs_guard, needs_snapshots, offers_guard
from flowcraft_conformance.suites.suite import checks

_MOST_NEW_RUNS = 10
_OTHERS = 100


class PatchProcesses:
    """What must hold of patches when the callers are processes. Every process has clients of its own."""

    @checks("PATCH-RACE-01")
    def test_patches_of_processes_on_different_keys_all_survive(self, flowcraft_context_bench: ContextBench) -> None:
        race_disjoint_writers(flowcraft_context_bench, by_patch)

    @checks("PATCH-RACE-01")
    def test_patches_of_processes_on_the_same_keys_end_in_some_order(
        self, flowcraft_context_bench: ContextBench
    ) -> None:
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            dice = flowcraft_context_bench.random()
            client = await space.client()

            def rounds(attempt: int) -> list[Round]:
                return [
                    Round(space.run_id(), [_patches(f"a{attempt}r{number}", one, dice) for one in range(PROCESSES)])
                    for number in range(space.profile.rounds)
                ]

            async def judge(_rounds: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
                state = await client.to_dict()
                for calls in records:
                    _one_patch_is_left(space, calls, state)
                return overlapping_in_rounds(records)

            await race_processes(space, pool, rounds, judge)

        flowcraft_context_bench.run(body)

    @checks("PATCH-ATOM-02")
    def test_no_reader_in_another_process_sees_half_a_patch(self, flowcraft_context_bench: ContextBench) -> None:
        needs_snapshots(flowcraft_context_bench)
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            client = await space.client()
            watched = Watched()
            await watched.prepare(client, others=_OTHERS)
            guarded = offers_guard(client)

            def rounds(attempt: int) -> list[Round]:
                looks = [PlannedCall("to_dict", ())] * IN_A_ROW
                return [
                    Round(
                        space.run_id(),
                        [*_watched_patches(watched, f"a{attempt}r{number}", guarded), looks],
                    )
                    for number in range(space.profile.rounds)
                ]

            async def judge(planned: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
                made = [record for calls in records for record in calls]
                for look in (record for record in made if record.name == "to_dict"):
                    if (half := watched.half(look.output)) is not None:
                        patches = [watched.short(record) for record in watched.involved(look.output, made)]
                        shown = show_race(space, watched.short(look), patches)
                        raise ClauseViolation(f"a reader in another process saw half a patch: {half}", shown)
                return overlapping(planned, records)

            await race_processes(space, pool, rounds, judge)

        flowcraft_context_bench.run(body)

    @checks("PATCH-GUARD-01")
    def test_of_guarded_patches_of_processes_one_is_applied(self, flowcraft_context_bench: ContextBench) -> None:
        pool = flowcraft_context_bench.settings.surroundings.pool()

        async def body(space: ContextSpace) -> None:
            needs_guard(await space.client())

            def rounds(attempt: int) -> list[Round]:
                existing = [(space.run_id(), f"a{attempt}r{number}") for number in range(space.profile.rounds)]
                new = [
                    (space.run_id(f"new{attempt}.{number}"), f"r{number}")
                    for number in range(min(space.profile.rounds // 2, _MOST_NEW_RUNS))
                ]
                return [
                    Round(run, [_guarded_in_turn(guard, process) for process in range(PROCESSES)])
                    for run, guard in [*existing, *new]
                ]

            async def judge(planned: Sequence[Round], records: Sequence[list[CallRecord]]) -> int:
                states = {run: await (await space.client(run)).to_dict() for run in {each.run for each in planned}}
                for each, calls in zip(planned, records, strict=True):
                    _one_winner_each(space, calls, states[each.run])
                return overlapping_in_rounds(records)

            await race_processes(space, pool, rounds, judge)

        flowcraft_context_bench.run(body)


def _watched_patches(watched: Watched, name: str, guarded: bool) -> list[list[PlannedCall]]:
    """What all processes but one patch: every second patch is guarded, where there are guards."""
    return [
        [watched.planned(f"{name}-p{writer}-{index}", guarded=guarded and index % 2 == 1) for index in range(IN_A_ROW)]
        for writer in range(PROCESSES - 1)
    ]


def _patches(name: str, process: int, dice: random.Random) -> list[PlannedCall]:
    """Patches of the same keys, in any order of the keys."""
    return [
        PlannedCall("patch", ([SetOp(f"{name}{key}", f"p{process}.{index}") for key in dice.sample(SHARED, 4)],))
        for index in range(2)
    ]


def _one_patch_is_left(space: ContextSpace, calls: Sequence[CallRecord], state: Mapping[str, Any]) -> None:
    """The keys of a round hold the values of one patch, after which no other was begun."""
    keys = sorted(operation.key for operation in calls[0].arguments[0])
    left = {key: state.get(key) for key in keys}
    winners = [record for record in calls if record.arguments[0][0].value in left.values()]
    if len(set(map(repr, left.values()))) > 1 or not winners:
        raise ClauseViolation(
            f"concurrent patches of the same keys by {PROCESSES} processes left {left!r}, the work of more than one",
            show_race(space, winners[0] if winners else calls[0], winners or calls),
        )
    later = next((record for record in calls if winners[0].end is not None and record.start > winners[0].end), None)
    if later is not None:
        raise ClauseViolation(
            "a patch that began after another one had ended is lost: the keys hold the values of the earlier one",
            show_race(space, winners[0], [later]),
        )


def _guarded_in_turn(guard: str, process: int) -> list[PlannedCall]:
    """One guarded patch after the other, each with a guard of its own that every process tries."""
    return [
        PlannedCall("patch_if_absent", (f"{guard}g{index}", _claim(f"{guard}g{index}", process)))
        for index in range(IN_A_ROW)
    ]


def _claim(guard: str, process: int) -> list[PatchOperation]:
    return [SetOp(guard, process), SetOp(f"{guard}of{process}", process)]


def _one_winner_each(space: ContextSpace, calls: Iterable[CallRecord], state: Mapping[str, Any]) -> None:
    """Of the guarded patches with one guard exactly one is told True, and its operations alone are there."""
    for guard, tried in groupby(sorted(calls, key=_guard_of), key=_guard_of):
        patches = list(tried)
        applied = [record for record in patches if record.output is True]
        answers = sorted(repr(record.output) for record in patches)
        if len(applied) != 1 or any(type(record.output) is not bool for record in patches):
            raise ClauseViolation(
                f"{len(patches)} processes patched with one guard key and were told {', '.join(answers)}, want True "
                "exactly once",
                show_race(space, (applied or patches)[0], patches),
            )
        want = {operation.key: operation.value for operation in applied[0].arguments[1]}
        got = {key: value for key, value in state.items() if key == guard or key.startswith(f"{guard}of")}
        if got != want:
            raise ClauseViolation(
                f"after guarded patches of {len(patches)} processes the state holds {got!r}, want {want!r}",
                show_race(space, applied[0], patches),
            )


def _guard_of(record: CallRecord) -> str:
    guard: str = record.arguments[0]
    return guard
