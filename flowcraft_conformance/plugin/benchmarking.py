"""Benchmarks in a pytest run: collected behind all checks, held back where clauses fail, told at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowcraft_conformance.benchmarks import checks
from flowcraft_conformance.benchmarks.entries import Entry, withheld_entry
from flowcraft_conformance.benchmarks.items import BENCHMARKS_OF, Item, items_of
from flowcraft_conformance.benchmarks.measured import Benchmarks
from flowcraft_conformance.benchmarks.plot import Plotted, draw
from flowcraft_conformance.benchmarks.table import table_lines
from flowcraft_conformance.contract.clauses import clauses_for
from flowcraft_conformance.contract.clauses.model import Level
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.suites.registry import required_tests, suites_for

if TYPE_CHECKING:
    from flowcraft_conformance.plugin.session import KitSession, OpenTarget

CHECKS = Path(checks.__file__)

_GROUPS = {
    "patch": ("PATCH",),
    "store": ("COORD",),
    "run": ("PATCH", "COORD", "FLOW", "JOIN", "DLV"),
}
"""Benchmark -> the groups whose MUST clauses a target must pass before anything is said about its speed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether anything may be said about a target's speed."""

    broken: str = ""
    """The clause that is broken, in words: nothing is measured."""
    open: str = ""
    """The clause of which it is not known whether it holds: what was measured is not told."""
    unseen: tuple[str, ...] = ()
    """Clauses with checks that the kit cannot make on this target from where it stands."""

    @classmethod
    def of(cls, binding: Mapping[str, Sequence[str]], findings: Sequence[Finding]) -> Gate:
        """``binding``: clause -> the tests that must have passed."""
        found = {(finding.clause, finding.test): finding for finding in findings}
        pairs = [(clause, test) for clause, tests in binding.items() for test in tests]
        seen = [(clause, found.get((clause, test))) for clause, test in pairs]
        broken = [clause for clause, one in seen if one is not None and one.verdict is Verdict.FAIL]
        missing = [f"{clause} was not checked in this run" for clause, one in seen if one is None or _skipped(one)]
        unclear = [
            f"{one.clause} is inconclusive: {one.summary}"
            for _, one in seen
            if one is not None and one.verdict is Verdict.INCONCLUSIVE
        ]
        unseen = dict.fromkeys(
            f"{one.clause}: {one.summary}" for _, one in seen if one is not None and _is_unobservable(one)
        )
        return cls(f"{broken[0]} is broken" if broken else "", next(iter([*missing, *unclear]), ""), tuple(unseen))


def _is_unobservable(finding: Finding) -> bool:
    return finding.applies and finding.verdict is Verdict.UNTESTED and bool(finding.summary)


def _skipped(finding: Finding) -> bool:
    """Somebody skipped the check: the kit itself always says why."""
    return finding.applies and finding.verdict is Verdict.UNTESTED and not finding.summary


