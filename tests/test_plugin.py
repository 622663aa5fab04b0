"""The plugin as its users meet it: in an empty folder, with every option, with every mistake."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from flowcraft_conformance.report.json_report import schema
from flowcraft_conformance.suites import ContextSuite, CoordinationStoreSuite, PatchSuite
from flowcraft_conformance.suites.suite import checks_of
from tests.empty_folder import prepare, run

STORE_CHECKS = len(checks_of(CoordinationStoreSuite))
CONTEXT_CHECKS = len(checks_of(ContextSuite)) + len(checks_of(PatchSuite))

_TARGETS = """
from tests.mutants.stores import IncrementsWithoutAtomicity as Broken
from tests.mutants.stores_keys_and_time import TakesAnyTtl
from reference_adapters.memory import SharedMemoryStore as Store, SharedMemoryContext as Context

class Raises:
    def __init__(self): raise RuntimeError("no server")
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty folder with a module of targets."""
    return prepare(pytester, monkeypatch, mine=_TARGETS)


def test_an_empty_folder_gets_a_verdict(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Store", "--flowcraft-context=mine:Context", "--flowcraft-seed=7")
    shown.stdout.fnmatch_lines(
        [
            "flowcraft store: mine:Store (on virtual time)",
            "flowcraft profile: quick, seed: 7",
            "store: mine:Store",
            "*COORD*25 pass, 4 unsupported",
            "verdict: conformant",
            "context: mine:Context",
            "*CTX*15 pass",
            "*PATCH*9 pass, 1 unsupported",
            "verdict: conformant",
        ]
    )
    assert shown.ret == 0
    assert not (folder.path / ".hypothesis").exists()


def test_a_folder_without_settings_is_told_nothing_of_asyncio(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONWARNINGS")
    shown = run(folder, "--flowcraft-store=mine:Store", "-k", "COORD-DEL-01")
    assert shown.ret == 0
    assert "PytestDeprecationWarning" not in shown.stderr.str() + shown.stdout.str()
    folder.makeini("[pytest]\nasyncio_mode = auto\n")
    known = run(folder, "--flowcraft-store=mine:Store", "-k", "COORD-DEL-01")
    assert "PytestDeprecationWarning" in known.stderr.str(), "whoever uses pytest-asyncio is to see its advice"


def test_it_runs_where_pytest_asyncio_is_switched_off(folder: pytest.Pytester) -> None:
    assert run(folder, "--flowcraft-store=mine:Store", "-k", "COORD-DEL-01", "-p", "no:asyncio").ret == 0


def test_a_failure_explains_itself_in_thirty_lines_and_in_the_report(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Broken", "--flowcraft-seed=7", "--flowcraft-report=out.json")
    assert shown.ret == 1
    shown.stdout.fnmatch_lines(
        [
            "COORD-INC-03 [[]MUST] *",
            "Observed: 16 concurrent increments returned * more than once*",
            "*c? *|*increment('k0', 600) -> *",
            "Why it matters: *",
            "Likely causes:",
            "  - *",
            "Reproduce: pytest --flowcraft-store=mine:Broken -k COORD-INC-03 * --flowcraft-seed=7",
            "verdict: not-conformant *",
        ]
    )
    text = re.search(r"COORD-INC-03 \[MUST\].*?Reproduce:[^\n]*", shown.stdout.str(), re.DOTALL)
    assert text is not None
    assert len(text.group().splitlines()) <= 30
    report = json.loads((folder.path / "out.json").read_text())
    jsonschema.validate(report, schema())
    verdicts = {clause["id"]: clause["verdict"] for clause in report["clauses"]}
    assert report["target"] == {"kind": "store", "spec": "mine:Broken"}
    assert report["verdict"] == "not-conformant"
    assert verdicts["COORD-INC-03"] == "fail"
    assert verdicts["COORD-PROC-01"] == "unsupported"
    assert len(verdicts) == 29
    broken = [one for one in report["clauses"] if (one["level"], one["verdict"]) == ("MUST", "fail")]
    shown.stdout.fnmatch_lines([f"verdict: not-conformant ({len(broken)} of 27 MUST clauses broken)"])


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_failure_is_told_once_also_where_ci_is_set(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    shown = run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-INC-03", "--junitxml=j.xml", *more)
    summary = re.findall(r"^FAILED .* - COORD-INC-03: .* increments .*$", shown.stdout.str(), re.MULTILINE)
    assert len(summary) == shown.stdout.str().count("Why it matters:") == 2
    assert "Why it matters:" in (folder.path / "j.xml").read_text()


def test_several_targets_get_a_report_each_and_what_was_deselected_is_untested(folder: pytest.Pytester) -> None:
    targets = ("--flowcraft-store=mine:Store", "--flowcraft-store=mine:Broken")
    shown = run(folder, *targets, "--flowcraft-report=o.json", "-k", "COORD-INC")
    assert sorted(path.name for path in folder.path.glob("*.json")) == [
        "o-store-mine-Broken.json",
        "o-store-mine-Store.json",
    ]
    shown.stdout.fnmatch_lines(
        [
            "store: mine:Store",
            "*COORD*6 pass, 23 untested",
            "*untested (not run)*",
            "verdict: inconclusive*",
            "store: mine:Broken",
            "verdict: not-conformant*",
        ]
    )


def test_two_workers_give_the_same_verdict(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Broken", "-n", "2", "--flowcraft-report=out.json")
    shown.stdout.fnmatch_lines(["verdict: not-conformant*"])
    assert shown.ret == 1
    assert json.loads((folder.path / "out.json").read_text())["verdict"] == "not-conformant"


def test_last_failed_and_junit(folder: pytest.Pytester) -> None:
    run(folder, "--flowcraft-store=mine:Broken", "-x")
    shown = run(folder, "--flowcraft-store=mine:Broken", "--lf", "--junitxml=junit.xml")
    shown.assert_outcomes(failed=1, deselected=STORE_CHECKS - 1)
    assert 'name="flowcraft_verdict" value="fail"' in (folder.path / "junit.xml").read_text()


def test_collecting_only_builds_nothing(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Raises", "--collect-only", "-q")
    shown.stdout.fnmatch_lines(["*[[]COORD-INC-01-mine:Raises]", f"{STORE_CHECKS} tests collected*"])
    assert shown.ret == 0


def test_a_should_is_shown_and_fails_only_when_strict(folder: pytest.Pytester) -> None:
    arguments = ("--flowcraft-store=mine:TakesAnyTtl", "-k", "COORD-TTL-04")
    shown = run(folder, *arguments)
    shown.stdout.fnmatch_lines(
        [
            "_* COORD-TTL-04 is a SHOULD that is not met _*",
            "Observed: *",
            "Reproduce: pytest *COORD-TTL-04*",
            "*COORD-TTL-04 fail (SHOULD)*",
        ]
    )
    assert shown.ret == 0
    assert run(folder, *arguments, "--flowcraft-strict").ret == 1


def test_known_failures_are_strict_in_both_directions(folder: pytest.Pytester) -> None:
    known = folder.path / "known.toml"
    known.write_text('[[known-failure]]\nclause = "COORD-INC-03"\nreason = "see our issue 12"\n')
    option = f"--flowcraft-known-failures={known}"
    shown = run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-INC-03", option)
    shown.stdout.fnmatch_lines(["*COORD-INC-03 known-failure*", "verdict: not-conformant*"])
    assert shown.ret == 0
    shown = run(folder, "--flowcraft-store=mine:Store", "-k", "COORD-INC-03", option)
    shown.stdout.fnmatch_lines(["*COORD-INC-03 unexpected-pass*", "verdict: not-conformant*"])
    assert shown.ret == 1
    known.write_text('[[known-failure]]\nclause = "COORD-INC-03"\nreason = "old"\nexpires = 2020-01-01\n')
    assert run(folder, "--flowcraft-store=mine:Broken", "-k", "COORD-INC-03", option).ret == 1


def test_the_ini_file_names_targets_beside_ones_own_tests(folder: pytest.Pytester) -> None:
    folder.makeini("[pytest]\nflowcraft_store = mine:Store\npython_files = own_*.py\npython_classes = None\n")
    folder.makepyfile(own_test="def test_own(): pass")
    outcomes = run(folder).parseoutcomes()
    assert outcomes["passed"] + outcomes["skipped"] == STORE_CHECKS + 1
    assert set(outcomes) == {"passed", "skipped"}
    run(folder, "own_test.py").assert_outcomes(passed=1)


def test_fixtures_for_ones_own_tests(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import pytest
        @pytest.mark.asyncio
        async def test_store(flowcraft_store):
            assert await flowcraft_store.increment("k", 60) == 1
        @pytest.mark.asyncio
        async def test_context(flowcraft_context):
            await flowcraft_context.set("a", 1)
            assert await flowcraft_context.to_dict() == {"a": 1}
        """
    )
    arguments = ("--flowcraft-store=mine:Store", "--flowcraft-context=mine:Context", "test_own.py", "-k", "test_own")
    run(folder, *arguments).assert_outcomes(passed=2, deselected=STORE_CHECKS + CONTEXT_CHECKS)
    without = run(folder, "test_own.py")
    without.stdout.fnmatch_lines(["*no store to check: give --flowcraft-store=module:name, or override the fixture*"])


