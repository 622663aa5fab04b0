"""From pytest's reports to findings, and from findings to the header, the summary, the reports and the exit code."""

from __future__ import annotations

import datetime
import importlib
import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from flowcraft_conformance.benchmarks.plot import Plotted, draw
from flowcraft_conformance.contract.clauses import clause as look_up
from flowcraft_conformance.contract.clauses import clauses_for
from flowcraft_conformance.contract.clauses.model import Level
from flowcraft_conformance.contract.verdicts import (
    ClauseViolation,
    Inconclusive,
    NotApplicable,
    RunVerdict,
    Unobservable,
    Unsupported,
    Verdict,
)
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.backends import known_backends, take_asked_for, why_not_shown
from flowcraft_conformance.harness.bench import Bench
from flowcraft_conformance.harness.errors import InternalError
from flowcraft_conformance.harness.replay import ENDED_WELL, NONE_OF_ITS_OWN
from flowcraft_conformance.plugin.told import Crash, Told
from flowcraft_conformance.report.annotations import annotation_lines
from flowcraft_conformance.report.failure_text import failure_text
from flowcraft_conformance.report.files import write_reports
from flowcraft_conformance.report.findings import Finding, TargetName
from flowcraft_conformance.report.json_report import Environment
from flowcraft_conformance.report.known_failures import KnownFailure
from flowcraft_conformance.report.results import TargetFindings, TargetResult
from flowcraft_conformance.report.terminal import summary_lines
from flowcraft_conformance.report.wording import servers
from flowcraft_conformance.suites.registry import required_tests
from flowcraft_conformance.suites.suite import Suite, changed_checks, suites_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowcraft_conformance.plugin.options import KitOptions

_ATTRIBUTE = "flowcraft_finding"


