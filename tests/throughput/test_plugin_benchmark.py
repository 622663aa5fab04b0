"""``--flowcraft-benchmark`` as its users meet it: behind the checks, with pytest-benchmark's own options."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from flowcraft_conformance.benchmarks.items import items_of
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict
from flowcraft_conformance.plugin.benchmarking import Gate
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.json_report import schema
from tests.empty_folder import prepare, run

_TARGETS = """
from reference_adapters.memory import SharedMemoryContext as Context, SharedMemoryStore as Store
class Broken(Context):
    async def patch(self, operations):
        await super().patch(operations[::-1])
"""

PATCHES = items_of("patch", "quick")


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # what these tests start is no part of the run they are in
    return prepare(pytester, monkeypatch, mine=_TARGETS)


def report_of(folder: pytest.Pytester, name: str = "out.json") -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder.path / name).read_text())
    jsonschema.validate(report, schema())
    return report


def test_a_right_context_is_measured_and_told_in_every_form(folder: pytest.Pytester) -> None:
    shown = run(
        folder,
        "--flowcraft-context=mine:Context",
        "--flowcraft-benchmark",
        "--flowcraft-report=out.json",
        "--flowcraft-benchmark-plot=out.svg",
        "--benchmark-json=theirs.json",
        "--benchmark-save=first",
    )
    assert shown.ret == 0
    shown.stdout.fnmatch_lines(
        [
            "*benchmark 'patch, state size: 10 MB': 3 tests*",
            "*flowcraft benchmarks*",
            "context: mine:Context",
            "  patch of 1 KB in 5 MB of state: */s, * MB/s of state, * x the full write, * x the bare client; *",
            "  by state size *patch/s *x full *x bare*",
            "  the cost of a patch as the state grows: *",
            "plot: *out.svg",
        ]
    )
    entries = report_of(folder)["benchmarks"]
    assert {entry["id"] for entry in entries if entry["benchmark"] == "patch"} == {item.entry_id for item in PATCHES}
    assert (folder.path / "out.svg").read_text().startswith("<svg")

    theirs = json.loads((folder.path / "theirs.json").read_text())["benchmarks"]
    ours = {entry["id"]: entry for entry in entries if entry.get("status") == "measured" and "seconds" in entry}
    assert len(theirs) == len(ours)
    for one in theirs:
        entry = ours[one["extra_info"]["id"]]
        assert one["stats"]["median"] == pytest.approx(entry["seconds"]["median"], rel=1e-4)
        assert one["stats"]["rounds"] == entry["rounds"]
        assert one["group"] == f"patch, {entry['experiment']}: {entry['group']}"
        assert one["options"]["timer"] == "loop_seconds"
        assert json.dumps(one["params"]).count("UNSERIALIZABLE") == 0
    assert list((folder.path / ".benchmarks").rglob("*_first.json"))


def test_a_saved_run_is_compared_and_xdist_measures_nothing(folder: pytest.Pytester) -> None:
    arguments = ("--flowcraft-store=mine:Store", "--flowcraft-benchmark", "--flowcraft-report=out.json")
    assert run(folder, *arguments, "--benchmark-save=first").ret == 0
    assert all(entry["status"] == "measured" for entry in report_of(folder)["benchmarks"])
    again = run(folder, *arguments, "--benchmark-compare=0001", "-k", "test_benchmark")
    again.stdout.fnmatch_lines(["*benchmark 'store, operations: get': 4 tests*", "*(0001_first)*"])
    again.stdout.fnmatch_lines(
        ["store: mine:Store", "  no throughput line for the store: COORD-* was not checked in this run"]
    )
    (withheld,) = report_of(folder)["benchmarks"]
    assert withheld["status"] == "withheld"

    spread_out = run(folder, *arguments, "-n", "2")
    spread_out.stdout.fnmatch_lines(
        ["  no throughput line for the store: nothing was measured: xdist runs tests side by side*; run without -n"]
    )
    (withheld,) = report_of(folder)["benchmarks"]
    assert withheld["status"] == "withheld"


def test_a_context_that_breaks_a_clause_gets_no_line_and_the_clause_is_named(folder: pytest.Pytester) -> None:
    shown = run(
        folder,
        "--flowcraft-context=mine:Broken",
        "--flowcraft-benchmark",
        "--flowcraft-report=out.json",
        "--benchmark-json=theirs.json",
        "-k",
        "PATCH-ORD or test_benchmark",
        "-rs",
    )
    assert shown.ret == 1
    shown.stdout.fnmatch_lines(
        [
            "context: mine:Broken",
            "  no throughput line for patches: PATCH-ORD-01 is broken",
            f"SKIPPED [[]{len(PATCHES)}[]]*not measured: PATCH-ORD-01 is broken; only what passes is measured",
        ]
    )
    assert report_of(folder)["benchmarks"] == [
        {"benchmark": "patch", "id": "patch/withheld", "status": "withheld", "reason": "PATCH-ORD-01 is broken"}
    ]
    theirs = folder.path / "theirs.json"
    assert not theirs.exists() or not theirs.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--flowcraft-store=mine:Store", "-p", "no:benchmark"), "*needs pytest-benchmark, which is not installed*"),
        ((), "*there is nothing to measure; name a target by*"),
        (("--flowcraft-store=mine:Store", "--flowcraft-benchmark-plot=a.png"), "*name an .svg file*"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_message_and_exit_code_4(
    folder: pytest.Pytester, arguments: tuple[str, ...], said: str
) -> None:
    shown = run(folder, "--flowcraft-benchmark", *arguments)
    assert shown.ret == 4
    shown.stderr.fnmatch_lines([said])


def test_a_plot_without_benchmarks_is_a_mistake(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Store", "--flowcraft-benchmark-plot=a.svg")
    assert shown.ret == 4
    shown.stderr.fnmatch_lines(["*add it"])


def test_collecting_only_lists_every_measurement(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-context=mine:Context", "--flowcraft-benchmark", "--collect-only", "-q")
    lines = [line for line in shown.stdout.lines if "::test_benchmark[" in line]
    assert len(lines) == len(PATCHES)
    assert lines[0].startswith("flowcraft_conformance/benchmarks/checks.py::test_benchmark[mine:Context-patch-1_KB")


def finding(test: str, verdict: Verdict, summary: str = "", *, applies: bool = True) -> Finding:
    name = TargetName(Target.CONTEXT, "mine:Context")
    return Finding(name, "PATCH-ATOM-01", test, verdict, summary, applies=applies)


@pytest.mark.parametrize(
    ("second", "want"),
    [
        (finding("two", Verdict.PASS), Gate()),
        (finding("two", Verdict.UNSUPPORTED, "declared absent"), Gate()),
        (finding("two", Verdict.UNTESTED, "no loop here", applies=False), Gate()),
        (finding("two", Verdict.FAIL, "half of it"), Gate(broken="PATCH-ATOM-01 is broken")),
        (finding("two", Verdict.INCONCLUSIVE, "no race"), Gate(open="PATCH-ATOM-01 is inconclusive: no race")),
        (finding("two", Verdict.UNTESTED), Gate(open="PATCH-ATOM-01 was not checked in this run")),
        (None, Gate(open="PATCH-ATOM-01 was not checked in this run")),
        (finding("two", Verdict.UNTESTED, "no proxy"), Gate(unseen=("PATCH-ATOM-01: no proxy",))),
    ],
)
def test_what_may_be_said_about_speed(second: Finding | None, want: Gate) -> None:
    findings = [finding("one", Verdict.PASS), *([second] if second else [])]
    assert Gate.of({"PATCH-ATOM-01": ["one", "two"]}, findings) == want
