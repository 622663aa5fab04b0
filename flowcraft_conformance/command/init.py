"""``init``: a harness, a test file and a CI workflow for the repository of an adapter. Nothing is overwritten."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from flowcraft_conformance.command.run import TARGETS, add_target_options
from flowcraft_conformance.command.ways import CommandError, say
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.errors import TargetError
from flowcraft_conformance.harness.target import TargetSpec, load_target, way_to_open

_HARNESS = "flowcraft_harness"
_SUITES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "adapter": (
        ("TestWorkflows", "WorkflowSuite", "flowcraft_adapter_harness"),
        ("TestJobs", "JobSuite", "flowcraft_adapter_harness"),
    ),
    "store": (("TestStore", "CoordinationStoreSuite", "flowcraft_store_factory"),),
    "context": (
        ("TestContext", "ContextSuite", "flowcraft_context_factory"),
        ("TestPatch", "PatchSuite", "flowcraft_context_factory"),
    ),
}
"""Kind -> class, suite, and the fixture that gives the target to it."""
_CLIENTS = {
    "value": "self._store = {name}()",
    "awaitable": "self._store = await {name}()",
    "context manager": "self._store = await self._clients.enter_async_context({name}())",
}


@dataclass(frozen=True, slots=True)
class _Named:
    """A target that could be imported: its module, and its name in it."""

    module: str
    name: str
    factory: Any

    def __str__(self) -> str:
        """As options name it."""
        return f"{self.module}:{self.name}"

    @property
    def first(self) -> str:
        """What is imported from the module."""
        return self.name.partition(".")[0]


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "init",
        help="write a harness, a test file and a CI workflow into your repository",
        description="Write a harness (where --adapter names an adapter class), tests/test_flowcraft.py, and a workflow "
        "for GitHub Actions. Files that are there are never touched: if one is, nothing is written.",
        allow_abbrev=False,
    )
    add_target_options(parser)
    parser.add_argument(
        "--directory", metavar="PATH", default=".", help="the repository; by default the current directory"
    )
    parser.set_defaults(call=_init)


def _init(chosen: argparse.Namespace) -> int:
    root = Path(chosen.directory)
    if not root.is_dir():
        raise CommandError(f"--directory={root} is no folder")
    named = _named(chosen, root)
    written = _write_all(root, dict(_files(named, root)))
    say("".join(f"wrote {path}\n" for path in written))
    say(f"\nnext: flowcraft-conformance run {_target_options(named)} --profile=quick\n")
    return 0


def _named(chosen: argparse.Namespace, root: Path) -> dict[str, _Named]:
    """The targets that were named, imported as the kit will import them."""
    found: dict[str, _Named] = {}
    for kind in TARGETS:
        text = getattr(chosen, kind)
        if text is None:
            continue
        try:
            with chdir(root):
                loaded = load_target(TargetSpec(Target(kind), text))
        except TargetError as error:
            raise CommandError(str(error).replace("--flowcraft-", "--")) from error
        module, _, name = text.partition(":")
        found[kind] = _Named(module, name, loaded.factory)
    if not found:
        raise CommandError(
            "name what is to be checked: --adapter=mypackage.adapter:MyAdapter --store=mypackage.store:MyStore, "
            "or a store or a context alone"
        )
    if _needs_harness(found) and "store" not in found:
        raise CommandError(
            "an adapter class is built on a store: name it too, --store=mypackage.store:MyStore, for its harness"
        )
    return found


def _needs_harness(named: Mapping[str, _Named]) -> bool:
    if "adapter" not in named:
        return False
    factory = named["adapter"].factory
    return not (isinstance(factory, type) and issubclass(factory, AdapterHarness))


def _files(named: Mapping[str, _Named], root: Path) -> Iterator[tuple[Path, str]]:
    if _needs_harness(named):
        yield Path(f"{_HARNESS}.py"), _harness(named["adapter"], named["store"])
    yield Path("tests/test_flowcraft.py"), _tests(named)
    yield Path(".github/workflows/conformance.yml"), _workflow(named, root)


def _template(name: str, **values: str) -> str:
    """The template with its ``@NAME@`` replaced; a value of several lines keeps the place's indentation."""
    text = files("flowcraft_conformance.command").joinpath(f"templates/{name}.txt").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    return text


def _harness(adapter: _Named, store: _Named) -> str:
    way = way_to_open(store.factory)
    return _template(
        "flowcraft_harness.py",
        imports="\n".join(sorted({_import(adapter), _import(store)})),
        make_store=_CLIENTS[way].format(name=store.name),
        adapter=adapter.name,
    )


def _import(named: _Named) -> str:
    return f"from {named.module} import {named.first}"


def _tests(named: Mapping[str, _Named]) -> str:
    """One class a suite, each with the fixture that gives the target to it."""
    checked = _checked(named)
    suites = [suite for kind in checked for suite in _SUITES[kind]]
    return _template(
        "test_flowcraft.py",
        suites=", ".join(sorted(name for _, name, _ in suites)),
        imports="\n".join(sorted({f"{_import(target)}  # noqa: E402" for target in checked.values()})),
        classes="\n\n\n".join(_class(*suite, checked[kind].name) for kind in checked for suite in _SUITES[kind]),
    )


def _class(name: str, suite: str, fixture: str, target: str) -> str:
    return f"class {name}({suite}):\n    @pytest.fixture\n    def {fixture}(self):\n        return {target}"


def _checked(named: Mapping[str, _Named]) -> dict[str, _Named]:
    """The targets as they are checked: an adapter class through its harness."""
    if not _needs_harness(named):
        return dict(named)
    return {**named, "adapter": _Named(_HARNESS, "Harness", None)}


def _target_options(named: Mapping[str, _Named]) -> str:
    """What a run is to be given: an adapter's harness brings its store and its contexts."""
    chosen = {"adapter": _checked(named)["adapter"]} if "adapter" in named else named
    return " ".join(f"--{kind}={target}" for kind, target in chosen.items())


def _workflow(named: Mapping[str, _Named], root: Path) -> str:
    installs = any((root / name).exists() for name in ("pyproject.toml", "setup.py"))
    return _template(
        "conformance.yml",
        install="flowcraft-conformance ." if installs else "flowcraft-conformance",
        targets=_target_options(named),
    )


def _write_all(root: Path, contents: Mapping[Path, str]) -> list[Path]:
    """All files, or none where one of them is there already."""
    taken = [str(path) for path in contents if os.path.lexists(root / path)]
    if taken:
        raise CommandError(
            f"there already: {', '.join(taken)}; nothing was written. Move them away, or use --directory"
        )
    written = []
    for path, text in contents.items():
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CommandError(f"{place} cannot be written: {error.strerror}") from error
        written.append(place)
    return written
