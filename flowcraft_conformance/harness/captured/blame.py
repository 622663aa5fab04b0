"""Whose error an exception is: the target's, or the kit's own."""

from __future__ import annotations

from inspect import isawaitable
from types import TracebackType
from typing import Any


class _Side:
    """A block of code of one side: an exception that leaves it, and comes from no block inside it, is this side's."""

    __slots__ = ("_known", "_own")

    def __init__(self, known: list[BaseException], own: list[BaseException]) -> None:
        self._known = known
        self._own = own

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, Exception) and not _is_in(error, self._known):
            self._known.append(error)
            self._own.append(error)


class Blame:
    """Notes exceptions where they pass from the one side to the other; the innermost crossing decides.

    Kit and target call each other at any depth, and either may swallow what the other raised. So what is noted is the
    exception itself, and at the moment it leaves whose it is.
    """

    def __init__(self) -> None:
        self._known: list[BaseException] = []
        """All that somebody was blamed for, and what is to be nobody's."""
        self.of_kit: list[BaseException] = []
        """What the kit's own code raised, the first first."""
        self.kit = _Side(self._known, self.of_kit)
        """``with blame.kit:`` around code of the kit that the target calls."""
        self.target = _Side(self._known, [])
        """``with blame.target:`` around a call into the target."""

    def kits(self, error: Exception | None) -> BaseException | None:
        """What the kit is to blame for in a run that ended with ``error``, or None.

        That is the first thing that its code raised towards the target, else ``error`` itself where it has crossed no
        border: then nobody but the kit was at work.
        """
        if self.of_kit:
            return self.of_kit[0]
        return None if error is None or _is_in(error, self._known) else error

    def on_purpose(self, error: Exception) -> Exception:
        """An error that the plan asks for, which is to be nobody's."""
        self._known.append(error)
        return error


class Blamed:
    """An object of the target's as the kit's own code calls it: what its methods raise is the target's."""

    def __init__(self, inner: Any, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame

    def __getattr__(self, name: str) -> Any:
        with self._blame.target:
            found = getattr(self._inner, name)
        return self._method(found)  # also where it is none: the call that it fails in is one into the target

    def _method(self, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            with self._blame.target:
                answer = method(*arguments, **named)
                return self._awaited(answer) if isawaitable(answer) else answer

        return call

    async def _awaited(self, answer: Any) -> Any:
        with self._blame.target:
            return await answer


def _is_in(error: BaseException, errors: list[BaseException]) -> bool:
    return any(error is one for one in errors)
