"""Patch against full write against the bare client: the lanes of one experiment on one target."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flowcraft_conformance.benchmarks.plan import Rounds
from flowcraft_conformance.benchmarks.rounds import Lane, Now, Series, measure, never
from flowcraft_conformance.benchmarks.states import BenchState, Case, build_state
from flowcraft_conformance.benchmarks.targets import BarePatch, PatchTarget
from flowcraft_conformance.contract.payloads import DeleteOp, PatchOperation, SetOp
from flowcraft_conformance.harness.bench import clean_quietly
from flowcraft_conformance.harness.loop import bounded
from flowcraft_conformance.harness.proxy import Traffic

PATCH = "patch"
FULL = "full-write"
BARE = "bare"
VARIANTS = (PATCH, FULL, BARE)

_COUNTED_CALLS = 3
_DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PatchFigures:
    """What is known about one variant of one case; ``traffic``: bytes of one call, None where nobody counts them."""

    case: Case
    variant: str
    size: int
    """Bytes of the state as it was."""
    keys: int
    series: Series
    traffic: Traffic | None = None


@dataclass(slots=True)
class _Run:
    """The run that one variant of one case writes to."""

    case: Case
    variant: str
    state: BenchState
    run_id: str
    clients: list[Any] = field(default_factory=list)
    bare: list[BarePatch] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.variant} {self.case}"

    @property
    def writes(self) -> int:
        """Operations of one call of the lane: one a client."""
        return self.case.clients if self.variant != FULL else 1


def why_cut(case: Case, target: PatchTarget) -> str:
    """Why a case cannot be measured within the limits that the target declares; empty where it can."""
    most = target.capabilities.max_patch_operations
    if most is not None and case.changed > most:
        return f"max_patch_operations is declared {most}, this patch has {case.changed}"
    return ""


async def measure_patches(
    target: PatchTarget, cases: Sequence[Case], rounds: Rounds, *, now: Now, seed: int
) -> list[PatchFigures]:
    """All variants of all cases, side by side, each on a run of its own; what was written is removed.

    Raises:
        CallTimeoutError: the target does not return while a state is written that is to be measured.
    """
    async with AsyncExitStack() as stack:
        runs = [run for case in cases for run in _runs(target, case, seed)]
        reasons = {run.name: await _prepare(target, stack, run) for run in runs}
        stack.push_async_callback(_remove, target, runs)
        lanes = [_lane(target, run) for run in runs if not reasons[run.name]]
        measured = await measure(lanes, rounds, now=now, call_within=target.call_seconds, dice=target.dice(seed))
        for run in runs:
            if reasons[run.name]:
                measured[run.name] = Series(Lane(run.name, never), reason=reasons[run.name])
        return [PatchFigures(run.case, run.variant, run.state.size, run.state.keys, measured[run.name]) for run in runs]


async def count_bytes(target: PatchTarget, case: Case, variant: str, seed: int) -> Traffic | None:
    """The bytes of one call of one client, through the proxies; None where there are none, or they carry nothing."""
    if not target.faults.proxies:
        return None
    async with AsyncExitStack() as stack:
        run = _Run(case, variant, build_state(case, target.capabilities.max_value_bytes, seed), _fresh_id())
        reason = await _prepare(target, stack, run)
        stack.push_async_callback(_remove, target, [run])
        if reason:
            return None
        counted = []
        for number in range(1 + _COUNTED_CALLS):
            before = target.faults.traffic
            await bounded(partial(_call, target, run, 0, number), within=target.call_seconds, what=variant)
            counted.append(target.faults.traffic.since(before))
        least = min(counted[1:], key=lambda traffic: traffic.bytes)  # the first call may also have connected
        return least if least.bytes else None


def _runs(target: PatchTarget, case: Case, seed: int) -> Iterable[_Run]:
    state = build_state(case, target.capabilities.max_value_bytes, seed)
    return (_Run(case, variant, state, _fresh_id()) for variant in VARIANTS)


def _fresh_id() -> str:
    return f"fc-bench-{uuid.uuid4().hex[:12]}"


async def _prepare(target: PatchTarget, stack: AsyncExitStack, run: _Run) -> str:
    """Open the clients and write the state; why that cannot be done, or nothing."""
    if reason := why_cut(run.case, target):
        return reason
    if run.variant == BARE and target.open_bare is None:
        return "the target gives no bare patch to compare with"
    for _ in range(run.case.clients):
        run.clients.append(await target.context(stack, run.run_id))
        if run.variant == BARE:
            assert target.open_bare is not None
            run.bare.append(await target.open_bare(stack, run.run_id))
    try:
        await bounded(
            lambda: _in_pieces(target, run.clients[0], run.state.full[0]),
            within=2 * target.call_seconds, what=f"writing a state of {run.case.size_label}",
        )  # fmt: skip
        return await _try_bare(run) if run.variant == BARE else ""
    except Exception as error:
        return f"a state of {run.case.size_label} could not be written: {type(error).__name__}: {error}"


async def _try_bare(run: _Run) -> str:
    """A bare patch that writes elsewhere, or something else, is nothing to compare with."""
    operations = run.state.patches[0][1]
    await run.bare[0](operations)
    for operation in operations[:3]:
        if isinstance(operation, SetOp) and await run.clients[0].get(operation.key) != operation.value:
            return f"the bare patch does not write where the context reads: {operation.key!r} is not what it set"
    return ""


def _lane(target: PatchTarget, run: _Run) -> Lane:
    if run.writes == 1:
        return Lane(run.name, lambda number: _call(target, run, 0, number))

    async def together(number: int) -> None:
        await target.together([_call(target, run, client, number) for client in range(run.case.clients)])

    return Lane(run.name, together, run.writes)


async def _call(target: PatchTarget, run: _Run, client: int, number: int) -> None:
    if run.variant == FULL:
        await _in_pieces(target, run.clients[client], run.state.full[number % len(run.state.full)])
        return
    versions = run.state.patches[client]
    operations = versions[number % len(versions)]
    await (run.bare[client](operations) if run.variant == BARE else run.clients[client].patch(operations))


async def _in_pieces(target: PatchTarget, context: Any, operations: Sequence[PatchOperation]) -> None:
    """One patch, or as many as the declared limit makes of it."""
    most = target.capabilities.max_patch_operations or len(operations)
    for start in range(0, len(operations), most):
        await context.patch(operations[start : start + most])


async def _remove(target: PatchTarget, runs: Sequence[_Run]) -> None:
    """Delete every key of the runs; what a target refuses to remove harms no figure."""
    most = min(target.capabilities.max_patch_operations or _DELETED_AT_ONCE, _DELETED_AT_ONCE)
    calls: list[Callable[[], Awaitable[Any]]] = []
    for run in runs:
        if run.clients:
            keys = [DeleteOp(operation.key) for operation in run.state.full[0]]
            pieces = [keys[start : start + most] for start in range(0, len(keys), most)]
            calls.extend(partial(run.clients[0].patch, piece) for piece in pieces)
    await clean_quietly(calls)
