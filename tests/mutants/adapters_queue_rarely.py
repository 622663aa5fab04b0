"""Queues that are wrong at a repetition or a length only; see ``adapters_queue``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowcraft_conformance import FinalResult, JobPayload
from tests.mutants.adapters_queue import Handler, QueueMutant


class RemembersWhatItHasDone(QueueMutant):
    """A consumer that saves the work of duplicates: it acknowledges a job that it has once done."""

    breaks = "JOB-LOSS-01"

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self.done: set[tuple[str, str]] = set()

    async def process_jobs(self, handler: Handler) -> None:
        async def once(job: JobPayload) -> None:
            if (job.run_id, job.node_id) not in self.done:
                await handler(job)
                self.done.add((job.run_id, job.node_id))

        await super().process_jobs(once)


class KeepsTheBeginningOfAReason(QueueMutant):
    """The column of reasons has 255 characters."""

    breaks = "RESULT-02"

    async def publish_final_result(self, run_id: str, result: FinalResult) -> None:
        reason = result.reason and result.reason[:255]
        await super().publish_final_result(run_id, replace(result, reason=reason))


QUEUES_RARELY: tuple[type[QueueMutant], ...] = (RemembersWhatItHasDone, KeepsTheBeginningOfAReason)
