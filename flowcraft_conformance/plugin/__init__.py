"""The pytest plugin. This module is imported by every pytest run where the kit is installed, so it stays light:
all else is imported when a target is named or a suite is used."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from flowcraft_conformance.plugin.servers import flowcraft_azure_queue as flowcraft_azure_queue
from flowcraft_conformance.plugin.servers import flowcraft_cassandra as flowcraft_cassandra
from flowcraft_conformance.plugin.servers import flowcraft_cosmos as flowcraft_cosmos
from flowcraft_conformance.plugin.servers import flowcraft_dynamodb as flowcraft_dynamodb
from flowcraft_conformance.plugin.servers import flowcraft_firestore as flowcraft_firestore
from flowcraft_conformance.plugin.servers import flowcraft_kafka as flowcraft_kafka
from flowcraft_conformance.plugin.servers import flowcraft_postgres as flowcraft_postgres
from flowcraft_conformance.plugin.servers import flowcraft_pubsub as flowcraft_pubsub
from flowcraft_conformance.plugin.servers import flowcraft_rabbitmq as flowcraft_rabbitmq
from flowcraft_conformance.plugin.servers import flowcraft_redis as flowcraft_redis
from flowcraft_conformance.plugin.servers import flowcraft_sqs as flowcraft_sqs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from flowcraft_conformance.contract.protocols import DistributedAdapter, IAsyncContext, ICoordinationStore
    from flowcraft_conformance.harness.adapter_bench import AdapterBench
    from flowcraft_conformance.harness.spaces import ContextBench, StoreBench

_TARGETS = {
    "store": "a coordination store: module:name of a callable without arguments",
    "context": "a context: module:name of a callable that takes a run id",
    "adapter": "an adapter: module:name of an AdapterHarness or BaseDistributedAdapter subclass",
}


_DEFAULTS = {
    "flowcraft_profile": "standard",
    "flowcraft_report": [],
    "flowcraft_strict": False,
    "flowcraft_known_failures": None,
    "flowcraft_seed": None,
    "flowcraft_benchmark": False,
    "flowcraft_benchmark_plot": None,
    "flowcraft_replay": None,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the contract, section 2."""
    group = parser.getgroup("flowcraft", "conformance of Flowcraft adapters")
    for kind, what in _TARGETS.items():
        group.addoption(
            f"--flowcraft-{kind}", action="append", default=[], metavar="MODULE:NAME", help=f"check {what} (repeatable)"
        )
        parser.addini(f"flowcraft_{kind}", f"the same as --flowcraft-{kind}, one a line", type="linelist", default=[])
    group.addoption(
        "--flowcraft-profile",
        default="standard",
        metavar="PROFILE",
        help="how thorough: quick, standard (default) or thorough",
    )
    group.addoption(
        "--flowcraft-report",
        action="append",
        default=[],
        metavar="PATH",
        help="write a report; the suffix decides the format: .json, .html or .md (repeatable)",
    )
    group.addoption(
        "--flowcraft-strict", action="store_true", help="a SHOULD counts as a MUST, inconclusive as failure"
    )
    group.addoption(
        "--flowcraft-known-failures",
        metavar="FILE",
        help="a TOML file of clauses that are known to fail: [[known-failure]] with clause, reason, link, expires",
    )
    group.addoption(
        "--flowcraft-proxy",
        action="append",
        default=[],
        metavar="ENV_VAR",
        help="put the fault proxy in front of the server whose URL or host:port this variable holds (repeatable)",
    )
    group.addoption(
        "--flowcraft-benchmark",
        action="store_true",
        help="measure patches, workflows and the store after the checks (needs pytest-benchmark)",
    )
    group.addoption(
        "--flowcraft-benchmark-plot", metavar="PATH", help="draw patch against full write by state size as an .svg file"
    )
    group.addoption("--flowcraft-seed", metavar="N", help="repeat the run that had this seed")
    group.addoption(
        "--flowcraft-replay",
        metavar="TOKEN",
        help="do one schedule or captured run again, with the seed of its run and -k CLAUSE",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Wake up where a target is named."""
    _keep_asyncio_quiet(config)
    named = any(config.getoption(f"flowcraft_{kind}") or config.getini(f"flowcraft_{kind}") for kind in _TARGETS)
    if named:
        _session(config).open_targets()
    elif any(config.getoption(name) != value for name, value in _DEFAULTS.items()):
        _session(config)  # a wrong option is told now, and not in the middle of the run
    elif not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Listener(config), "flowcraft_conformance_listener")


def _keep_asyncio_quiet(config: pytest.Config) -> None:
    """Keep back what pytest-asyncio says about an unset option where no setting shows that pytest-asyncio is known.

    The kit brings pytest-asyncio along: its advice would be the first thing that a newcomer sees in an empty folder.
    The filter lasts as long as pytest's own around ``pytest_configure``; the kit's fixtures name their loop scope.
    """
    defaults = {"asyncio_mode": "strict", "asyncio_default_test_loop_scope": "function"}
    if config.pluginmanager.hasplugin("asyncio") and all(
        config.getini(name) == value for name, value in defaults.items()
    ):
        unset = "The configuration option .asyncio_default_fixture_loop_scope. is unset"
        warnings.filterwarnings("ignore", unset, pytest.PytestDeprecationWarning)


class _Listener:
    """Wakes the kit up in an xdist controller when a worker sends the first finding of a user's own suite class."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass on what the kit, once awake, will receive itself."""
        if hasattr(report, "flowcraft_finding") and _SESSION not in self.config.stash:
            _session(self.config).reporting.pytest_runtest_logreport(report)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of what the kit holds."""
    if _SESSION in config.stash:
        config.stash[_SESSION].close()


_SESSION: pytest.StashKey[Any] = pytest.StashKey()


def _session(config: pytest.Config) -> Any:
    """The kit's part of this pytest run, made when it is first needed."""
    if _SESSION not in config.stash:
        from flowcraft_conformance.plugin.session import KitSession

        config.stash[_SESSION] = KitSession(config)
    return config.stash[_SESSION]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Give the packaged suites short node ids that are the same on every machine."""
    if _SESSION in parent.config.stash:
        module: pytest.Module | None = parent.config.stash[_SESSION].collect_module(module_path, parent)
        return module
    return None


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """Collect the packaged suites, whose classes have no ``Test`` prefix, whatever the user's naming rules are."""
    if _SESSION in collector.config.stash:
        return collector.config.stash[_SESSION].collect_suite(collector, name, obj)
    return None


_TARGET_FIXTURES = {f"_flowcraft_{kind}_target": kind for kind in _TARGETS}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Name the clause in the test's id, and repeat a test for every target of its kind."""
    if "flowcraft_clause" in metafunc.fixturenames:
        _session(metafunc.config).parametrize_clause(metafunc)
    if "flowcraft_benchmark" in metafunc.fixturenames:
        _session(metafunc.config).benchmarking.parametrize(metafunc)
    for fixture, kind in _TARGET_FIXTURES.items():
        if fixture in metafunc.fixturenames:
            _session(metafunc.config).parametrize_targets(metafunc, fixture, kind)


@pytest.fixture
def flowcraft_clause(request: pytest.FixtureRequest) -> str:
    """The id of the clause that a test of a packaged suite checks."""
    return str(request.param)


@pytest.fixture(scope="session")
def _flowcraft_store_target(request: pytest.FixtureRequest) -> Any:
    return _named_target(request, "store")


@pytest.fixture(scope="session")
def _flowcraft_context_target(request: pytest.FixtureRequest) -> Any:
    return _named_target(request, "context")


@pytest.fixture(scope="session")
def _flowcraft_adapter_target(request: pytest.FixtureRequest) -> Any:
    return _named_target(request, "adapter")


def _named_target(request: pytest.FixtureRequest, kind: str) -> Any:
    target = getattr(request, "param", None)
    if target is None:
        pytest.fail(
            f"no {kind} to check: give --flowcraft-{kind}=module:name, or override the fixture "
            + ("flowcraft_adapter_harness" if kind == "adapter" else f"flowcraft_{kind}_factory"),
            pytrace=False,
        )
    return target


@pytest.fixture
def flowcraft_store_factory(_flowcraft_store_target: Any) -> Callable[[], Any]:
    """A callable without arguments that gives clients of one coordination store. Override it in your own tests."""
    factory: Callable[[], Any] = _flowcraft_store_target.factory
    return factory


@pytest.fixture
def flowcraft_context_factory(_flowcraft_context_target: Any) -> Callable[[str], Any]:
    """A callable that takes a run id and gives clients of that run's state. Override it in your own tests."""
    factory: Callable[[str], Any] = _flowcraft_context_target.factory
    return factory


@pytest.fixture
def flowcraft_adapter_harness(_flowcraft_adapter_target: Any) -> Any:
    """The AdapterHarness subclass, or the adapter class, that is checked. Override it in your own tests."""
    return _flowcraft_adapter_target.factory


@pytest_asyncio.fixture(loop_scope="function")
async def flowcraft_adapter(flowcraft_adapter_harness: Any) -> AsyncIterator[DistributedAdapter]:
    """One adapter of a scope of its own, opened and not started, for a user's own async tests."""
    from uuid import uuid4

    from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
    from flowcraft_conformance.harness.harnesses import harness_class

    harness = harness_class(flowcraft_adapter_harness)(f"fc{uuid4().hex[:10]}")
    await harness.setup()
    try:
        adapter = await harness.create_adapter(AdapterOptions(RuntimeOptions(), await harness.create_store()))
        await adapter.open()
        yield adapter
        await adapter.close()
    finally:
        await harness.teardown()


@pytest_asyncio.fixture(loop_scope="function")
async def flowcraft_store(flowcraft_store_factory: Callable[[], Any]) -> AsyncIterator[ICoordinationStore]:
    """One client of the coordination store, for a user's own async tests."""
    from contextlib import AsyncExitStack

    from flowcraft_conformance.harness.bench import open_client

    async with AsyncExitStack() as stack:
        yield await open_client(stack, flowcraft_store_factory)


@pytest_asyncio.fixture(loop_scope="function")
async def flowcraft_context(flowcraft_context_factory: Callable[[str], Any]) -> AsyncIterator[IAsyncContext]:
    """The state of a fresh run, for a user's own async tests; its keys are removed afterwards."""
    from contextlib import AsyncExitStack
    from uuid import uuid4

    from flowcraft_conformance.harness.bench import open_client

    async with AsyncExitStack() as stack:
        context = await open_client(stack, flowcraft_context_factory, f"flowcraft-{uuid4().hex}")
        yield context
        for key in await context.to_dict():
            await context.delete(key)


@pytest.fixture
def flowcraft_store_bench(request: pytest.FixtureRequest, flowcraft_store_factory: Callable[[], Any]) -> StoreBench:
    """What the checks of a coordination store run on."""
    from flowcraft_conformance.harness.spaces import StoreBench

    bench: StoreBench = _session(request.config).bench(StoreBench, request, flowcraft_store_factory)
    return bench


@pytest.fixture
def flowcraft_context_bench(
    request: pytest.FixtureRequest, flowcraft_context_factory: Callable[[str], Any]
) -> ContextBench:
    """What the checks of contexts run on."""
    from flowcraft_conformance.harness.spaces import ContextBench

    bench: ContextBench = _session(request.config).bench(ContextBench, request, flowcraft_context_factory)
    return bench


@pytest.fixture
def flowcraft_adapter_bench(request: pytest.FixtureRequest, flowcraft_adapter_harness: Any) -> AdapterBench:
    """What the checks of an adapter run on."""
    bench: AdapterBench = _session(request.config).adapter_bench(request, flowcraft_adapter_harness)
    return bench


@pytest.fixture
def flowcraft_benchmark(request: pytest.FixtureRequest) -> Any:
    """The benchmarks of a target and one measurement of them, for the tests of ``--flowcraft-benchmark``."""
    return _session(request.config).benchmarking.measurement(request.param)
