"""Contexts whose patches take a known time on a clock of the test's own: nothing here depends on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from flowcraft_conformance import Capabilities, PatchOperation, SetOp
from flowcraft_conformance.benchmarks.items import Item, items_of
from flowcraft_conformance.benchmarks.measured import Benchmarks
from flowcraft_conformance.benchmarks.plan import BY_SIZE, KB, MB, BenchPlan, Rounds
from flowcraft_conformance.benchmarks.states import Case
from flowcraft_conformance.harness.bench import BenchSettings
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.profile import PROFILES
from reference_adapters.memory import MemoryBackend, MemoryContext

SIZES = (KB, 10 * KB, 100 * KB, MB)


class FakeClock:
    """Time that passes where a context says so, and nowhere else."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


def costed(cost: Callable[[int, int], float], **capabilities: Any) -> tuple[Any, FakeClock]:
    """A context on which a patch takes ``cost(bytes of the patch, bytes of the state)`` seconds."""
    clock, backend = FakeClock(), MemoryBackend()

    class Costed(MemoryContext):
        operations: ClassVar[list[int]] = []
        kept: ClassVar[MemoryBackend] = backend

        def __init__(self, run_id: str) -> None:
            super().__init__(backend, run_id)

        async def patch(self, operations: Sequence[PatchOperation]) -> None:
            await super().patch(operations)
            self.operations.append(len(operations))
            written = sum(len(repr(one.value)) for one in operations if isinstance(one, SetOp))
            clock.seconds += cost(written, sum(map(len, self._state().values())))

    Costed.capabilities = Capabilities(**capabilities)  # type: ignore[attr-defined]
    return Costed, clock


def plan_of(*cases: Case, experiment: str = BY_SIZE) -> BenchPlan:
    """A small plan, of five rounds."""
    rounds = Rounds(5, 5, 1000)
    return BenchPlan({experiment: cases}, rounds, (1, 2), rounds, 2, 20 * KB)


@contextmanager
def benchmarks_of(factory: Any, clock: FakeClock, plan: BenchPlan) -> Iterator[Benchmarks]:
    """The benchmarks of a context on the fake clock."""
    loop = LoopThread()
    try:
        settings = BenchSettings(
            loop=loop, capabilities=Capabilities.of(factory.capabilities), profile=PROFILES["quick"], seed=3
        )
        yield Benchmarks(settings, factory, now=clock.now, plan=plan)
    finally:
        loop.close()


def items(experiment: str = BY_SIZE) -> list[Item]:
    """The items of one experiment of the quick profile."""
    return [item for item in items_of("patch", "quick") if item.experiment == experiment]
