"""What can go wrong between the kit and a target, as errors that say what to do next."""

from __future__ import annotations


class TargetError(Exception):
    """A target that cannot be loaded, built or used at all. ``hint`` says what to do next."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\n  {hint}")
        self.problem = problem
        self.hint = hint


class CallTimeoutError(Exception):
    """A call into the target did not return in time; it was cancelled and is left behind."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} did not return within {seconds:g} s")
        self.what = what
        self.seconds = seconds
