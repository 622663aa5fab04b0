"""Which awaits of a package a worker has died at: every one of them is a place where a real worker can be killed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

Place = tuple[str, int]
"""File and line."""


@dataclass(frozen=True, slots=True, order=True)
class Await:
    """One ``await`` of a source file; ``function`` is the qualified name of the function around it."""

    file: str
    line: int
    function: str
    text: str

    @property
    def place(self) -> Place:
        """As a stack shows it."""
        return self.file, self.line

    def __str__(self) -> str:
        """In one line."""
        return f"{Path(self.file).name}:{self.line} in {self.function}: {self.text}"


@dataclass(frozen=True, slots=True)
class AwaitCoverage:
    """The awaits at which a worker was killed, and those at which none was."""

    covered: tuple[Await, ...]
    uncovered: tuple[Await, ...]

    @property
    def share(self) -> float:
        """From 0 to 1; 1 where there is no await."""
        count = len(self.covered) + len(self.uncovered)
        return len(self.covered) / count if count else 1.0

    def __str__(self) -> str:
        """One line a file, and one line for each await that no worker was killed at."""
        lines = []
        for file in sorted({one.file for one in (*self.covered, *self.uncovered)}):
            there = sum(one.file == file for one in self.covered)
            missed = [one for one in self.uncovered if one.file == file]
            lines.append(f"{Path(file).name:<20} {there:>3} of {there + len(missed):>3} awaits were a place of death")
            lines += [f"    never: line {one.line} in {one.function}: {one.text}" for one in missed]
        count = len(self.covered) + len(self.uncovered)
        return "\n".join([*lines, f"{'all':<20} {len(self.covered):>3} of {count:>3} ({self.share:.0%})"])


def await_coverage(package: ModuleType, stacks: Iterable[Place]) -> AwaitCoverage:
    """Compare the awaits of a package's source with the places on the stacks of those who were killed.

    Raises:
        ValueError: the package has no source files.
    """
    seen = set(stacks)
    awaits = awaits_of(package)
    return AwaitCoverage(
        tuple(one for one in awaits if one.place in seen), tuple(one for one in awaits if one.place not in seen)
    )


def coverage_report(package: ModuleType, stacks: Iterable[Place]) -> str:
    """The coverage as text: a line a file, and a line for each await that is not covered."""
    return str(await_coverage(package, stacks))


def awaits_of(package: ModuleType) -> list[Await]:
    """Every await of the package's own files, in order.

    Raises:
        ValueError: the package has no source files.
    """
    files = sorted(file for root in getattr(package, "__path__", ()) for file in Path(root).rglob("*.py"))
    if not files and getattr(package, "__file__", None):
        files = [Path(str(package.__file__))]
    if not files:
        raise ValueError(f"{package.__name__} has no source files to look for awaits in")
    return [found for file in files for found in _awaits_in(file)]


def _awaits_in(file: Path) -> list[Await]:
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    return sorted(
        Await(str(file), line, function, lines[line - 1].strip()[:80])
        for line, function in set(_lines_of(ast.parse(source), ()))
    )


def _lines_of(within: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(within):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if isinstance(child, ast.Await):
            yield child.lineno, ".".join(names)
        yield from _lines_of(child, (*names, child.name) if named else names)  # type: ignore[attr-defined]
