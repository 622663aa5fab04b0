"""How long the loop stood still: what must be renewed in time could not be then, and nobody is to blame for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

_LOOK_SECONDS = 0.02


@dataclass(slots=True)
class Stalls:
    """``longest``: seconds beyond what a sleep was asked for."""

    longest: float = 0.0


@contextlib.asynccontextmanager
async def watched_for_stalls() -> AsyncIterator[Stalls]:
    """Watch the running loop for as long as the block takes."""
    seen = Stalls()
    watching = asyncio.ensure_future(_watch(seen))
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(seen: Stalls) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LOOK_SECONDS)
        seen.longest = max(seen.longest, time.monotonic() - before - _LOOK_SECONDS)
