"""The lease of the worker that runs a node: it keeps a second one from starting, and is never what decides."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any, TypeVar

from flowcraft_conformance.contract.protocols import Clock, ICoordinationStore, ILogger
from flowcraft_conformance.runtime.execution import stop

T = TypeVar("T")

_LONGEST_WAIT = 5.0
"""Seconds after which a job that met another's lease looks again."""


class LeaseLostError(Exception):
    """The lease ended, or may have ended, while the work was going on: another worker may be at it."""


class NodeLease:
    """One lease on one key; ``ttl`` in seconds.

    ``delete`` and ``extend_ttl`` know no owner: past the local deadline, counted from before the call that armed the
    key, they are not used, for the key may be another's.
    """

    def __init__(self, store: ICoordinationStore, key: str, ttl: int, clock: Clock, logger: ILogger) -> None:
        self._store = store
        self._key = key
        self._ttl = ttl
        self._clock = clock
        self._logger = logger
        self._token = uuid.uuid4().hex
        self._deadline = 0.0

    @property
    def retry_seconds(self) -> float:
        """When to look again after another worker was met."""
        return min(self._ttl / 4, _LONGEST_WAIT)

    async def acquire(self) -> bool:
        """Take the lease; False where somebody has it."""
        asked = self._clock.monotonic()
        if not await self._store.set_if_not_exist(self._key, self._token, self._ttl):
            return False
        self._deadline = asked + self._ttl
        return True

    def require(self) -> None:
        """Raise LeaseLostError where the lease may have ended (HB-01); looked at before a commit."""
        if self._clock.monotonic() >= self._deadline:
            raise LeaseLostError(f"the lease {self._key} ended while its node was running; the job is to be repeated")

    async def verify(self) -> None:
        """Ask the store as well: raise LeaseLostError where the key is no longer this worker's."""
        self.require()
        if await self._store.get(self._key) != self._token:
            raise LeaseLostError(f"the lease {self._key} is no longer this worker's; the job is to be repeated")

    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work while the lease is extended at a third of its TTL.

        Raises:
            LeaseLostError: the lease was lost; the work was cancelled.
        """
        working = asyncio.ensure_future(work)
        beating = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise LeaseLostError(f"the lease {self._key} was lost while its node ran; the job is to be repeated")
        finally:
            await stop(beating)
            await stop(working)

    async def release(self) -> None:
        """Give the lease back, if it is certainly still held; a failure costs time only, for the key expires."""
        if self._deadline - self._clock.monotonic() < self._ttl / 4:
            return
        try:
            await self._store.delete(self._key)
        except Exception as error:
            self._logger.warning("a lease could not be released; it will expire", key=self._key, error=repr(error))

    async def _beat(self) -> None:
        """Return once the lease is lost; a call that fails is repeated as long as there is time (HB-01)."""
        pause = self._ttl / 3
        while True:
            await self._clock.sleep(pause)
            asked = self._clock.monotonic()
            if asked >= self._deadline:
                return
            try:
                if not await self._store.extend_ttl(self._key, self._ttl):
                    return
            except Exception as error:
                self._logger.warning("a heartbeat failed; it is repeated", key=self._key, error=repr(error))
                pause = self._ttl / 10
            else:
                self._deadline = asked + self._ttl
                pause = self._ttl / 3
