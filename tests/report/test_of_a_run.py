"""Reports as a run writes them: with what its checks saw, also where it is broken off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.captured.plan import Kind
from flowcraft_conformance.report.html.workflow import draw_workflow
from flowcraft_conformance.report.json_report import schema
from flowcraft_conformance.suites.workflow_graphs import examples
from tests.empty_folder import BOUND_SECONDS, prepare, run
from tests.mutants.adapters import MarksThenCounts, harness_of
from tests.report.html_page import read_page
from tests.support import UNHURRIED, opened_adapter

_TARGETS = """
from tests.mutants.stores import IncrementsWithoutAtomicity as Broken
from reference_adapters.memory import SharedMemoryStore as Store
import asyncio
class Slow(Store):
    async def get(self, key):
        await asyncio.sleep(0.2)
        return await super().get(key)
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty folder with a module of targets."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return prepare(pytester, monkeypatch, mine=_TARGETS)


def _reports(*names: str) -> list[str]:
    return [f"--flowcraft-report={name}" for name in names]


def test_one_run_writes_all_formats(folder: pytest.Pytester) -> None:
    run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-INC", *_reports("r.json", "r.html", "r.md"))
    report = json.loads((folder.path / "r.json").read_text())
    jsonschema.validate(report, schema())
    failed = next(clause for clause in report["clauses"] if clause["id"] == "COORD-INC-03")
    assert failed["details"]["calls"]
    assert {"client", "call", "output", "start", "end", "marked"} <= set(failed["details"]["calls"][0])
    assert failed["test"].startswith("test_")
    assert failed["evidence"].startswith(failed["summary"])
    article = read_page((folder.path / "r.html").read_text()).one("article", id="COORD-INC-03")
    assert article.all("svg", class_="lanes")
    assert "#### COORD-INC-03 · MUST · ✗ fail" in (folder.path / "r.md").read_text()


def test_workers_hand_the_details_on(folder: pytest.Pytester) -> None:
    run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-INC-03", "-n", "2", *_reports("r.json"))
    report = json.loads((folder.path / "r.json").read_text())
    failed = next(clause for clause in report["clauses"] if clause["id"] == "COORD-INC-03")
    assert failed["details"]["calls"]


def test_a_broken_workflow_has_its_graph_and_who_ran_what() -> None:
    long = replace(UNHURRIED, plans=5000)
    with opened_adapter(harness_of(MarksThenCounts), profile=long) as target, pytest.raises(ClauseViolation) as caught:
        AdapterBench(target, "x").search(examples("diamond"), (Kind.CRASH,), orders=False)
    details: dict[str, Any] = caught.value.details
    jsonschema.validate(details, {**schema()["$defs"]["details"], "$defs": schema()["$defs"]})
    workflow = details["workflow"]
    nodes = {node["id"] for node in workflow["nodes"]}
    assert "d" in nodes <= {"a", "b", "c", "d"}  # the join stays in the smallest graph
    assert {"d"} == {edge["target"] for edge in workflow["edges"] if edge["target"] == "d"}
    assert {one["node"] for one in workflow["executions"]} <= nodes
    assert "crashed" in {one["outcome"] for one in workflow["deliveries"]}
    assert "the worker is killed" in workflow["events"][0]["text"]
    assert "c" in details["token"]
    assert str(draw_workflow(workflow, "k")).startswith("<figure>")


def test_github_is_told_only_when_it_runs_us(folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--flowcraft-store=mine:Broken", "-k", "COORD-INC-03")
    assert "::error" not in run(folder, *arguments).stdout.str()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run(folder, *arguments).stdout.fnmatch_lines(
        ["::error title=COORD-INC-03 fail%3A store mine%3ABroken::*", "::error title=flowcraft conformance::*"]
    )


def test_an_expired_entry_fails_the_run_even_where_its_clause_is_not_reached(folder: pytest.Pytester) -> None:
    known = folder.path / "known.toml"
    known.write_text('[[known-failure]]\nclause = "COORD-INC-03"\nreason = "old"\nexpires = 2020-01-01\n')
    arguments = ("--flowcraft-store=mine:Store", "-k", "COORD-DEL", f"--flowcraft-known-failures={known}")
    shown = run(folder, *arguments)
    shown.stdout.fnmatch_lines(["known failure COORD-INC-03 expired on 2020-01-01: mend it, or renew its entry (old)"])
    assert shown.ret == 1


def test_every_format_is_tried_before_the_run(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Store", *_reports("nosuch/r.html"))
    assert shown.ret == 4
    assert not (folder.path / "nosuch").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_leaves_reports_of_what_was_done(folder: pytest.Pytester) -> None:
    words = ["--flowcraft-store=mine:Slow", "--flowcraft-profile=quick", "-v", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [sys.executable, "-c", _WITH_SIGINT, *words, *_reports("r.json", "r.html", "r.md")],
        cwd=folder.path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        _wait_for_two_checks(process)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=BOUND_SECONDS)
    finally:
        process.kill()
        process.wait(10)
    assert "the run was broken off: what was not reached is untested" in shown
    assert shown.count("verdict: ") == 1
    assert "flowcraft_conformance/plugin" not in shown, "the kit's own lines tell a user nothing"
    assert process.returncode == 2
    report = json.loads((folder.path / "r.json").read_text())
    jsonschema.validate(report, schema())
    verdicts = [clause["verdict"] for clause in report["clauses"]]
    assert report["interrupted"] is True
    assert report["verdict"] == "inconclusive"
    assert "untested" in verdicts
    assert "The run was broken off" in (folder.path / "r.html").read_text()
    assert "The run was broken off" in (folder.path / "r.md").read_text()


_WITH_SIGINT = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
raise SystemExit(pytest.main(sys.argv[1:]))
"""


def _wait_for_two_checks(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + BOUND_SECONDS
    ended = 0
    while ended < 2 and time.monotonic() < deadline:
        line = process.stdout.readline()
        assert line, "the run ended by itself"
        ended += "PASSED" in line or "SKIPPED" in line
    assert ended == 2


def test_the_files_of_several_targets_have_their_names(folder: pytest.Pytester) -> None:
    stores = ("--flowcraft-store=mine:Store", "--flowcraft-store=mine:Broken")
    run(folder, *stores, "-k", "COORD-DEL", *_reports("r.html"))
    written = sorted(Path(folder.path).glob("*.html"))
    assert [path.name for path in written] == ["r-store-mine-Broken.html", "r-store-mine-Store.html"]
    assert read_page(written[1].read_text()).one("h1").text == "mine:Store"
