"""Whole workflows on an adapter's own queue: started by a client, awaited, and held against the in-process runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.payloads import FinalResult
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.contract.verdicts import ClauseViolation
from flowcraft_conformance.harness.live.fates import Fates
from flowcraft_conformance.harness.live.flow_worker import NODE_LOCK_SECONDS, make_flow_adapter
from flowcraft_conformance.harness.live.rig import Rig
from flowcraft_conformance.harness.oracle import Outcome, PossibleOutcomes, comparable

_LOOK_SECONDS = 0.05
_MOST_SHOWN = 40
_MOST_LINES = 4
_LINE = 160
_QUIETS = 4
"""A run may rest for so many waits while others go on; then it is silent."""

Entries = Callable[[], Sequence[dict[str, Any]]]
"""All that workers have noted so far."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run to be, and how it may end."""

    run_id: str
    blueprint: WorkflowBlueprint
    allowed: PossibleOutcomes


class LiveFlows:
    """Runs that go on side by side in one scope. ``may_give_up``: a job may have lost all its attempts to kills."""

    def __init__(self, rig: Rig, runs: Sequence[LiveRun], *, may_give_up: bool = False) -> None:
        self.rig = rig
        self.runs = runs
        self.noted: list[dict[str, Any]] = []
        """What workers of this process have noted."""
        self._may_give_up = may_give_up
        self._reads = True

    async def worker(self, *, starts: bool = True) -> DistributedAdapter:
        """An adapter of this process with its own handler; started, or a client."""
        blueprints = [run.blueprint for run in self.runs]
        adapter: DistributedAdapter = await self.rig.call(
            "create_adapter",
            lambda: make_flow_adapter(
                self.rig.harness, blueprints, self.rig.lines, self.noted.append, Fates([], self.noted.append)
            ),
        )
        self.rig.keep(adapter)
        await self.rig.call("start" if starts else "open", adapter.start if starts else adapter.open)
        return adapter

    async def start(self, client: DistributedAdapter) -> None:
        """Start every run."""
        for run in self.runs:
            await self.rig.call(
                "start_run",
                lambda run=run: client.start_run(run.blueprint.id, {}, run.run_id),  # type: ignore[misc]
            )

    async def wait(self, entries: Entries, tend: Callable[[], Any]) -> None:
        """Wait until every run has a result, as long as anything goes on; ``tend`` is awaited again and again."""
        quiet = self.rig.patience + 3 * NODE_LOCK_SECONDS
        seen, since, began = -1, time.monotonic(), time.monotonic()
        while not await self._ended(entries):
            await tend()
            if len(entries()) != seen:
                seen, since = len(entries()), time.monotonic()
            if time.monotonic() > min(since + quiet, began + _QUIETS * quiet):
                return
            await self.rig.until(lambda: False, _LOOK_SECONDS)

    async def judge(self, client: DistributedAdapter, entries: Entries, what: str) -> None:
        """Hold every run against what the in-process runtime can come to.

        Raises:
            ClauseViolation: a run ended otherwise, or not at all.
        """
        for run in self.runs:
            said = await self._problem(run, client, entries)
            if said is not None:
                told = [story(run.run_id, entries()), *self._said()]
                raise ClauseViolation(
                    f"workflow {run.blueprint.id!r} {what}: {said[0]}; expected {said[1]}", "\n".join(told)
                )

    def _said(self) -> list[str]:
        """The last warnings and errors in the adapter's log, of workers in this process."""
        loud = [line for line in self.rig.lines.kept if line.startswith(("warning", "error"))]
        return [f"its log: {line[:_LINE]}" for line in dict.fromkeys(loud[-_MOST_LINES:])]

    async def _ended(self, entries: Entries) -> bool:
        published = {entry["run"] for entry in entries() if entry["what"] == "published"}
        for run in self.runs:
            if run.run_id not in published and not await self._read(run.run_id):
                return False
        return True

    async def _read(self, run_id: str) -> list[FinalResult]:
        if not self._reads:
            return []
        try:
            found: list[FinalResult] = await self.rig.call(
                "read_results", lambda: self.rig.harness.read_results(run_id)
            )
        except ClauseViolation as error:
            if not isinstance(error.__cause__, NotImplementedError):
                raise
            self._reads = False
            return []
        return found

    async def results(self, run_id: str, entries: Entries) -> list[FinalResult]:
        """What was published of a run, and what a client reads of it."""
        published = [
            FinalResult.from_wire(entry["result"])
            for entry in entries()
            if entry["what"] == "published" and entry["run"] == run_id
        ]
        return [*published, *await self._read(run_id)]

    async def _problem(self, run: LiveRun, client: DistributedAdapter, entries: Entries) -> tuple[str, str] | None:
        expected = _expected(run.allowed)
        published = [
            FinalResult.from_wire(entry["result"])
            for entry in entries()
            if entry["what"] == "published" and entry["run"] == run.run_id
        ]
        read = await self._read(run.run_id)
        results = [*published, *read]
        if not results:
            return "it did not end: no result was published, and nothing went on any more", expected
        if len({result.status for result in results}) > 1:
            return f"it ended as {' and as '.join(dict.fromkeys(one.status for one in results))}", "one final status"
        if self._reads and not read:
            return f"its result {results[0].status!r} was published, and a client reads none", expected
        state = await self.rig.call("to_dict", lambda: client.create_context(run.run_id).to_dict())
        return self._unlike(run, results[0], state, expected)

    def _unlike(
        self, run: LiveRun, result: FinalResult, state: dict[str, Any], expected: str
    ) -> tuple[str, str] | None:
        if result.status == "failed":
            reason = result.reason or ""
            nodes = [one.failed for one in run.allowed.outcomes if one.failed is not None]
            if any(node in reason for node in nodes) or (self._may_give_up and "given up" in reason):
                return None
            return f"failed: {reason}", expected
        outcome = Outcome("completed", comparable(state))
        if run.allowed.allow(outcome) or not run.allowed.complete:
            return None
        return f"completed with {shorten(dict(outcome.state), 300)}", expected


def always_run(allowed: PossibleOutcomes) -> list[str]:
    """The nodes that have an output however the run ends."""
    sets = [set(one.outputs) for one in allowed.outcomes if one.status == "completed"]
    return sorted(set.intersection(*sets)) if sets and len(sets) == len(allowed.outcomes) else []


def story(run_id: str, entries: Iterable[dict[str, Any]]) -> str:
    """What workers noted of one run, one a line, oldest first where the time is known."""
    told = []
    for entry in entries:
        if entry.get("run") == run_id:
            who = f"{entry['who']}: " if "who" in entry else ""
            about = entry.get("node") or entry.get("result", {}).get("status", "")
            attempt = f" attempt {entry['attempt']}" if "attempt" in entry else ""
            moment = f" at moment {entry['moment']} of its job" if "moment" in entry else ""
            told.append(f"{who}{entry['what']} {about}{attempt}{moment}")
    return "\n".join(told[:_MOST_SHOWN])


def _expected(allowed: PossibleOutcomes) -> str:
    shown = [
        f"failed at {one.failed!r}" if one.status == "failed" else f"completed with {shorten(dict(one.state), 300)}"
        for one in allowed.outcomes[:2]
    ]
    return " or ".join(shown)