def test_a_factory_that_is_an_object_is_untested_between_processes(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import pytest
        from flowcraft_conformance.suites import CoordinationStoreSuite
        from mine import Store
        class TestMine(CoordinationStoreSuite):
            @pytest.fixture
            def flowcraft_store_factory(self): return lambda: Store()
        """
    )
    shown = run(folder, "-k", "PROC or ERR-02")
    shown.stdout.fnmatch_lines(
        [
            "*untested (another process could not be given this target*: COORD-PROC-01",
            "*untested (no proxy stands before its backend*: COORD-ERR-02",
        ]
    )


_REDIS = "--flowcraft-store=reference_adapters.redis_bullmq:store"


def test_a_proxy_that_carries_nothing_is_inconclusive(folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELSEWHERE", "redis://127.0.0.1:1")
    folder.makepyfile(
        aside="""
        from contextlib import asynccontextmanager
        from reference_adapters.redis_bullmq import store as through_the_proxy
        @asynccontextmanager
        async def store():
            async with through_the_proxy() as client:
                yield client
        """
    )
    shown = run(folder, "--flowcraft-store=aside:store", "--flowcraft-proxy=ELSEWHERE", "-k", "COORD-ERR-01")
    shown.stdout.fnmatch_lines(["*COORD-ERR-01 inconclusive: the proxy carried no byte*"])


def test_a_variable_that_is_not_set_is_inconclusive(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-store=mine:Store", "--flowcraft-proxy=NO_SUCH_VARIABLE", "-k", "COORD-ERR-01")
    shown.stdout.fnmatch_lines(["*COORD-ERR-01 inconclusive: *NO_SUCH_VARIABLE: it is not set*"])


def test_faults_and_processes_work_in_every_xdist_worker(folder: pytest.Pytester) -> None:
    shown = run(folder, _REDIS, "-n", "2", "-k", "PROC or ERR-01 or ERR-03")
    shown.stdout.fnmatch_lines(["*COORD*3 pass, 26 untested"])
    assert shown.ret == 0


def test_a_removed_check_is_reported(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import pytest
        from flowcraft_conformance.suites import CoordinationStoreSuite
        from mine import Store
        class TestMine(CoordinationStoreSuite):
            flowcraft_overrides = {"test_an_absent_key_is_set": "ours needs a warm-up"}
            test_an_absent_key_is_set = None
            def test_delete_removes_and_forgives(self): pass
            @pytest.fixture
            def flowcraft_store_factory(self): return Store
        """
    )
    shown = run(folder)
    shown.stdout.fnmatch_lines(
        [
            "*untested (removed or overridden: test_an_absent_key_is_set (ours needs a warm-up)): COORD-SET-01",
            "*untested (removed or overridden: test_delete_removes_and_forgives (no reason given)): COORD-DEL-01",
            "*changed without a reason: test_delete_removes_and_forgives*",
        ]
    )


def test_a_run_that_does_not_ask_imports_nothing(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_own="""
        import sys
        def test_nothing_heavy_is_imported():
            ours = {name for name in sys.modules if name.startswith("flowcraft_conformance")}
            plugin = {"flowcraft_conformance.plugin", "flowcraft_conformance.plugin.servers"}
            assert ours == {"flowcraft_conformance", *plugin}
        """
    )
    folder.runpytest_subprocess("test_own.py").assert_outcomes(passed=1)


def test_help_shows_the_options(folder: pytest.Pytester) -> None:
    shown = folder.runpytest_subprocess("--help")
    for option in ("store", "context", "adapter", "profile", "report", "strict", "known-failures", "seed"):
        assert f"--flowcraft-{option}" in shown.stdout.str()
    assert "flowcraft_store (linelist)" in shown.stdout.str()
