"""The docs say what is so: what is generated is up to date, code in pages compiles, links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from flowcraft_conformance.contract.clauses import CATALOGUE
from flowcraft_conformance.plugin import servers
from flowcraft_conformance.suites.registry import PACKAGED
from tests.docs.clause_page import mutants, page
from tests.docs.markdown import PAGES, ROOT, anchors, blocks, links
from tests.docs.pictures import IMAGES, pictures

_OURS = ("flowcraft_conformance", "reference_adapters", "tests")
EVERY_PAGE = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def test_the_clause_page_is_the_one_that_the_catalogue_writes() -> None:
    written = (ROOT / "docs/clauses.md").read_text(encoding="utf-8")
    assert written == page(), "write it anew: python -m tests.docs.clause_page > docs/clauses.md"


def test_every_clause_has_a_mutant_on_its_page() -> None:
    assert set(mutants()) == set(CATALOGUE)


@pytest.mark.parametrize("name", ["history.svg", "workflow.svg"])
def test_a_picture_is_the_one_that_a_report_draws(name: str) -> None:
    drawn = pictures()[name]
    assert (IMAGES / name).read_text(encoding="utf-8") == drawn, "draw it anew: python -m tests.docs.pictures"


@EVERY_PAGE
def test_python_code_compiles_and_what_it_imports_of_ours_is_there(path: Path) -> None:
    for block in blocks(path):
        if block.language != "python" or block.title:  # one with a title is a piece of a file: test_tutorial.py
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in _OURS:
                module = importlib.import_module(str(node.module))
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{node.module} has no {missing}"


@EVERY_PAGE
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EVERY_PAGE
def test_options_exist(path: Path, pytestconfig: pytest.Config) -> None:
    for name in set(re.findall(r"--flowcraft-([a-z-]+[a-z])", path.read_text(encoding="utf-8"))):
        assert hasattr(pytestconfig.option, f"flowcraft_{name}".replace("-", "_")), f"--flowcraft-{name}"


@EVERY_PAGE
def test_clauses_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"\b[A-Z]+-(?:[A-Z]+-)?\d{2}\b(?!-)", path.read_text(encoding="utf-8"))
    assert {name for name in named if name.split("-")[0] not in ("UTF", "SHA")} <= set(CATALOGUE)


def test_every_page_is_reached_from_the_navigation() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    listed = {ROOT / "docs" / file for entry in nav for file in entry.values()}
    assert listed == {path for path in PAGES if path.parent != ROOT}


def test_every_suite_and_every_fixture_has_its_line() -> None:
    text = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    plugin = ast.parse((ROOT / "flowcraft_conformance/plugin/__init__.py").read_text(encoding="utf-8"))
    defined = [node for node in plugin.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    fixtures = {node.name for node in defined if any("fixture" in ast.unparse(one) for one in node.decorator_list)}
    fixtures |= {name for name in vars(servers) if name.startswith("flowcraft_")}
    inner = re.compile(r"_|.*_bench(mark)?$|flowcraft_clause$")  # of the kit's own checks
    public = {name for name in fixtures if not inner.match(name)}
    assert {"flowcraft_store", "flowcraft_redis"} <= public
    assert [name for name in sorted(public | {suite.__name__ for suite in PACKAGED}) if f"`{name}`" not in text] == []
