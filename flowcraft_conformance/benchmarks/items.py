"""What a run of benchmarks consists of: an item a measurement, which becomes one test and one line of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowcraft_conformance.benchmarks.patching import VARIANTS
from flowcraft_conformance.benchmarks.plan import PLANS, case_label
from flowcraft_conformance.benchmarks.running import WORKFLOWS
from flowcraft_conformance.benchmarks.storing import IN_FLIGHT, OPERATIONS
from flowcraft_conformance.contract.clauses.model import Target


@dataclass(frozen=True, slots=True)
class Item:
    """One measurement: the entry with this id, and the group that pytest-benchmark shows it in."""

    benchmark: str
    experiment: str
    label: str
    variant: str

    @property
    def entry_id(self) -> str:
        """The id of its entry."""
        return f"{self.benchmark}/{self.experiment}/{self.label}/{self.variant}"

    @property
    def group(self) -> str:
        """What it is compared with."""
        return f"{self.benchmark}, {self.experiment}: {self.label}"

    @property
    def test_id(self) -> str:
        """Its part of the test's id."""
        return f"{self.label} {self.variant}".replace(" ", "_")


def items_of(benchmark: str, profile: str) -> list[Item]:
    """The items of ``patch``, ``store`` or ``run``."""
    return list({"patch": _patches, "store": _operations, "run": _workflows}[benchmark](profile))


BENCHMARKS_OF = {
    Target.CONTEXT: ("patch",),
    Target.STORE: ("store",),
    Target.ADAPTER: ("patch", "store", "run"),
}
"""Kind of a target -> what is measured of it."""


def _patches(profile: str) -> Iterator[Item]:
    for experiment, cases in PLANS[profile].experiments.items():
        for case in cases:
            for variant in VARIANTS:
                yield Item("patch", experiment, case_label(experiment, case), variant)


def _operations(_profile: str) -> Iterator[Item]:
    for name in OPERATIONS:
        for count in IN_FLIGHT:
            yield Item("store", "operations", name, f"{count} in flight")


def _workflows(profile: str) -> Iterator[Item]:
    for workflow in WORKFLOWS:
        for count in PLANS[profile].workers:
            yield Item("run", "workflows", workflow, f"{count} worker{'s' * (count > 1)}")
