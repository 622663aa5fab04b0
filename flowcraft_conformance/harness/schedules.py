"""Schedule search on a target that lives in this process: fresh clients each run, evidence told as steps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import time
from asyncio.mixins import _LoopBoundMixin
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from flowcraft_conformance.checking.deterministic_loop import DeterministicLoop
from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.loop_parts import DeadlockError, NeedsRealTimeError, StepLimitError
from flowcraft_conformance.checking.schedules import Schedule, ScheduleFailure, ScheduleSearch
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, NotApplicable, Unsupported
from flowcraft_conformance.harness.bench import Bench, Space
from flowcraft_conformance.harness.calls import Recorder, TargetRaised, outcome_of
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.evidence import SEPARATOR, draw_argument
from flowcraft_conformance.harness.loop import run_in_thread
from flowcraft_conformance.harness.step_text import tell_steps

SpaceT = TypeVar("SpaceT", bound=Space)

Caller = Callable[[], Awaitable[Any]]
"""Makes one or more calls as one client."""

_MEMO = "why schedules cannot be searched"
_FEWEST = 24
"""Runs of each program at least."""
_OTHER_LOOP = ("different event loop", "different loop")
"""What asyncio says where a lock or a future of the kit's real loop is used on the deterministic one."""


class _CallRaised(Exception):
    """A call raised where none should."""


class _Unjudged(Exception):
    """A call timed out because the schedule made others slow: the run says nothing."""


@dataclass(slots=True)
class StepRecorder(Recorder):
    """Records calls by logical time, one tick an event, and writes them into the story of the steps. It sets no timer:
    what never ends on the deterministic loop is a deadlock, or ends at the bound on steps."""

    loop: DeterministicLoop | None = None
    hide: str = ""

    async def call(self, client: int, target: Any, name: str, *arguments: Any, run_id: str = "") -> Any:
        """See :meth:`Recorder.call`."""
        shown = ", ".join(draw_argument(argument, self.hide) for argument in arguments)
        self._note(lambda: f"calls {name}({shown})")
        try:
            output = await Recorder.call(self, client, target, name, *arguments, run_id=run_id)
        except TargetRaised as raised:
            said = f"{name} raised {type(raised.error).__name__}: {str(raised.error)[:80]}"
            self._note(lambda: said.replace(self.hide + SEPARATOR, ""))
            raise
        self._note(lambda: f"{name} -> {shorten(output)}")
        return output

    async def _make(self, target: Any, name: str, arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        return await outcome_of(name, lambda: getattr(target, name)(*arguments))

    def _note(self, text: Callable[[], str]) -> None:
        if self.loop is not None and self.loop.story is not None:
            self.loop.story.note(text())


async def race(callers: Sequence[Caller]) -> list[Any]:
    """Run all callers at once, in the order that the schedule gives, and return their results in the order given.

    Raises:
        TargetRaised: the first that one of them raised, once all have ended.
    """
    loop = cast(DeterministicLoop, asyncio.get_running_loop())
    tasks = [loop.create_task(_called(caller), name=f"c{number}") for number, caller in enumerate(callers)]
    loop.resume_choices()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    loop.pause_choices()
    for result in results:
        if isinstance(result, TargetRaised) and isinstance(result.error, TimeoutError):
            raise _Unjudged from result
        if isinstance(result, BaseException):
            raise result
    return list(results)


async def _called(caller: Caller) -> Any:
    return await caller()


def after(seconds: float, caller: Caller) -> Caller:
    """A caller that starts so many virtual seconds later."""

    async def late() -> Any:
        await asyncio.sleep(seconds)
        return await caller()

    return late if seconds else caller


def cut_off(caller: Caller, after_steps: int) -> Caller:
    """A caller that is cancelled after so many steps of the loop: at any of its awaits, as the schedule has it."""

    async def cut() -> None:
        task = asyncio.create_task(_called(caller), name="cut")
        for _ in range(after_steps):
            await asyncio.sleep(0)
        loop = cast(DeterministicLoop, asyncio.get_running_loop())
        if loop.story is not None:
            loop.story.note("has already returned" if task.done() else "cancels it")
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, TargetRaised):
            raise error

    return cut


