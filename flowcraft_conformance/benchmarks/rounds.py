"""Measurements side by side: in each round everything is measured once, so that a machine that slows down slows all."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from flowcraft_conformance.benchmarks.plan import Rounds
from flowcraft_conformance.harness.calls import outcome_of
from flowcraft_conformance.harness.errors import CallTimeoutError, describe_error
from flowcraft_conformance.harness.loop import bounded

Now = Callable[[], float]

WARM_UP_CALLS = 2
"""Calls of each lane before the first round: the first one connects, the second is usual."""
_SHORTEST_SAMPLE = 0.0002
"""Seconds: what takes less is repeated within one sample, as the clock itself takes its time."""
_MOST_REPEATED = 50
_QUICK = 0.005
"""Seconds: once the time is used up, calls that take less go on to more rounds; a busy machine blurs them most."""
_OVERTIME = 1.5
"""They go on for so many times the seconds that were planned for."""
_PATIENCE = 5
"""The fewest rounds may take so many times the seconds that were planned for; what is too slow for that is left out."""


class NotMeasuredError(Exception):
    """Something could not be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One thing to measure. ``call`` is given the number of the round; it makes ``operations`` operations."""

    name: str
    call: Callable[[int], Awaitable[None]]
    operations: int = 1
    before: Callable[[], Awaitable[None]] | None = None
    """What each call needs first, and what is not counted."""


async def never(_number: int) -> None:
    """The call of a lane that is not to be measured."""
    raise NotMeasuredError("this lane is never called")


@dataclass(slots=True)
class Series:
    """What was measured of one lane: seconds of one call, by round. ``reason``: why nothing was; empty otherwise."""

    lane: Lane
    samples: list[float] = field(default_factory=list)
    repeated: int = 1
    """Calls within one sample; the sample is their average."""
    usual: float = 0.0
    """Seconds of the call before the first round."""
    reason: str = ""

    @property
    def measured(self) -> bool:
        """Whether there are samples."""
        return not self.reason and bool(self.samples)


async def measure(
    lanes: Sequence[Lane], rounds: Rounds, *, now: Now, call_within: float, dice: random.Random
) -> dict[str, Series]:
    """The seconds of every lane in every round; name of the lane -> its series.

    Only what is between a call and its return counts: the clock is read on the loop, around the await. A lane whose
    call raises, or does not return within ``call_within`` seconds, is dropped with the reason; the others go on.
    """
    every = {lane.name: Series(lane) for lane in lanes}
    for series in every.values():
        await _warm_up(series, now, call_within)
    _leave_out_the_slowest(list(every.values()), rounds)
    began = now()
    for number in range(rounds.most):
        late = number >= rounds.fewest and now() - began > rounds.seconds
        left = [series for series in every.values() if not series.reason and not (late and series.usual > _QUICK)]
        if not left or (late and now() - began > _OVERTIME * rounds.seconds):
            break
        dice.shuffle(left)
        for series in left:
            await _sample(series, number, now, call_within)
    for series in every.values():
        if series.reason:
            series.samples.clear()
    return every


async def _warm_up(series: Series, now: Now, call_within: float) -> None:
    """How long the last call takes says how often one sample repeats it."""
    for number in range(WARM_UP_CALLS):
        await _sample(series, number, now, call_within)
    if series.reason:
        return
    series.usual = series.samples[-1]
    if series.usual < _SHORTEST_SAMPLE and series.lane.before is None:
        series.repeated = min(_MOST_REPEATED, max(1, round(_SHORTEST_SAMPLE / max(series.usual, 1e-9))))
    series.samples.clear()


def _leave_out_the_slowest(every: Sequence[Series], rounds: Rounds) -> None:
    """Drop what would keep the fewest rounds from ending in time."""
    room = _PATIENCE * rounds.seconds
    left = sorted((series for series in every if not series.reason), key=lambda series: series.usual)
    while left and rounds.fewest * sum(series.usual * series.repeated for series in left) > room:
        slowest = left.pop()
        slowest.reason = (
            f"one call takes {slowest.usual:.3g} s: {rounds.fewest} rounds do not fit into {room:g} s with the others"
        )


async def _sample(series: Series, number: int, now: Now, call_within: float) -> None:
    lane = series.lane

    async def timed() -> float:
        if lane.before is not None:
            await lane.before()
        start = now()
        for _ in range(series.repeated):
            await lane.call(number)
        return (now() - start) / series.repeated

    try:
        seconds, error = await bounded(
            lambda: outcome_of(lane.name, timed), within=call_within * series.repeated, what=lane.name
        )
    except CallTimeoutError as late:
        series.reason = str(late)
        return
    if error is not None:
        series.reason = str(error) if isinstance(error, NotMeasuredError) else f"it raised {describe_error(error)}"
    else:
        series.samples.append(seconds)
