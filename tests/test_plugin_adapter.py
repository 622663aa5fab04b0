"""``--flowcraft-adapter``: a harness or a bare class gets a verdict, and what is neither gets one clear message."""

from __future__ import annotations

import pytest

from tests.empty_folder import prepare, run

_ADAPTERS = """
import asyncio
from flowcraft_conformance import AdapterHarness, Capabilities
from reference_adapters.memory import MemoryAdapter, MemoryHarness

class Mine(MemoryHarness):
    made = []
    async def setup(self):
        open("setup", "a").write(self.scope + "\\n")
    async def teardown(self):
        open("teardown", "a").write(self.scope + "\\n")

class LosesSuccessors(MemoryHarness):
    async def create_adapter(self, options):
        adapter = await super().create_adapter(options)
        real = adapter._jobs._core.enqueue
        async def enqueue(state, graph, node_ids):
            await real(state, graph, [name for name in node_ids if name != "d"])
        adapter._jobs._core.enqueue = enqueue
        return adapter

class Bare(MemoryAdapter):
    pass

class NoStore(AdapterHarness):
    pass
class SetupRaises(MemoryHarness):
    async def setup(self): raise RuntimeError("no broker")
class SetupHangs(MemoryHarness):
    capabilities = Capabilities(call_timeout_seconds=0.5)
    async def setup(self): await asyncio.sleep(3600)
class WrongCapabilities(MemoryHarness):
    capabilities = {"ttl_lag": 50}
class GivesNoAdapter(MemoryHarness):
    async def create_adapter(self, options): return object()
class NoHarness: pass
number = 5
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    return prepare(pytester, monkeypatch, adapters=_ADAPTERS)


def test_a_harness_gets_a_verdict_and_is_torn_down(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=adapters:Mine", "-k", "JOIN or FLOW- or COORD-INC or PATCH-ORD")
    shown.stdout.fnmatch_lines(
        ["flowcraft adapter: adapters:Mine", "*COORD*6 pass*", "*PATCH*1 pass*", "*FLOW*4 pass", "*JOIN*4 pass"]
    )
    assert shown.ret == 0
    assert (folder.path / "setup").read_text() == (folder.path / "teardown").read_text()


def test_every_worker_process_has_a_scope_of_its_own(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=adapters:Mine", "-k", "FLOW- or HITL", "-n", "2")
    shown.stdout.fnmatch_lines(["*FLOW*4 pass", "*HITL*1 pass"])
    scopes = (folder.path / "setup").read_text().split()
    assert len(set(scopes)) == len(scopes) == 3  # the controller tries the target too
    assert sorted((folder.path / "teardown").read_text().split()) == sorted(scopes)


def test_a_broken_adapter_is_told_as_a_story(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=adapters:LosesSuccessors", "-k", "JOIN-ALL-01")
    shown.stdout.fnmatch_lines(
        [
            "JOIN-ALL-01 [[]MUST] *",
            "Observed: silence: no job is left*",
            "*graph: *",
            "*plan: *none; each job is delivered once*",
            "*expected: completed",
            "Reproduce: pytest --flowcraft-adapter=adapters:LosesSuccessors -k JOIN-ALL-01 *",
        ]
    )
    assert shown.ret == 1


def test_the_command_below_a_failure_does_that_run_again(folder: pytest.Pytester) -> None:
    broken = "--flowcraft-adapter=adapters:LosesSuccessors"
    shown = run(folder, broken, "-k", "FLOW-ORACLE-01", "--flowcraft-replay=diamond/c9+")
    shown.stdout.fnmatch_lines(
        ["Observed: silence: *", "*plan: *the worker is killed", "Reproduce: *--flowcraft-replay=diamond/c9+"]
    )
    assert "token" not in shown.stdout.str(), "the command says it"
    assert shown.ret == 1
    right = run(folder, "--flowcraft-adapter=adapters:Mine", "-k", "FLOW-ORACLE-01", "--flowcraft-replay=diamond/c9+")
    right.stdout.fnmatch_lines(["*FLOW-ORACLE-01 inconclusive: diamond/c9+ ended as it should, and nothing else*"])


def test_a_replay_that_is_none_is_one_message(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=adapters:Mine", "--flowcraft-replay=diamond")
    assert shown.ret == 4
    shown.stderr.fnmatch_lines(["*--flowcraft-replay=diamond: no token*"])


def test_a_bare_class_gets_a_store_of_the_kit_which_is_not_judged(folder: pytest.Pytester) -> None:
    shown = run(folder, "--flowcraft-adapter=adapters:Bare", "-k", "CTX-GET or PATCH-ORD or COORD-INC")
    shown.stdout.fnmatch_lines(["*CTX*1 pass*", "*PATCH*1 pass*", "  no check was run of: COORD, JOB, FLOW, *"])
    assert " untested (not run): FLOW" not in shown.stdout.str(), "a line a group hides the failure above"
    assert shown.ret == 0


def test_a_bare_class_gets_the_store_that_was_named(folder: pytest.Pytester) -> None:
    shown = run(
        folder,
        "--flowcraft-adapter=adapters:Bare",
        "--flowcraft-store=reference_adapters.memory:SharedMemoryStore",
        "-k",
        "COORD-INC-01",
    )
    shown.stdout.fnmatch_lines(["store: *", "*COORD*1 pass*", "adapter: adapters:Bare", "*COORD*1 pass*"])
    assert shown.ret == 0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("NoStore", "NoStore does not say how its coordination store is made"),
        ("SetupRaises", "RuntimeError: no broker"),
        ("SetupHangs", "its set-up did not return"),
        ("WrongCapabilities", "ttl_lag is between 0 and 5"),
        ("GivesNoAdapter", "has no create_context"),
        ("NoHarness", "neither an AdapterHarness subclass nor an adapter class"),
        ("number", "cannot be called"),
        ("Missing", "has no 'Missing'"),
    ],
)
def test_what_cannot_be_used_is_one_message(folder: pytest.Pytester, name: str, problem: str) -> None:
    shown = run(folder, f"--flowcraft-adapter=adapters:{name}")
    assert shown.ret == 4, shown.stdout.str() + shown.stderr.str()
    text = shown.stderr.str()
    assert f"--flowcraft-adapter=adapters:{name}" in text
    assert problem in text
    assert "Traceback" not in text + shown.stdout.str()
    assert "INTERNALERROR" not in text + shown.stdout.str()
