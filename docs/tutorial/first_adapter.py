"""The adapter with a mistake that no ordinary test shows: a job is acknowledged before it is done."""

import sqlite_adapter


class Adapter(sqlite_adapter.Adapter):
    async def _handle(self, job, number, receipt, handler):
        self._queue.acknowledge(number, receipt)
        await super()._handle(job, number, receipt, handler)


class Harness(sqlite_adapter.Harness):
    adapter = Adapter