def search_schedules(
    bench: Bench[SpaceT],
    body: Callable[[SpaceT, random.Random, int], Awaitable[None]],
    *,
    programs: int = 1,
) -> None:
    """Run ``body`` under many schedules and raise the failure with the fewest deviations from asyncio's order.

    ``body`` is given a fresh space, dice that are the same in every run of one program, and the program's number; what
    it wants searched goes through :func:`race`. Program 0 is to be a plain one, which every target of this process
    passes in asyncio's order: one that cannot run it there does not get on with the deterministic loop.

    Raises:
        ClauseViolation: a schedule breaks it, or makes it wait for ever. The evidence is told as steps.
        NotApplicable: the target is not one of this process alone, or needs real time, sockets or threads.
        Inconclusive: one step of the target blocked.
    """
    if (reason := _why_not(bench)) is not None:
        raise NotApplicable(reason)
    profile = bench.settings.profile
    started = time.monotonic()
    search = _search if bench.settings.replay is None else _replay
    try:
        run_in_thread(
            lambda: search(bench, body, programs),
            within=profile.check_seconds + bench.call_seconds,
            what=f"the schedule search of {bench.name}",
        )
    except SystemExit:
        raise _not_applicable(bench, "a task that it leaves behind wants to end the process") from None
    except CallTimeoutError as error:
        bench.settings.health.note(error, started)
        raise Inconclusive(f"{error}: a step of the target blocks") from None


