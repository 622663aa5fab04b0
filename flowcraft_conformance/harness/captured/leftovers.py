"""What a run leaves in the coordination store: looked at after its end, when every lease should be over."""

from __future__ import annotations

import asyncio

from flowcraft_conformance.contract.options import CoordinationTtls
from flowcraft_conformance.harness.captured.records import KeyLeft
from flowcraft_conformance.harness.captured.turns import Turns

_TURNS = 6
_MOST_WAKES = 1_000
"""Sleepers that are woken at most: somebody who keeps a key alive every few seconds is seen long before."""


async def keys_left(turns: Turns, ttls: CoordinationTtls) -> tuple[KeyLeft, ...]:
    """Let world time pass twice the longest TTL, with whoever still wakes up in it; the keys that are there then."""
    ended = turns.clock.monotonic()
    longest = max(ttls.fanin, ttls.joinlock, ttls.poison, ttls.cancel, ttls.nodelock, ttls.blueprint)
    for _ in range(_MOST_WAKES):
        if turns.clock.monotonic() >= ended + 2 * longest or not turns.clock.advance_to_next():
            break
        for _ in range(_TURNS):
            await asyncio.sleep(0.0005 if turns.in_flight else 0)
    now = max(turns.clock.monotonic(), ended + 2 * longest)
    return tuple(
        KeyLeft(key, turns.keys.armed_at[key] - ended, deadline - ended)
        for key, deadline in turns.keys.deadlines.items()
        if deadline > now
    )
