"""What can go wrong between the kit and a target, as errors that say what to do next."""

from __future__ import annotations


class TargetError(Exception):
    """A target that cannot be loaded, built or used at all. ``hint`` says what to do next."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\n  {hint}")
        self.problem = problem
        self.hint = hint


class CallTimeoutError(Exception):
    """A call into the target did not return in time; it was cancelled and is left behind.

    ``what`` is the call, ``seconds`` what it was given, ``problem`` what it did instead of returning.
    """

    def __init__(self, what: str, seconds: float, problem: str | None = None) -> None:
        super().__init__(f"{what} {problem or f'did not return within {seconds:g} s'}")
        self.what = what
        self.seconds = seconds


class InternalError(RuntimeError):
    """The kit's own code failed: this says nothing about the target. ``where``: in what; ``error``: how."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(
            f"an internal error of the kit in {where}: {describe_error(error)}\n"
            "  This says nothing about the target: please report it, with this traceback."
        )


def describe_error(error: BaseException) -> str:
    """The type and text of an exception of somebody else's, whose text may be of several lines or raise itself."""
    try:
        text = str(error)
    except BaseException as broken:
        text = f"(its text cannot be read: __str__ raised {type(broken).__name__})"
    name = type(error).__name__
    return f"{name}: {text}".replace("\n", "\n    ") if text else name