def _search(bench: Bench[SpaceT], body: Callable[[SpaceT, random.Random, int], Awaitable[None]], programs: int) -> None:
    profile = bench.settings.profile
    until = time.monotonic() + profile.search_seconds
    with _own_loop() as loop:
        for program in range(programs):
            search = ScheduleSearch(_scenario(bench, loop, body, program), seed=bench.seed, program=program, loop=loop)
            failure = _failure(bench, search, max(profile.schedules // programs, _FEWEST), until)
            if failure is not None:
                if isinstance(failure.error, DeadlockError) and failure.schedule == Schedule():
                    bench.settings.health.note(CallTimeoutError(bench.name, bench.call_seconds), time.monotonic())
                raise _violation(search, failure)
            if time.monotonic() > until:
                return


def _replay(bench: Bench[SpaceT], body: Callable[[SpaceT, random.Random, int], Awaitable[None]], programs: int) -> None:
    """The one schedule of the token, on the program that it names."""
    token = str(bench.settings.replay)
    try:
        schedule = Schedule.decode(token)
    except ValueError:
        raise NotApplicable(f"only {token} is replayed, which is no schedule") from None
    if schedule.program >= programs:
        raise NotApplicable(f"only {token} is replayed, and this check has no program {schedule.program}")
    with _own_loop() as loop:
        scenario = _scenario(bench, loop, body, schedule.program)
        search = ScheduleSearch(scenario, seed=bench.seed, program=schedule.program, loop=loop)
        error = search.run(schedule.choices)
        if error is not None:
            failure = ScheduleFailure(schedule, error, 1)
            _blame(bench, failure)
            raise _violation(search, failure)


@contextlib.contextmanager
def _own_loop() -> Iterator[DeterministicLoop]:
    """A deterministic loop; afterwards nothing is left that was bound to it."""
    loop = DeterministicLoop()
    state = random.getstate()
    try:
        yield loop
    finally:
        random.setstate(state)
        _unbind(loop)


def _failure(bench: Bench[Any], search: ScheduleSearch, runs: int, until: float) -> ScheduleFailure | None:
    """The smallest failure of one program, as far as it is the target's own."""
    try:
        failure = search.sweep(runs, until=until)
        if failure is not None:
            _blame(bench, failure)
            failure = search.shrink(failure, seconds=bench.settings.profile.shrink_seconds)
    except NeedsRealTimeError as error:
        raise _not_applicable(bench, str(error)) from error
    except StepLimitError as error:
        raise _not_applicable(bench, f"it waits for real time on the deterministic loop: {error}") from error
    return failure


def _blame(bench: Bench[Any], failure: ScheduleFailure) -> None:
    """Raise what says that the failure is none of the target."""
    if isinstance(failure.error, Unsupported | NotApplicable | Inconclusive):
        raise failure.error
    if failure.schedule == Schedule() and not isinstance(failure.error, ClauseViolation):
        # What fails there fails in the real-time checks too, unless it is this loop that it does not get on with.
        raise _not_applicable(bench, f"it does not run on the deterministic loop: {failure.error}")
    if any(text in str(failure.error) for text in _OTHER_LOOP):
        raise _not_applicable(bench, f"it is bound to another loop: {failure.error}")


def _not_applicable(bench: Bench[Any], reason: str) -> NotApplicable:
    bench.settings.memo[_MEMO] = reason
    return NotApplicable(reason)


def _scenario(
    bench: Bench[SpaceT],
    loop: DeterministicLoop,
    body: Callable[[SpaceT, random.Random, int], Awaitable[None]],
    program: int,
) -> Callable[[], Any]:
    # Any: a bench's clock is typed as the virtual one that checks of TTLs move by hand.
    clock: Any = None if bench.settings.clock is None else loop.clock
    on_loop = type(bench)(bench.factory, replace(bench.settings, clock=clock), bench.name)

    async def one_run() -> None:
        loop.pause_choices()
        random.seed(program)
        async with AsyncExitStack() as stack:
            space = on_loop.space(stack)
            space.recorder = StepRecorder(
                bench.call_seconds,
                bench.settings.health,
                cast(Callable[[], float], itertools.count().__next__),
                loop=loop,
                hide=space.name,
            )
            try:
                await body(space, random.Random(f"{bench.seed}-{program}"), program)
            except _Unjudged:
                return
            except TargetRaised as raised:
                raise _CallRaised(str(raised).replace(space.name + SEPARATOR, "").replace(space.name, "")) from raised
            finally:
                loop.pause_choices()
                if loop.story is not None:
                    loop.story.close()
                if bench.settings.shared:
                    await space.clean()

    return one_run


def _violation(search: ScheduleSearch, failure: ScheduleFailure) -> ClauseViolation:
    error, story = search.tell(failure.schedule)
    again = error is not None
    error = error or failure.error
    deviations = len(failure.schedule.deviations)
    order = "in asyncio's own order" if not deviations else f"where {deviations} step(s) leave asyncio's order"
    head = [f"schedule {failure.schedule.encode()}, {order}" + ("" if again else "; it did not fail again")]
    details = {**(error.details if isinstance(error, ClauseViolation) else {}), "token": failure.schedule.encode()}
    if "calls" in details:
        details["unit"] = "steps"
    return ClauseViolation(_summary(error), "\n".join([*head, *tell_steps(story)]), details)


def _summary(error: Exception) -> str:
    if isinstance(error, ClauseViolation):
        return error.summary
    if isinstance(error, DeadlockError):
        return f"calls wait for each other for ever: {'; '.join(error.waiting)}"
    return str(error)


def _why_not(bench: Bench[Any]) -> str | None:
    """Why schedules of this target cannot be searched, or None; found out once a target, on the kit's real loop.

    A connection that is open there would be damaged by use on another loop: hence what answers from outside of this
    process is never tried.
    """
    settings = bench.settings
    if settings.health.hung_call is not None:
        return f"it has hung before, in {settings.health.hung_call}"
    if _MEMO not in settings.memo:
        settings.memo[_MEMO] = (
            "it declares that several processes share it" if settings.capabilities.processes else _tried_out(bench)
        )
    reason: str | None = settings.memo[_MEMO]
    return reason


def _tried_out(bench: Bench[Any]) -> str | None:
    before = bench.settings.loop.events_from_outside
    try:
        bench.try_out(lambda space: space.touch())
    except (ClauseViolation, Inconclusive) as error:
        return f"a first call failed: {error}"
    if bench.settings.loop.events_from_outside != before:
        return "it answers from outside of this process"
    return None


def _unbind(loop: DeterministicLoop) -> None:
    """Set free the locks, events and queues that were bound to this loop when tasks waited for them.

    A target may keep one for the whole process, and would find it bound to a strange loop in the next real-time check.
    """
    for found in gc.get_objects():
        if issubclass(type(found), _LoopBoundMixin) and getattr(found, "_loop", None) is loop:
            found._loop = None
