"""``run``: the same as pytest, with the kit's options under their short names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.command.pytest_run import run_pytest
from flowcraft_conformance.command.ways import Parser, say

TARGETS: Mapping[str, str] = {
    "adapter": "an adapter: an AdapterHarness or BaseDistributedAdapter subclass",
    "store": "a coordination store: a callable without arguments",
    "context": "a context: a callable that takes a run id",
}

_VALUES: Mapping[str, tuple[str, str]] = {
    "profile": ("PROFILE", "quick, standard (default) or thorough"),
    "known-failures": ("FILE", "a TOML file of clauses that are known to fail"),
    "benchmark-plot": ("PATH", "with --benchmark: draw patch against full write as an .svg file"),
    "seed": ("N", "repeat the run that had this seed"),
}
_REPEATABLE: Mapping[str, tuple[str, str]] = {
    "report": ("PATH", "write a report: .json, .html or .md (repeatable)"),
    "proxy": ("ENV_VAR", "put the fault proxy in front of the server that this variable names (repeatable)"),
}
_FLAGS: Mapping[str, str] = {
    "strict": "a SHOULD counts as a MUST, inconclusive as failure",
    "benchmark": "measure, too",
}

_NO_TESTS = 5
"""pytest's exit code where there was nothing to run."""
_NO_TARGET = (
    "\nNothing was checked: no target was named, and there are no tests here. Name one:\n"
    "  flowcraft-conformance run --store=mypackage.store:MyStore\n"
    "To see a verdict first, take a store that comes with the kit: --store=reference_adapters.memory:store\n"
)


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser: Parser = subparsers.add_parser(
        "run",
        help="check a target; the same as pytest",
        description="Check a target: the same as pytest with the options under their long names, --flowcraft-NAME.",
        epilog="What follows -- goes to pytest as it is: flowcraft-conformance run --store=m:S -- -k COORD-TTL -n 2",
        allow_abbrev=False,
    )
    add_target_options(parser, action="append")
    for name, (metavar, words) in _VALUES.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=words)
    for name, (metavar, words) in _REPEATABLE.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=words, action="append")
    for name, words in _FLAGS.items():
        parser.add_argument(f"--{name}", help=words, action="store_true")
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST-ARGUMENT", help="arguments of pytest")
    parser.set_defaults(call=_run)


def add_target_options(parser: argparse.ArgumentParser, action: str = "store") -> None:
    """The options that name a target."""
    for kind, words in TARGETS.items():
        parser.add_argument(f"--{kind}", metavar="MODULE:NAME", help=words, action=action)


def _run(chosen: argparse.Namespace) -> int:
    code = run_pytest([*_options(vars(chosen)), *chosen.pytest])
    if code == _NO_TESTS and not any(vars(chosen)[kind] for kind in TARGETS):
        say(_NO_TARGET)
    return code


def _options(chosen: Mapping[str, Any]) -> list[str]:
    """The options under pytest's names."""
    words: list[str] = []
    for name in (*TARGETS, *_VALUES, *_REPEATABLE, *_FLAGS):
        value = chosen[name.replace("-", "_")]
        if value is True:
            words.append(f"--flowcraft-{name}")
        elif value:
            values = value if isinstance(value, list) else [value]
            words += [f"--flowcraft-{name}={one}" for one in values]
    return words
