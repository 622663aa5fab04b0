"""Writes the clause page of the docs: ``python -m tests.docs.clause_page > docs/clauses.md``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from flowcraft_conformance.report.clause_page import clause_page
from flowcraft_conformance.suites.registry import PACKAGED, required_tests

_MUTANTS = Path(__file__).parents[1] / "mutants"


def page() -> str:
    """The page as it should stand in the docs."""
    return clause_page(required_tests(PACKAGED), mutants())


def mutants() -> Mapping[str, list[str]]:
    """Clause id -> the mutants that it must catch; read and not imported: some need a backend's client."""
    found: dict[str, list[str]] = {}
    for path in sorted(_MUTANTS.glob("*.py")):
        for name, clause in _broken_by(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(clause, []).append(name)
    return found


def _broken_by(module: ast.Module) -> Iterator[tuple[str, str]]:
    for cls in module.body:
        if isinstance(cls, ast.ClassDef):
            for line in cls.body:
                match line:
                    case (
                        ast.Assign(targets=[ast.Name("breaks")], value=ast.Constant(str(clause)))
                        | ast.AnnAssign(target=ast.Name("breaks"), value=ast.Constant(str(clause)))
                    ) if clause:
                        yield cls.name, clause


if __name__ == "__main__":
    sys.stdout.write(page())
