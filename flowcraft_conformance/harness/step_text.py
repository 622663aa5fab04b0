"""The story of a run as text: one line a stay of a task on the loop, the steps that left asyncio's order marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowcraft_conformance.checking.step_story import Step, StepStory

_MOST = 24


def tell_steps(story: StepStory) -> list[str]:
    """At most 25 lines: who ran, from which await to which, what it saw, and which step left asyncio's order."""
    steps = [step for step in story.steps if step.task != "main" or step.notes]
    lines = [line for group in _together(steps) for line in _lines(group)]
    if len(lines) <= _MOST:
        return lines
    half = _MOST // 2
    return [*lines[:half], f"   ... {len(lines) - 2 * half} more lines ...", *lines[-half:]]


def _together(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Steps of one task that follow each other without a deviation."""
    group: list[Step] = []
    for step in steps:
        if group and (step.task != group[-1].task or step.overtakes):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _lines(group: Sequence[Step]) -> Iterator[str]:
    first = group[0]
    if first.overtakes:
        cause = " by its timer" if first.after_timer else ""
        yield f"=> {first.task} goes first{cause}: {', '.join(first.overtakes)} slow, held back"
    words = [f"goes on at {first.resumed_at}"] if first.resumed_at else []
    for step in group:
        words += step.notes
        if step.awaits_at and words[-1:] != [f"awaits at {step.awaits_at}"]:
            words.append(f"awaits at {step.awaits_at}")
    if words:
        yield f"   {first.task:<4} " + "; ".join(words)