class Reporting:
    """Hooks that are registered only where the kit takes part in a run."""

    def __init__(self, config: pytest.Config, options: KitOptions) -> None:
        self.config = config
        self.options = options
        self._targets: dict[TargetName, TargetFindings] = {}
        self._lines: list[str] = []
        self._shared: dict[str, bool] = {}
        self._problem = ""
        self.benchmarks_of: Callable[[TargetName], Sequence[Mapping[str, Any]]] = lambda _: ()
        self._started = datetime.datetime.now(tz=datetime.UTC)
        self._interrupted = False
        self._servers: dict[TargetName, frozenset[str]] = {}

    # Before the run

    def expect(self, target: TargetName, suites: tuple[type[Suite], ...], not_run: str = "") -> None:
        """A target named by an option: all clauses of its kind are to be judged; ``not_run``: why that cannot be."""
        required = required_tests(suites)
        self._targets[target] = TargetFindings(target, clauses_for(target.kind), required, not_run=not_run)

    def hand_down(self, shared: dict[str, bool]) -> None:
        """What was found out about the targets and need not be tried again in every worker."""
        self._shared = shared

    def describe(self, lines: list[str]) -> None:
        """Lines for the header."""
        self._lines = lines

    def on_servers(self, target: TargetName, names: frozenset[str]) -> None:
        """A target has asked for these servers, now or earlier."""
        self._servers[target] = self._servers.get(target, frozenset()) | names

    def pytest_report_header(self) -> list[str]:
        """Target, profile, seed and backends."""
        if not self._lines:
            return []
        backends = servers(known_backends())
        return [
            *(f"flowcraft {line}" for line in self._lines),
            f"flowcraft profile: {self.options.profile.name}, seed: {self.options.seed}"
            + (f", backends: {backends}" if backends else ""),
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give xdist's workers the seed and what is known about the targets."""
        node.workerinput["flowcraft_seed"] = self.options.seed
        node.workerinput["flowcraft_shared"] = self._shared

    # In the process that runs a test

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Forget what others have asked for."""
        take_asked_for()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Turn the outcome of a check into a finding, and the finding into what pytest shows."""
        report: pytest.TestReport = yield
        params = getattr(getattr(item, "callspec", None), "params", {})
        clause_id = params.get("flowcraft_clause")
        judged = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        if clause_id is not None and judged:
            finding = self._finding(item, clause_id, call)
            setattr(report, _ATTRIBUTE, finding.to_json())
            item.user_properties.append(("flowcraft_clause", clause_id))
            item.user_properties.append(("flowcraft_verdict", finding.verdict.value))
            report.user_properties = list(item.user_properties)
            if call.excinfo is None or not isinstance(call.excinfo.value, InternalError):  # else with its traceback
                self._show(report, finding)
        return report

    def _finding(self, item: pytest.Item, clause_id: str, call: pytest.CallInfo[None]) -> Finding:
        error = call.excinfo.value if call.excinfo is not None else None
        target, changed = self._target_of(item)
        verdict, summary = _verdict(error), _summary(error)
        line, noted = _noted(item) if error is None else ("", "")
        if verdict is Verdict.PASS and self.options.replay is not None:
            verdict, line = Verdict.INCONCLUSIVE, f"{self.options.replay} {_ended(item)}"
        self.on_servers(target, take_asked_for())
        if verdict in (Verdict.PASS, Verdict.FAIL) and (blind := why_not_shown(clause_id, self._servers[target])):
            said = ": ".join(part for part in (f"the check itself said {verdict}", summary or line) if part)
            verdict, summary = Verdict.INCONCLUSIVE, f"{blind} ({said})"
        details = error.details if isinstance(error, ClauseViolation) else {}
        return Finding(
            target=target,
            clause=clause_id,
            test=getattr(item, "originalname", item.name),
            verdict=verdict,
            summary=summary or line,
            observed=error.observed if isinstance(error, ClauseViolation) else noted,
            details=details,
            reproduce=self._reproduce(item, target, clause_id, _run_of(details)),
            duration_seconds=call.duration,
            applies=not isinstance(error, NotApplicable),
            changed=changed,
        )

    def _target_of(self, item: pytest.Item) -> tuple[TargetName, dict[str, str | None]]:
        for value in item.callspec.params.values():  # type: ignore[attr-defined]
            spec = getattr(getattr(value, "loaded", None), "spec", None)
            if spec is not None:
                return TargetName(spec.kind, spec.text), {}
        cls: type[Suite] = item.cls  # type: ignore[attr-defined]
        suites = suites_of(cls)
        assert item.parent is not None
        addresses = [f"{suite.__module__}:{suite.__qualname__}" for suite in suites]
        return TargetName(suites[0].part, item.parent.nodeid, " ".join(addresses)), changed_checks(cls)

    def _reproduce(self, item: pytest.Item, target: TargetName, clause_id: str, replay: str) -> str:
        words = ["pytest"]
        if target.suite is None:
            words += [f"--flowcraft-{target.kind}={target.text}", "-k", clause_id]
        else:
            words.append(item.nodeid)
        if self.options.profile.name != "standard":
            words.append(f"--flowcraft-profile={self.options.profile.name}")
        words.append(f"--flowcraft-seed={self.options.seed}")
        if replay:
            words.append(f"--flowcraft-replay={replay}")
        return shlex.join(words)

    def _show(self, report: pytest.TestReport, finding: Finding) -> None:
        if not finding.applies:
            _skip(report, f"{finding.clause} not applicable: {finding.summary}")
        elif finding.verdict is Verdict.FAIL:
            _tell(report, finding)
            excuse = self._excuse(finding)
            if excuse:
                report.outcome = "skipped"
                report.wasxfail = excuse  # shown as xfailed: seen, and no failure of the run
        elif finding.verdict in _SAID_IN_SHORT and finding.summary:
            said = f"{finding.clause} {finding.verdict}: {finding.summary}"
            if finding.verdict is Verdict.INCONCLUSIVE and self.options.strict:
                report.outcome, report.longrepr = "failed", said
            else:
                _skip(report, said)

    def _excuse(self, finding: Finding) -> str:
        known = self.options.known_failures.get(finding.clause)
        if known is not None and not known.expired:
            return f"known failure of {finding.clause}: {known}"
        if look_up(finding.clause).level is Level.SHOULD and not self.options.strict:
            return f"{finding.clause} [SHOULD] is not met: {finding.summary}"
        return ""

    # In the process that sums up

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a finding, also one that comes from an xdist worker."""
        data = getattr(report, _ATTRIBUTE, None)
        if data is None or hasattr(self.config, "workerinput"):
            return
        finding = Finding.from_json(data)
        if isinstance(report.longrepr, str) and report.failed and finding.verdict is Verdict.FAIL:
            _tell(report, finding)  # xdist passes on the text alone
        if finding.target not in self._targets:
            self._targets[finding.target] = _findings_of_class(finding.target)
        self._targets[finding.target].add(finding)

    def results(self) -> list[TargetResult]:
        """The verdicts as they stand."""
        return [
            findings.result(self.options.known_failures, strict=self.options.strict)
            for findings in self._targets.values()
        ]

    def findings_of(self, target: TargetName) -> list[Finding]:
        """What has come in for a target named by an option so far."""
        return list(self._targets[target].findings.values())

    def pytest_keyboard_interrupt(self) -> None:
        """The run was broken off: what was not reached stays untested, and the reports say why."""
        self._interrupted = True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Any:
        """Write the reports, and fail the run where a clause passes that is known to fail, or strictly is unclear."""
        outcome = yield
        if hasattr(self.config, "workerinput") or self.config.option.collectonly or not self._targets:
            return outcome
        results = self.results()
        self._write(results)
        fails = bool(self._expired()) or any(self._fails(result) for result in results)
        if session.exitstatus == pytest.ExitCode.OK and fails:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._problem:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return outcome

    def _fails(self, result: TargetResult) -> bool:
        passes_unexpectedly = any(clause.verdict is Verdict.UNEXPECTED_PASS for clause in result.clauses)
        return passes_unexpectedly or (self.options.strict and result.verdict is RunVerdict.INCONCLUSIVE)

    def _not_met(self) -> list[Finding]:
        """What is broken and fails no run, known failures aside: one finding a clause and target."""
        found: dict[tuple[TargetName, str], Finding] = {}
        for target in self._targets:
            for finding in self.findings_of(target):
                excused = finding.verdict is Verdict.FAIL and bool(self._excuse(finding))
                if excused and finding.clause not in self.options.known_failures:
                    found.setdefault((target, finding.clause), finding)
        return list(found.values())

    def _expired(self) -> list[KnownFailure]:
        return [entry for entry in self.options.known_failures.values() if entry.expired]

    def _write(self, results: list[TargetResult]) -> None:
        results = [replace(result, benchmarks=tuple(self.benchmarks_of(result.target))) for result in results]
        environment = Environment(
            self.options.profile.name, self.options.seed, known_backends(), self._started, self._interrupted
        )
        for path in self.options.reports:
            try:
                write_reports(path, results, environment, _plot_of)
            except OSError as error:
                self._problem = f"the report {path} could not be written: {error.strerror}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The clause groups and the verdict of each target."""
        if self.config.option.collectonly or not self._targets:
            return
        for finding in self._not_met():  # pytest shows no text of what fails no run
            terminalreporter.section(f"{finding.clause} is a SHOULD that is not met", sep="_")
            terminalreporter.write_line(failure_text(finding))
        terminalreporter.section("flowcraft conformance")
        for result in self.results():
            for line in summary_lines(result):
                terminalreporter.write_line(line.text, **line.markup)
            if os.environ.get("GITHUB_ACTIONS") == "true":
                for annotation in annotation_lines(result):
                    terminalreporter.write_line(annotation)
        if self._interrupted:
            terminalreporter.write_line("the run was broken off: what was not reached is untested", yellow=True)
        for entry in self._expired():
            terminalreporter.write_line(
                f"known failure {entry.clause} expired on {entry.expires}: mend it, or renew its entry ({entry})",
                red=True,
            )
        if self._problem:
            terminalreporter.write_line(self._problem, red=True)


def _noted(item: pytest.Item) -> tuple[str, str]:
    """What a check that passed has measured, in one line and in full."""
    arguments = getattr(item, "funcargs", {}).values()
    return next((note for bench in arguments if isinstance(bench, Bench) for note in bench.notes), ("", ""))


def _plot_of(report: Mapping[str, Any]) -> str | None:
    """The benchmarks of a report, drawn; None where there are none."""
    return draw([Plotted(report["target"]["spec"], report["benchmarks"])])


def _run_of(details: Mapping[str, Any]) -> str:
    """The captured run that showed a failure; what comes of a schedule depends on the check's programs too."""
    return str(details.get("token", "")) if "workflow" in details else ""


def _ended(item: pytest.Item) -> str:
    """What became of a replay that did not fail."""
    arguments = getattr(item, "funcargs", {}).values()
    strange = any(isinstance(bench, AdapterBench) and not bench.replayed for bench in arguments)
    return NONE_OF_ITS_OWN if strange else ENDED_WELL


def _tell(report: pytest.TestReport, finding: Finding) -> None:
    crash = Crash(report.location[0], report.location[1] or 0, f"{finding.clause}: {finding.summary}")
    report.longrepr = Told(failure_text(finding), crash)  # type: ignore[assignment]


def _skip(report: pytest.TestReport, said: str) -> None:
    report.outcome, report.longrepr = "skipped", (str(report.location[0]), report.location[1] or 0, said)


_SAID_IN_SHORT = (Verdict.INCONCLUSIVE, Verdict.UNSUPPORTED, Verdict.UNTESTED)


def _verdict(error: BaseException | None) -> Verdict:
    if error is None:
        return Verdict.PASS
    if isinstance(error, Unsupported):
        return Verdict.UNSUPPORTED
    if isinstance(error, ClauseViolation):
        return Verdict.FAIL
    if isinstance(error, pytest.skip.Exception | NotApplicable | Unobservable):
        return Verdict.UNTESTED
    return Verdict.INCONCLUSIVE  # said so, or the check itself broke: never the target's fault


def _summary(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, ClauseViolation):
        return error.summary
    if isinstance(error, Inconclusive | NotApplicable | Unsupported | Unobservable | InternalError):
        return str(error)
    return ""


def _findings_of_class(target: TargetName) -> TargetFindings:
    assert target.suite is not None
    suites = tuple(_suite_at(address) for address in target.suite.split())
    required = required_tests(suites)
    groups = {look_up(clause_id).group for clause_id in required}
    clauses = {clause.id: clause for suite in suites for clause in clauses_for(suite.part) if clause.group in groups}
    return TargetFindings(target, list(clauses.values()), required)


def _suite_at(address: str) -> type[Suite]:
    module, _, name = address.partition(":")
    suite: type[Suite] = getattr(importlib.import_module(module), name)
    return suite
