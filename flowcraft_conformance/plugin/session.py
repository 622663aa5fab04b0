"""The kit's part of one pytest run: its targets, its loop, and what the light plugin hands over to it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from flowcraft_conformance.contract.capabilities import Capabilities, CapabilityError
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.adapter_bench import AdapterBench
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.backends import take_asked_for
from flowcraft_conformance.harness.bench import Bench, BenchSettings
from flowcraft_conformance.harness.errors import TargetError
from flowcraft_conformance.harness.harnesses import harness_class
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.opened import settings_for
from flowcraft_conformance.harness.proxies import Faults, Proxies
from flowcraft_conformance.harness.services.model import ServiceUnavailableError
from flowcraft_conformance.harness.surroundings import address_of
from flowcraft_conformance.harness.target import LoadedTarget, TargetSpec, load_target
from flowcraft_conformance.plugin.benchmarking import CHECKS, Benchmarking
from flowcraft_conformance.plugin.leftovers import Leftovers
from flowcraft_conformance.plugin.options import read_options
from flowcraft_conformance.plugin.progress import Progress
from flowcraft_conformance.plugin.reporting import Reporting
from flowcraft_conformance.report.findings import TargetName
from flowcraft_conformance.suites.registry import PACKAGED, file_of, suites_for
from flowcraft_conformance.suites.suite import CLAUSE_ATTRIBUTE, Suite

BenchT = TypeVar("BenchT", bound=Bench[Any])


@dataclass(slots=True)
class OpenTarget:
    """A target as its fixture param: what was loaded, and the settings of its checks once known."""

    loaded: LoadedTarget
    settings: BenchSettings | None = None
    adapter: AdapterTarget | None = None
    """Where this is an adapter, or the store or the contexts of one."""
    parts: dict[str, OpenTarget] = field(default_factory=dict)
    """Of an adapter its store and its contexts, as targets of their suites."""
    not_run: str = ""
    """Why it cannot be run here: the server it asks for cannot be had."""

    @property
    def factory(self) -> Any:
        """The author's callable."""
        return self.loaded.factory


