"""Finds runs that stand still although something could run, and resumes them: for any adapter.

Right adapters seldom need it: a job is lost only with the queue that held it, a start only with the client that made
it. It is the answer to what no adapter can see from inside, and costs one read of every unfinished run a round.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass

from flowcraft_conformance import BaseDistributedAdapter, Clock, SystemClock


@dataclass(frozen=True, slots=True)
class _Seen:
    """A run's state as it was, by its hash, and since when it is so (seconds of the monotonic clock)."""

    state: bytes
    since: float


class Reconciler:
    """Looks after the runs of one adapter, which may be a client.

    ``unfinished`` gives the ids of the runs to look after; ids of finished runs among them do no harm. A run counts as
    stalled where its state has not changed for ``quiet_seconds`` and ``reconcile`` finds a node of it that is ready and
    that nobody runs: a run that rests for a decision, has ended, or has a node running is never touched. Choose
    ``quiet_seconds`` longer than a job may wait in the queue: what is queued and not yet taken cannot be told from what
    was lost, and would be queued twice, which costs a delivery and changes no outcome.
    """

    def __init__(
        self,
        adapter: BaseDistributedAdapter,
        unfinished: Callable[[], AsyncIterable[str]],
        *,
        quiet_seconds: float = 300.0,
        clock: Clock | None = None,
    ) -> None:
        self._adapter = adapter
        self._unfinished = unfinished
        self._quiet_seconds = quiet_seconds
        self._clock = clock or SystemClock()
        self._seen: dict[str, _Seen] = {}

    async def look(self) -> dict[str, set[str]]:
        """One round: the runs that were stalled, each with the ids of the nodes that were queued again.

        A run that cannot be read or resumed now is logged and looked at again in the next round.

        Raises:
            Exception: what ``unfinished`` raises.
        """
        resumed: dict[str, set[str]] = {}
        still_there: dict[str, _Seen] = {}
        async for run_id in self._unfinished():
            try:
                seen = await self._look_at(run_id)
                if self._clock.monotonic() - seen.since >= self._quiet_seconds:
                    nodes = await self._adapter.reconcile(run_id)
                    seen = _Seen(seen.state, self._clock.monotonic())
                    if nodes:
                        resumed[run_id] = nodes
                still_there[run_id] = seen
            except Exception as error:
                self._adapter.logger.warning("a run could not be reconciled now", run=run_id, error=repr(error))
                if run_id in self._seen:
                    still_there[run_id] = self._seen[run_id]
        self._seen = still_there
        return resumed

    async def keep_looking(self, every_seconds: float = 60.0) -> None:
        """Look again and again until cancelled; a round that fails is logged."""
        while True:
            try:
                for run_id, nodes in (await self.look()).items():
                    self._adapter.logger.warning("a run that stood still was resumed", run=run_id, nodes=sorted(nodes))
            except Exception as error:
                self._adapter.logger.warning("stalled runs could not be looked for", error=repr(error))
            await asyncio.sleep(every_seconds)

    async def _look_at(self, run_id: str) -> _Seen:
        state = await self._adapter.create_context(run_id).to_dict()
        now = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).digest()
        before = self._seen.get(run_id)
        return before if before is not None and before.state == now else _Seen(now, self._clock.monotonic())
