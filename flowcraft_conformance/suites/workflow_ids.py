"""Ids that are built to meet: of the nodes of one run, and of two runs beside each other."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowcraft_conformance.checking.blueprints import ANY, node
from flowcraft_conformance.contract.blueprint import EdgeDefinition, NodeConfig, WorkflowBlueprint
from flowcraft_conformance.harness.captured.scenario import RUN, Scenario
from flowcraft_conformance.harness.nodes import kit_registry

_E_ACUTE = unicodedata.normalize("NFC", "é")
_E_AND_ACUTE = unicodedata.normalize("NFD", "é")

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "colons": ("a", "a:", ":a", "a:b", "a::b", "b:a"),
    "dots": ("a", "a.", ".a", "a.b", "a.0", "a.0.0"),
    "blanks": ("a", " a", "a ", "a b", "a  b", "a\tb"),
    "letters": ("a", "A", _E_ACUTE, _E_AND_ACUTE, "ß", "ss"),
    "paths": ("a", "/a", "a/", "a/b", "../a", "a//b"),
    "quotes": ("a", "'a'", '"a"', "{a}", "[0]", "$a"),
    "words": ("id", "__proto__", "null", "_status", "*", "blueprintId"),
    "escapes": ("%", "%25", "a:b", "a%3Ab", "a%3ab", "a_b"),
    "lines": ("a", "a\n", "\na", "a\r\n", "日本", "🙂"),
    "long": tuple(f"{'n' * 300}{number}" for number in range(6)),
    "long-letters": tuple(f"{number}{'ü' * 250}" for number in range(6)),
}
"""Six node ids each, of which no two are the same."""


def odd_run(name: str, ids: Sequence[str]) -> Scenario:
    """A run with these node ids, and a run id of the same kind: an ``all`` and an ``any`` join, and a fallback."""
    suffix = ids[3] if len(ids[3]) <= 20 else ids[3][:20]
    return Scenario(_graph(f"ids-{name}", ids), kit_registry, run_name=RUN + suffix)


def plain_run() -> Scenario:
    """The same run with ids that nobody could take for others."""
    return Scenario(_graph("ids-plain", _PLAIN), kit_registry)


def _graph(name: str, ids: Sequence[str]) -> WorkflowBlueprint:
    start, left, right, joined, first, substitute = ids
    nodes = (
        node(start),
        node(left),
        node(right, "fail", config=NodeConfig(fallback=substitute)),
        node(joined),
        node(first, config=ANY),
        node(substitute),
    )
    pairs = ((start, left), (start, right), (left, joined), (right, joined), (left, first), (right, first))
    return WorkflowBlueprint(name, nodes, tuple(EdgeDefinition(*pair) for pair in pairs))


_PLAIN = ("s", "l", "r", "j", "a", "f")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs: for each its id, with a unique name in the place of ``{run}``, and its node ids."""

    name: str
    first: tuple[str, tuple[str, ...]]
    second: tuple[str, tuple[str, ...]]

    def scenario(self) -> Scenario:
        """Both runs, started one after the other."""
        (run, ids), (other, other_ids) = self.first, self.second
        beside = ((other, _graph(f"{self.name}-second", other_ids)),)
        return Scenario(_graph(f"{self.name}-first", ids), kit_registry, run_name=run, beside=beside)

    def lines(self) -> Scenario:
        """Both runs, each of them two nodes in a row, so that the same places of both are due at once."""
        (run, ids), (other, other_ids) = self.first, self.second
        beside = ((other, _line(f"{self.name}-second", other_ids)),)
        return Scenario(_line(f"{self.name}-first", ids), kit_registry, run_name=run, beside=beside)


def _line(name: str, ids: Sequence[str]) -> WorkflowBlueprint:
    return WorkflowBlueprint(name, (node(ids[0]), node(ids[1])), (EdgeDefinition(ids[0], ids[1]),))


def _cut_elsewhere(name: str, separator: str) -> Pair:
    """``r_1`` + ``A`` and ``r`` + ``1_A``."""
    return Pair(name, (f"{RUN}{separator}1", _PLAIN), (RUN, tuple(f"1{separator}{one}" for one in _PLAIN)))


def _same_nodes(name: str, one: str, other: str) -> Pair:
    return Pair(name, (f"{RUN}{one}", _PLAIN), (f"{RUN}{other}", _PLAIN))


PAIRS = (
    _cut_elsewhere("underscore", "_"),
    _cut_elsewhere("colon", ":"),
    _cut_elsewhere("dot", "."),
    _cut_elsewhere("dash", "-"),
    _cut_elsewhere("slash", "/"),
    _same_nodes("colon-or-underscore", ":1", "_1"),
    _same_nodes("case", "a", "A"),
    _same_nodes("accent", _E_ACUTE, _E_AND_ACUTE),
    _same_nodes("trailing-blank", "", " "),
    _same_nodes("prefix", "", "1"),
    _same_nodes("escaped", ":", "%3A"),
    _same_nodes("beginning", "x" * 120 + "1", "x" * 120 + "2"),
)
UNLIKE = Pair("unlike", (f"{RUN}first", _PLAIN), (f"{RUN}second", ("t", "m", "q", "k", "b", "g")))
"""Two runs that have nothing in common."""
