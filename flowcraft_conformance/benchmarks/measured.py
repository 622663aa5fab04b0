"""The benchmarks of one target: each set of measurements is made once, when its first item asks, and kept."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from flowcraft_conformance.benchmarks.entries import (
    Entry,
    Named,
    flow_entry,
    patch_entries,
    scaling_entry,
    series_entry,
    store_entries,
)
from flowcraft_conformance.benchmarks.items import Item
from flowcraft_conformance.benchmarks.patching import PATCH, PatchFigures, count_bytes, measure_patches
from flowcraft_conformance.benchmarks.plan import BY_SIZE, PLANS, BenchPlan
from flowcraft_conformance.benchmarks.rounds import Lane, NotMeasuredError, Now, Series, never
from flowcraft_conformance.benchmarks.running import measure_flows
from flowcraft_conformance.benchmarks.scaling import fit_scaling
from flowcraft_conformance.benchmarks.storing import measure_store
from flowcraft_conformance.benchmarks.targets import PatchTarget, contexts_of, contexts_of_adapter, store_opener
from flowcraft_conformance.harness.adapter_target import AdapterTarget
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.harness.errors import CallTimeoutError, describe_error

T = TypeVar("T")

_BOUND = 20
"""A set of measurements may take so many times the seconds that were planned for it, and a check's time besides."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One item's entry and its seconds by round; no seconds where nothing was measured, and then the reason."""

    entry: Entry
    samples: tuple[float, ...]

    @property
    def reason(self) -> str:
        """Why nothing was measured."""
        return str(self.entry.get("reason", ""))


@dataclass(slots=True)
class Benchmarks:
    """One target. ``factory`` is that of its contexts or its store; an adapter has both through its harness."""

    settings: BenchSettings
    factory: Callable[..., Any] | None = None
    adapter: AdapterTarget | None = None
    now: Now = time.perf_counter
    plan: BenchPlan | None = None
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _scaling: Entry | None = None
    _made: set[tuple[str, str]] = field(default_factory=set)
    _failed: dict[tuple[str, str], str] = field(default_factory=dict)

    def outcome(self, item: Item) -> Outcome:
        """What was measured of an item; the first item of an experiment measures it all."""
        key = (item.benchmark, item.experiment)
        if key not in self._made:
            self._made.add(key)
            gc.collect()
            self._measure(*key)
        if item.entry_id not in self._outcomes:
            named = Named(item.benchmark, item.experiment, item.label, item.variant)
            nothing = Series(
                Lane(item.variant, never), reason=self._failed.get(key, "it is not part of what was measured")
            )
            self._outcomes[item.entry_id] = Outcome(series_entry(named, nothing), ())
        return self._outcomes[item.entry_id]

    def entries(self) -> list[Entry]:
        """Everything that was measured so far, and the scaling verdict where there is one."""
        return [outcome.entry for outcome in self._outcomes.values()] + ([self._scaling] if self._scaling else [])

    def _measure(self, benchmark: str, experiment: str) -> None:
        plan = self.plan or PLANS[self.settings.profile.name]
        try:
            if benchmark == "patch":
                self._patches(plan, experiment)
            elif benchmark == "store":
                self._store(plan)
            else:
                self._flows(plan)
        except (NotMeasuredError, CallTimeoutError) as error:
            self._failed[benchmark, experiment] = str(error)
        except Exception as error:
            self._failed[benchmark, experiment] = f"it raised {describe_error(error)}"

    def _on_loop(self, body: Coroutine[Any, Any, T], plan: BenchPlan, what: str) -> T:
        seconds = _BOUND * max(plan.rounds.seconds, plan.flow_rounds.seconds) + self.settings.profile.check_seconds
        return self.settings.loop.run(body, within=seconds, what=what)

    def _patches(self, plan: BenchPlan, experiment: str) -> None:
        cases = plan.experiments[experiment]
        settings = self.settings

        async def time_them() -> list[PatchFigures]:
            async with AsyncExitStack() as stack:
                target = await self._contexts(stack)
                return await measure_patches(target, cases, plan.rounds, now=self.now, seed=settings.seed)

        async def weigh(figures: Sequence[PatchFigures]) -> list[PatchFigures]:
            async with AsyncExitStack() as stack:
                target = await self._contexts(stack)
                return [
                    replace(one, traffic=await count_bytes(target, one.case, one.variant, settings.seed))
                    if one.series.measured
                    else one
                    for one in figures
                ]

        with settings.surroundings.known_faults.bypassed():  # a proxy takes time, which is not the target's
            figures = self._on_loop(time_them(), plan, f"measuring patches by {experiment}")
        if settings.surroundings.known_faults.proxies:
            figures = self._on_loop(weigh(figures), plan, f"counting the bytes of patches by {experiment}")
        self._keep(patch_entries(experiment, figures), [one.series for one in figures])
        if experiment == BY_SIZE:
            by_size = {one.size: one.series.samples for one in figures if one.variant == PATCH and one.series.measured}
            self._scaling = scaling_entry(fit_scaling(by_size, settings.seed))

    async def _contexts(self, stack: AsyncExitStack) -> PatchTarget:
        if self.adapter is not None:
            return await contexts_of_adapter(self.adapter, stack)
        assert self.factory is not None
        return contexts_of(self.factory, self.settings)

    def _store(self, plan: BenchPlan) -> None:
        factory = self.adapter.create_store if self.adapter is not None else self.factory
        assert factory is not None
        settings = self.settings
        with settings.surroundings.known_faults.bypassed():
            measured = self._on_loop(
                measure_store(
                    store_opener(factory, settings), plan.rounds, now=self.now,
                    call_within=settings.capabilities.call_timeout_seconds, seed=settings.seed,
                ),
                plan,
                "measuring the store",
            )  # fmt: skip
        self._keep(store_entries(measured), list(measured.values()))

    def _flows(self, plan: BenchPlan) -> None:
        assert self.adapter is not None
        settings = self.settings
        with settings.surroundings.known_faults.bypassed():
            figures = self._on_loop(
                measure_flows(
                    type(self.adapter.harness), plan, now=self.now, within=settings.profile.check_seconds,
                    seed=settings.seed,
                ),
                plan,
                "measuring workflows",
            )  # fmt: skip
        self._keep([flow_entry(one) for one in figures], [one.series for one in figures])

    def _keep(self, entries: Sequence[Entry], series: Sequence[Series]) -> None:
        for entry, one in zip(entries, series, strict=True):
            self._outcomes[entry["id"]] = Outcome(entry, tuple(one.samples))