class Benchmarking:
    """Hooks that are registered only with ``--flowcraft-benchmark``."""

    def __init__(self, session: KitSession) -> None:
        self._session = session
        self._known: dict[str, tuple[OpenTarget, Item]] = {}
        self._benchmarks: dict[TargetName, Benchmarks] = {}
        self._problem = ""
        session.reporting.benchmarks_of = self.entries_of
        session.config.pluginmanager.register(self, "flowcraft_conformance_benchmarking")

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """One test for every measurement of every target."""
        params = []
        for target in self._session.targets:
            for benchmark in _benchmarks_of(target):
                for item in items_of(benchmark, self._session.options.profile.name):
                    name = f"{target.loaded.spec.text} {item.entry_id}"
                    self._known[name] = (target, item)
                    mark = pytest.mark.benchmark(group=item.group, timer=checks.loop_seconds)
                    params.append(
                        pytest.param(name, id=f"{target.loaded.spec.text}-{benchmark}-{item.test_id}", marks=mark)
                    )
        metafunc.parametrize("flowcraft_benchmark", params, indirect=True)

    def measurement(self, name: str) -> tuple[Benchmarks, Item]:
        """The benchmarks of a target, and the item of this name.

        Raises:
            pytest.skip.Exception: a clause that comes before speed is broken.
        """
        target, item = self._known[name]
        gate = self._gate(target, item.benchmark)
        if gate.broken:
            pytest.skip(f"not measured: {gate.broken}; only what passes is measured")
        return self._of(target), item

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Measure after everything was checked: the verdicts decide what is measured."""
        last = [item for item in items if getattr(item, "path", None) == CHECKS]
        items[:] = [item for item in items if getattr(item, "path", None) != CHECKS] + last

    def entries_of(self, name: TargetName) -> Sequence[Entry]:
        """What the reports hold of a target: nothing of the speed of what did not pass."""
        target = next((target for target in self._session.targets if _name_of(target) == name), None)
        if target is None:  # a suite class of the user's own
            return []
        benchmarks = self._benchmarks.get(name)
        entries = benchmarks.entries() if benchmarks is not None else []
        told: list[Entry] = []
        for benchmark in _benchmarks_of(target):
            gate = self._gate(target, benchmark)
            reason = gate.broken or gate.open
            own = [entry for entry in entries if entry["benchmark"] in _ENTRIES[benchmark]]
            if reason:
                told.append(withheld_entry(benchmark, reason))
            else:
                told.extend(own or [withheld_entry(benchmark, f"nothing was measured: {self._why_nothing()}")])
        return told

    def _why_nothing(self) -> str:
        option = self._session.config.getoption
        if option("dist", "no") != "no" or "PYTEST_XDIST_WORKER" in os.environ:
            return "xdist runs tests side by side, and pytest-benchmark is disabled then; run without -n"
        if option("benchmark_disable") or option("benchmark_skip"):
            return "--benchmark-disable or --benchmark-skip is given"
        return "its tests did not run"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The figures of every target, and the plot."""
        config = self._session.config
        if config.option.collectonly or self._session.is_worker:
            return
        terminalreporter.section("flowcraft benchmarks")
        named = [(_name_of(target), target) for target in self._session.targets]
        for name, target in named:
            terminalreporter.write_line(f"{name.kind}: {name.text}", bold=True)
            for line in table_lines(self.entries_of(name)):
                terminalreporter.write_line(f"  {line}".rstrip())
            for line in dict.fromkeys(
                line for one in _benchmarks_of(target) for line in self._gate(target, one).unseen
            ):
                terminalreporter.write_line(f"  measured although the kit could not see all of {line}", yellow=True)
        if self._session.options.plot is not None:
            self._draw(terminalreporter, [name for name, _ in named])

    def _draw(self, terminalreporter: Any, names: Sequence[TargetName]) -> None:
        path = self._session.options.plot
        assert path is not None
        picture = draw([Plotted(name.text, self.entries_of(name)) for name in names])
        if picture is None:
            terminalreporter.write_line(f"{path} was not written: no patch was measured by state size", yellow=True)
            return
        try:
            path.write_text(picture, encoding="utf-8")
            terminalreporter.write_line(f"plot: {path}")
        except OSError as error:
            terminalreporter.write_line(f"{path} could not be written: {error.strerror}", red=True)

    def _of(self, target: OpenTarget) -> Benchmarks:
        name = _name_of(target)
        if name not in self._benchmarks:
            assert target.settings is not None
            factory = None if target.adapter is not None else target.factory
            self._benchmarks[name] = Benchmarks(target.settings, factory, target.adapter)
        return self._benchmarks[name]

    def _gate(self, target: OpenTarget, benchmark: str) -> Gate:
        name = _name_of(target)
        groups = [group for group in _GROUPS[benchmark] if not (group == "COORD" and _has_kits_store(target))]
        checks_of_clause = required_tests(suites_for(name.kind))
        binding = {
            clause.id: checks_of_clause[clause.id]
            for clause in clauses_for(name.kind)
            if clause.group in groups and clause.level is Level.MUST and clause.id in checks_of_clause
        }
        return Gate.of(binding, self._session.reporting.findings_of(name))


_ENTRIES = {"patch": ("patch", "scaling"), "store": ("store",), "run": ("run",)}
"""Benchmark -> what its entries call themselves."""


def _benchmarks_of(target: OpenTarget) -> Sequence[str]:
    kind = target.loaded.spec.kind
    return [name for name in BENCHMARKS_OF[kind] if not (name == "store" and _has_kits_store(target))]


def _has_kits_store(target: OpenTarget) -> bool:
    """Whether the store is the kit's own, which is neither judged nor measured."""
    return target.adapter is not None and not target.adapter.judges_store


def _name_of(target: OpenTarget) -> TargetName:
    return TargetName(target.loaded.spec.kind, target.loaded.spec.text)
