"""Search for a schedule under which a scenario fails: a fast sweep, then the fewest deviations from asyncio's order.

Where there are few schedules the sweep tries them all. Else it tries every single deviation, in a random order, and
between them lists that deviate often and lists that deviate two or three times anywhere. One deviation holds a task
back until nothing else can be done, so that few of them reach deep. What fails is handed to Hypothesis, which looks
for the smallest part of it that still fails.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from flowcraft_conformance.checking.deterministic_loop import DeterministicLoop
from flowcraft_conformance.checking.exploration import explore
from flowcraft_conformance.checking.loop_parts import NeedsRealTimeError, StepLimitError
from flowcraft_conformance.checking.step_story import StepStory

Scenario = Callable[[], Coroutine[Any, Any, object]]
"""Makes the coroutine of one run, everything in it fresh. It raises where what it saw is wrong."""

_TOKEN = re.compile(r"\d+:(\d+=\d+(\+\d+=\d+)*)?", re.ASCII)
_MORE_THAN_ANY = 100_000
"""Zeros of the first run, so that every choice point is counted."""
_MORE_THAN_LEFT = 1_000
_FEW_SCHEDULES = 100
"""Where asyncio's own order has no more choices than this, multiplied, all schedules are tried, each once."""
_SHRINK_EXAMPLES = 60
_SINGLES_TRIED = 400


@dataclass(frozen=True, slots=True)
class Schedule:
    """The deviations of one run from asyncio's order: (choice point, choice), in order; ``program`` names the scenario
    where several were tried."""

    deviations: tuple[tuple[int, int], ...] = ()
    program: int = 0

    @classmethod
    def of(cls, choices: Sequence[int], points: Sequence[int], program: int = 0) -> Schedule:
        """What a list of numbers came to in a run with these choice points (:attr:`DeterministicLoop.points`)."""
        taken = (
            (place, number % options) for place, (number, options) in enumerate(zip(choices, points, strict=False))
        )
        return cls(tuple((place, choice) for place, choice in taken if choice), program)

    @property
    def choices(self) -> list[int]:
        """The list of numbers for the loop."""
        choices = [0] * (self.deviations[-1][0] + 1 if self.deviations else 0)
        for place, choice in self.deviations:
            choices[place] = choice
        return choices

    def encode(self) -> str:
        """A short token, safe in a shell: ``program:place=choice+place=choice``."""
        return f"{self.program}:" + "+".join(f"{place}={choice}" for place, choice in self.deviations)

    @classmethod
    def decode(cls, token: str) -> Schedule:
        """The inverse of :meth:`encode`.

        Raises:
            ValueError: the text is no such token.
        """
        if _TOKEN.fullmatch(token) is None:
            raise ValueError(f"{token!r} is no schedule; one looks like 0:3=1+17=2 (program:place=choice+...)")
        program, _, listed = token.partition(":")
        pairs = [pair.split("=") for pair in listed.split("+") if pair]
        return cls(tuple(sorted((int(place), int(choice)) for place, choice in pairs)), int(program))


class ScheduleFailure(Exception):
    """A scenario failed: under which schedule, what it raised, and after how many runs of the sweep it was found."""

    def __init__(self, schedule: Schedule, error: Exception, runs: int) -> None:
        super().__init__(f"{error} (schedule {schedule.encode()})")
        self.schedule = schedule
        self.error = error
        self.runs = runs