class KitSession:
    """Made when a target is named or a suite is collected; everything heavy hangs on it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = read_options(config)
        self._leftovers = Leftovers()
        self.loop = LoopThread()
        # An xdist controller runs no check, and its workers inherit its environment: they put up their own proxies.
        controls_workers = not self.is_worker and config.getoption("dist", "no") != "no"
        self.proxies = None if controls_workers or config.option.collectonly else Proxies()
        self.targets: list[OpenTarget] = []
        self._suite_files = {file_of(suite) for suite in PACKAGED}
        self._files_added = False
        self._class_settings: dict[str, BenchSettings | str] = {}
        self._class_adapters: dict[str, AdapterTarget] = {}
        self._scratch = self._hypothesis_scratch() if self.options.from_command_line else None
        self.reporting = Reporting(config, self.options)
        config.pluginmanager.register(self.reporting, "flowcraft_conformance_reporting")
        self.benchmarking = Benchmarking(self) if self.options.benchmark else None
        if not self.is_worker:
            config.pluginmanager.register(Progress(config), "flowcraft_conformance_progress")

    @property
    def is_worker(self) -> bool:
        """Whether this process is one of xdist's workers."""
        return hasattr(self.config, "workerinput")

    def open_targets(self) -> None:
        """Load what was named, try it, and add the packaged suites to what pytest collects.

        Raises:
            pytest.UsageError: a target that cannot be used.
        """
        if self.proxies is not None:
            self.proxies.stand_before(self.options.proxy_variables)
        try:
            self.targets = [OpenTarget(load_target(spec)) for spec in self.options.specs]
            if not self.config.option.collectonly:
                self._try_targets()
            else:
                for target in self.targets:
                    _name_parts(target)
        except TargetError as error:
            self.close()
            raise pytest.UsageError(str(error)) from error
        suites = dict.fromkeys(suite for target in self.targets if not target.not_run for suite in _suites_of(target))
        self._add_files([str(file_of(suite)) for suite in suites])
        for target in self.targets:
            spec = target.loaded.spec
            self.reporting.expect(TargetName(spec.kind, spec.text), suites_for(spec.kind), target.not_run)
        if self.benchmarking is not None:
            self._add_files([str(CHECKS)])

    def _try_targets(self) -> None:
        known: dict[str, bool] = getattr(self.config, "workerinput", {}).get("flowcraft_shared", {})
        for target in self.targets:
            take_asked_for()
            try:
                self._try_target(target, known)
            except TargetError as error:
                target.not_run = _unavailable(error)
                if not target.not_run:
                    raise
            self.reporting.on_servers(TargetName(target.loaded.spec.kind, target.loaded.spec.text), take_asked_for())
        self.reporting.hand_down(
            {target.loaded.spec.option: target.settings.shared for target in self.targets if target.settings}
        )
        self.reporting.describe([_header_line(target) for target in self.targets])

    def _try_target(self, target: OpenTarget, known: dict[str, bool]) -> None:
        spec = target.loaded.spec
        if spec.kind is Target.ADAPTER:
            self._open_adapter(target)
            return
        target.settings = settings_for(
            target.loaded,
            loop=self.loop,
            profile=self.options.profile,
            seed=self.options.seed,
            shared=known.get(spec.option),
            proxies=self.proxies,
            variables=self.options.proxy_variables,
        )

    def _open_adapter(self, target: OpenTarget) -> None:
        """Set an adapter's harness up; its store and its contexts are judged by their own suites."""
        spec = target.loaded.spec
        stores = [other.loaded for other in self.targets if other.loaded.spec.kind is Target.STORE]
        try:
            harness = harness_class(target.factory, stores[0].factory if stores else None)
            declared = Capabilities.of(harness.capabilities)
        except (TypeError, CapabilityError) as error:
            raise TargetError(
                f"{spec.option}: {error}", "Name an AdapterHarness subclass, or a BaseDistributedAdapter subclass."
            ) from error
        target.settings = BenchSettings(
            loop=self.loop,
            capabilities=declared,
            profile=self.options.profile,
            seed=self.options.seed,
            replay=self.options.replay,
        )
        target.adapter = AdapterTarget(harness, target.settings)
        target.adapter.open(spec.option)
        address = address_of(stores[0].spec, stores[0].factory) if stores else ""
        self._surround(target.adapter, spec, target.factory, address)
        _name_parts(target)

    def _surround(self, adapter: AdapterTarget, spec: TargetSpec, named: Any, store: str | None = "") -> None:
        """Put proxies before an adapter's servers, and say how other processes make the same adapter."""
        variables = [*self.options.proxy_variables, *adapter.settings.capabilities.proxy_env]
        faults = Faults()
        if self.proxies is not None:
            self.proxies.stand_before(variables)
            faults = self.proxies.of(variables)
        adapter.surround(spec, named, faults, store=store)
        if faults.proxies:
            adapter.reconnect()

    def _add_files(self, files: list[str]) -> None:
        chosen_by_user = self.config.args_source == pytest.Config.ArgsSource.ARGS
        if not self.options.from_command_line:
            if not chosen_by_user:  # a user who names a test of their own wants that one
                self.config.args = [*self.config.args, *files]
        elif chosen_by_user or self._files_added:
            self.config.args = [*self.config.args, *files]
        else:
            self.config.args = files
        self._files_added = True

    def collect_module(self, path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """The collector of a packaged suite's file, under a node id that says where it comes from."""
        if path in self._suite_files:
            name = f"flowcraft_conformance/suites/{path.name}"
            return pytest.Module.from_parent(parent, path=path, nodeid=name)
        if self.benchmarking is not None and path == CHECKS:
            return pytest.Module.from_parent(parent, path=path, nodeid="flowcraft_conformance/benchmarks/checks.py")
        return None

    def collect_suite(self, collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
        """The collector of a packaged suite, where this is its own module."""
        if not isinstance(obj, type) or not issubclass(obj, Suite) or obj not in PACKAGED:
            return None
        if isinstance(collector, pytest.Module) and collector.path == file_of(obj):
            return pytest.Class.from_parent(collector, name=name, obj=obj)
        return None

    def parametrize_clause(self, metafunc: pytest.Metafunc) -> None:
        """Put the clause's id into the test's id."""
        clause_id = getattr(metafunc.function, CLAUSE_ATTRIBUTE)
        metafunc.parametrize("flowcraft_clause", [clause_id], ids=[clause_id], indirect=True)

    def parametrize_targets(self, metafunc: pytest.Metafunc, fixture: str, kind: str) -> None:
        """Repeat the test for every target that has the part it needs."""
        targets = [target for target in self.targets if target.loaded.spec.kind.value == kind and not target.not_run]
        targets += [target.parts[kind] for target in self.targets if kind in target.parts]
        if targets:
            ids = [target.loaded.spec.text for target in targets]
            metafunc.parametrize(fixture, targets, ids=ids, indirect=True, scope="session")

    def bench(self, kind: type[BenchT], request: pytest.FixtureRequest, factory: Any) -> BenchT:
        """The bench of one test: of a named target, or of the factory that a user's suite class gives."""
        params = getattr(request.node, "callspec", None)
        named = [value for value in (params.params.values() if params else ()) if isinstance(value, OpenTarget)]
        overridden = not any(target.factory is factory for target in named)
        settings = self._settings_of_class(request, factory) if overridden else named[0].settings
        assert settings is not None
        settings.replay = self.options.replay
        clause_id = params.params["flowcraft_clause"] if params and "flowcraft_clause" in params.params else ""
        return kind(factory, settings, f"{clause_id} {request.node.originalname}".strip())

    def adapter_bench(self, request: pytest.FixtureRequest, harness: Any) -> AdapterBench:
        """The bench of one test of an adapter."""
        params = getattr(request.node, "callspec", None)
        named = [value for value in (params.params.values() if params else ()) if isinstance(value, OpenTarget)]
        fitting = [target.adapter for target in named if target.factory is harness and target.adapter is not None]
        adapter = fitting[0] if fitting else self._adapter_of_class(request, harness)
        adapter.settings.replay = self.options.replay
        clause_id = params.params["flowcraft_clause"] if params and "flowcraft_clause" in params.params else ""
        return AdapterBench(adapter, f"{clause_id} {request.node.originalname}".strip())

    def _adapter_of_class(self, request: pytest.FixtureRequest, harness: Any) -> AdapterTarget:
        key = request.node.parent.nodeid
        if key not in self._class_adapters:
            try:
                made = harness_class(harness)
                settings = BenchSettings(
                    loop=self.loop,
                    capabilities=Capabilities.of(made.capabilities),
                    profile=self.options.profile,
                    seed=self.options.seed,
                    replay=self.options.replay,
                )
                self._class_adapters[key] = AdapterTarget(made, settings)
                self._class_adapters[key].open(key)
                self._surround(self._class_adapters[key], TargetSpec(Target.ADAPTER, key), harness)
            except (TypeError, TargetError, CapabilityError) as error:
                pytest.fail(f"the harness of {key} cannot be used\n{error}", pytrace=False)
        return self._class_adapters[key]

    def _settings_of_class(self, request: pytest.FixtureRequest, factory: Any) -> BenchSettings:
        key = request.node.parent.nodeid
        if key not in self._class_settings:
            suite = request.cls
            part = suite.part if suite is not None and issubclass(suite, Suite) else Target.STORE
            declared = getattr(factory, "capabilities", None) or getattr(suite, "flowcraft_capabilities", None)
            try:
                loaded = LoadedTarget.of(TargetSpec(part, key), factory, Capabilities.of(declared))
                self._class_settings[key] = settings_for(
                    loaded,
                    loop=self.loop,
                    profile=self.options.profile,
                    seed=self.options.seed,
                    proxies=self.proxies,
                    variables=self.options.proxy_variables,
                )
            except (TargetError, CapabilityError) as error:  # remembered: trying again may take a minute each time
                self._class_settings[key] = f"the factory of {key} cannot be used\n{error}"
        settings = self._class_settings[key]
        if isinstance(settings, str):
            pytest.fail(settings, pytrace=False)
        return settings

    @staticmethod
    def _hypothesis_scratch() -> tempfile.TemporaryDirectory[str] | None:
        """Where Hypothesis keeps what it caches, so that a run in an empty folder leaves it empty."""
        if Path(".hypothesis").exists() or "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ:
            return None
        scratch = tempfile.TemporaryDirectory(prefix="flowcraft-hypothesis-", ignore_cleanup_errors=True)
        set_hypothesis_home_dir(scratch.name)
        return scratch

    def close(self) -> None:
        """End worker processes, adapters and proxies, stop the loop and remove what was kept for this run."""
        for settings in [*(target.settings for target in self.targets), *self._class_settings.values()]:
            if isinstance(settings, BenchSettings):
                settings.surroundings.close()
        adapters = [target.adapter for target in self.targets if target.adapter is not None]
        for adapter in [*adapters, *self._class_adapters.values()]:
            adapter.close()
        self.loop.close()
        if self.proxies is not None:
            self.proxies.close()
        if self._scratch is not None:
            set_hypothesis_home_dir(None)
            self._scratch.cleanup()
        session = self.config.pluginmanager.get_plugin("session")
        self._leftovers.see_to_the_end(int(getattr(session, "exitstatus", 1)))


def _suites_of(target: OpenTarget) -> tuple[type[Suite], ...]:
    """The suites that a target is run through: a store that is the kit's own is not judged."""
    kits_own = target.adapter is not None and not target.adapter.judges_store
    return tuple(
        suite for suite in suites_for(target.loaded.spec.kind) if not (kits_own and suite.part is Target.STORE)
    )


def _name_parts(target: OpenTarget) -> None:
    """What the suites of stores and contexts are to repeat their tests for."""
    if target.loaded.spec.kind is not Target.ADAPTER:
        return
    adapter = target.adapter
    factories = {"store": adapter.create_store, "context": adapter.create_context} if adapter else {}
    for part in ("store", "context") if adapter is None or adapter.judges_store else ("context",):
        loaded = replace(target.loaded, factory=factories.get(part, _not_open))
        settings = adapter.settings_of(Target(part)) if adapter else target.settings
        target.parts[part] = OpenTarget(loaded, settings)


def _not_open(*_: object) -> None:
    raise RuntimeError("nothing is opened while tests are only collected")


def _unavailable(error: TargetError) -> str:
    """What says that a target's server cannot be had, where that is why it cannot be used; else nothing."""
    cause = error.__cause__
    return str(cause) if isinstance(cause, ServiceUnavailableError) else ""


def _header_line(target: OpenTarget) -> str:
    settings = target.settings
    notes = ["not run: its server cannot be had"] if target.not_run else []
    if settings is not None and not settings.shared and not target.not_run:
        notes.append("two calls do not share state: one instance serves all clients")
    if settings is not None and settings.clock is not None:
        notes.append("on virtual time")
    return f"{target.loaded.spec.kind}: {target.loaded.spec.text}" + (f" ({'; '.join(notes)})" if notes else "")
