"""Calls to Google's services that are sent once and end within a bound; only what was surely refused is sent again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.api_core.exceptions import DeadlineExceeded

CALL_SECONDS = 8.0
"""The bound of one call: connecting, sending, reading and repeating together."""

_LONGEST_PAUSE = 0.4

T = TypeVar("T")


async def bounded(service: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """What the work gives; raises TimeoutError where that takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except (TimeoutError, DeadlineExceeded):
        raise TimeoutError(f"{service} did not answer within {seconds:g} s") from None


async def repeated(once: Callable[[], Awaitable[T]], refusals: tuple[type[Exception], ...]) -> T:
    """What the work gives in the end: it begins again, a little later each time, where it was refused. Bound it."""
    pause = 0.01
    while True:
        try:
            return await once()
        except refusals:
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)
