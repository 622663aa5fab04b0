"""How many distinct plans the enumerator runs in how much time on the memory adapter.

python -m tests.benchmarks.plans [seconds]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

from flowcraft_conformance.checking.blueprints import EXAMPLES
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.captured.search import Captured
from flowcraft_conformance.harness.captured.story import tell
from flowcraft_conformance.harness.nodes import kit_registry
from reference_adapters.memory import MemoryHarness


def main(seconds: float) -> int:
    """Divide the time among the example workflows; print a line each, and the sum. 1: a rule was broken."""
    plans = effective = 0
    kinds: Counter[str] = Counter()
    started, cpu = time.monotonic(), time.process_time()
    for number, (name, blueprint) in enumerate(EXAMPLES.items()):
        share = (seconds - (time.monotonic() - started)) / (len(EXAMPLES) - number)
        captured = Captured(MemoryHarness("plans"))
        found = asyncio.run(captured.search(Scenario(blueprint, kit_registry), seconds=share))
        if found.problem is not None:
            print(tell(found.problem))
            return 1
        print(f"{name:<20} {found.plans:>6} plans, {found.calls:>4} calls in the plain run, "
              f"{'all orders' if found.all_orders else 'not all orders'}")  # fmt: skip
        plans += found.plans
        effective += found.plans - found.idle
        kinds.update(found.by_kind)
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common(12)))
    print(f"{plans} distinct plans, {effective} of which happened in full, in {time.monotonic() - started:.1f} s "
          f"({time.process_time() - cpu:.1f} s of processor time); no rule was broken")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30))