class ScheduleSearch:
    """Runs one scenario under many schedules on one loop. ``program`` goes into its tokens."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        program: int = 0,
        loop: DeterministicLoop | None = None,
        max_steps: int = 20_000,
    ) -> None:
        self.loop = loop or DeterministicLoop()
        self.unfinished = 0
        """Runs that were cut off at ``max_steps``: they say nothing."""
        self._scenario = scenario
        self._seed = seed
        self._program = program
        self._max_steps = max_steps
        self._points: list[int] = []

    def run(self, choices: Sequence[int]) -> Exception | None:
        """What the scenario raised under these choices.

        Raises:
            NeedsRealTimeError: the scenario needs sockets, threads or the like, also where it swallowed the error.
        """
        error = None
        try:
            self.loop.run(self._scenario(), choices, max_steps=self._max_steps)
        except NeedsRealTimeError:
            raise
        except StepLimitError:
            self.unfinished += 1
        except Exception as raised:
            error = raised
        if self.loop.needed is not None:
            raise self.loop.needed
        return error

    def baseline(self) -> Exception | None:
        """What the scenario raises in asyncio's own order.

        Raises:
            StepLimitError: it does not end.
            NeedsRealTimeError: as in :meth:`run`.
        """
        before = self.unfinished
        error = self.run(bytes(_MORE_THAN_ANY))
        self._points = list(self.loop.points)
        if self.unfinished > before:
            raise StepLimitError(self._max_steps)
        return error

    def sweep(self, runs: int, *, until: float = float("inf")) -> ScheduleFailure | None:
        """The first failure in so many runs, asyncio's own order among them; ``until`` in monotonic seconds.

        It ends earlier where there are few schedules and all of them were tried.
        """
        error = self.baseline()
        if error is not None:
            return ScheduleFailure(Schedule((), self._program), error, 1)
        few = math.prod(self._points) <= _FEW_SCHEDULES
        lists = self._every() if few else self._candidates()
        for number, choices in enumerate(islice(lists, max(runs - 1, 0)), 2):
            error = self.run(choices)
            if error is not None:
                return ScheduleFailure(Schedule.of(choices, self.loop.points, self._program), error, number)
            if time.monotonic() > until:
                break
        return None

    def shrink(self, failure: ScheduleFailure, *, seconds: float = 10.0) -> ScheduleFailure:
        """The same or another failure with the fewest deviations that are found within the time."""
        if len(failure.schedule.deviations) < 2:
            return failure
        smallest = self._part_of(failure, seconds)
        if len(smallest.schedule.deviations) < 2:
            return smallest
        return self._single(failure.runs) or smallest

    def tell(self, schedule: Schedule) -> tuple[Exception | None, StepStory]:
        """Run a schedule again: what it raised, and the story of its steps."""
        error: Exception | None = None
        try:
            self.loop.run(self._scenario(), schedule.choices, max_steps=self._max_steps, tell=True)
        except Exception as raised:
            error = raised
        assert self.loop.story is not None
        return error, self.loop.story

    def _part_of(self, failure: ScheduleFailure, seconds: float) -> ScheduleFailure:
        def check(kept: list[tuple[int, int]]) -> None:
            schedule = Schedule(tuple(sorted(kept)), self._program)
            error = self.run(schedule.choices)
            if error is not None:
                raise ScheduleFailure(schedule, error, failure.runs)

        try:
            explore(
                parts_of(failure.schedule),
                check,
                seed=self._seed,
                examples=_SHRINK_EXAMPLES,
                search_seconds=seconds,
                shrink_seconds=seconds,
            )
        except ScheduleFailure as smaller:
            return smaller
        return failure  # it does not fail again: what was seen stays seen

    def _single(self, runs: int) -> ScheduleFailure | None:
        for place, choice in islice(self._singles(), _SINGLES_TRIED):
            schedule = Schedule(((place, choice),), self._program)
            error = self.run(schedule.choices)
            if error is not None:
                return ScheduleFailure(schedule, error, runs)
        return None

    def _singles(self) -> Iterator[tuple[int, int]]:
        return ((place, choice) for place, options in enumerate(self._points) for choice in range(1, options))

    def _every(self) -> Iterator[Sequence[int]]:
        """All schedules but asyncio's own, each once: the next is the last one with its last number raised."""
        taken = [0] * len(self._points)
        points: Sequence[int] = self._points
        while place := next((at for at in range(len(points), 0, -1) if taken[at - 1] + 1 < points[at - 1]), 0):
            taken = [*taken[: place - 1], taken[place - 1] + 1]
            yield [*taken, *([0] * _MORE_THAN_LEFT)]
            points = self.loop.points
            taken += [0] * (len(points) - len(taken))

    def _candidates(self) -> Iterator[Sequence[int]]:
        """Lists for the sweep. Deviations make choice points of their own, hence the length."""
        dice = random.Random(self._seed)
        length = 2 * len(self._points) + 8
        singles = list(self._singles())
        dice.shuffle(singles)
        while True:
            if singles:
                yield Schedule((singles.pop(),)).choices
            yield dice.randbytes(length)
            few = bytearray(length)
            for _ in range(dice.randint(2, 3)):
                few[dice.randrange(length)] = dice.randrange(1, 12)
            yield few
            yield bytes(map(int.__and__, dice.randbytes(length), dice.choices((0, 0, 255), k=length)))


def parts_of(schedule: Schedule) -> SearchStrategy[list[tuple[int, int]]]:
    """Parts of the deviations of a schedule, every second time all of them; Hypothesis shrinks towards none."""
    everything = list(schedule.deviations)
    return st.sampled_from((0, len(everything))).flatmap(
        lambda least: st.lists(st.sampled_from(everything), min_size=least, max_size=len(everything) + 1, unique=True)
    )


def choice_lists(longest: int = 64) -> SearchStrategy[bytes]:
    """Lists of choices for :meth:`DeterministicLoop.run`, drawn in one piece, so that they are quick to draw and to
    shrink: to short lists, and to 0, asyncio's own order."""
    return st.binary(max_size=longest)
