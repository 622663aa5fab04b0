"""An adapter on SQLite: a table of jobs is its queue."""

import asyncio
import json
import tempfile
import time
from functools import cached_property
from pathlib import Path

from database import connect
from sqlite_context import Context
from sqlite_store import Store

from flowcraft_conformance import (
    AdapterHarness,
    BaseDistributedAdapter,
    Capabilities,
    FinalResult,
    InvalidJobError,
    JobDeferred,
    JobPayload,
)

LEASE_SECONDS = 1
ATTEMPTS = 5


class Queue:
    """Jobs with leases: one that is received is hidden for a while, and gone only when it is acknowledged."""

    def __init__(self, database):
        self._database = database

    def send(self, body):
        statement = "INSERT INTO jobs (body, visible_at, attempts, receipt) VALUES (?, 0, 0, 0)"
        self._database.execute(statement, (body,))

    def receive(self):
        statement = """
            UPDATE jobs SET visible_at = :now + :lease, attempts = attempts + 1, receipt = receipt + 1
            WHERE number = (SELECT number FROM jobs WHERE visible_at <= :now ORDER BY number LIMIT 1)
            RETURNING number, receipt, attempts, body"""
        rows = self._database.execute(statement, {"now": time.time(), "lease": LEASE_SECONDS}).fetchall()
        return rows[0] if rows else None

    def extend(self, number, receipt):
        self.put_back(number, receipt, LEASE_SECONDS)

    def acknowledge(self, number, receipt):
        self._database.execute("DELETE FROM jobs WHERE number = ? AND receipt = ?", (number, receipt))

    def put_back(self, number, receipt, delay, *, uncounted=0):
        statement = "UPDATE jobs SET visible_at = ?, attempts = attempts - ? WHERE number = ? AND receipt = ?"
        self._database.execute(statement, (time.time() + delay, uncounted, number, receipt))


class Adapter(BaseDistributedAdapter):
    def __init__(self, options, database, concurrency=8):
        super().__init__(options)
        self._database = database
        self._queue = Queue(database)
        self._room = asyncio.Semaphore(concurrency)
        self._listening = None
        self._deliveries = set()

    def create_context(self, run_id):
        return Context(self._database, run_id)

    async def enqueue_job(self, job):
        self._queue.send(job.to_json())

    async def publish_final_result(self, run_id, result):
        statement = "INSERT OR REPLACE INTO results VALUES (?, ?)"
        self._database.execute(statement, (run_id, json.dumps(result.to_wire())))

    async def process_jobs(self, handler):
        self._listening = asyncio.create_task(self._listen(handler))

    async def stop_jobs(self):
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait({listening})

    async def disconnect(self):
        for delivery in self._deliveries:
            delivery.cancel()
        if self._deliveries:
            await asyncio.wait(set(self._deliveries))

    async def _listen(self, handler):
        while True:
            await self._room.acquire()
            received = self._queue.receive()
            if received is None:
                self._room.release()
                await asyncio.sleep(0.05)
                continue
            delivery = asyncio.create_task(self._deliver(*received, handler))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery):
        self._deliveries.discard(delivery)
        self._room.release()

    async def _deliver(self, number, receipt, attempts, body, handler):
        try:
            job = JobPayload.from_wire(body)
        except InvalidJobError as error:
            self.logger.warning("a message that is no job was dropped", error=str(error), body=body[:200])
            self._queue.acknowledge(number, receipt)
            return
        job = JobPayload(job.run_id, job.blueprint_id, job.node_id, attempts, attempts >= ATTEMPTS)
        renewing = asyncio.create_task(self._renew(number, receipt))
        try:
            await self._handle(job, number, receipt, handler)
        finally:
            renewing.cancel()

    async def _handle(self, job, number, receipt, handler):
        try:
            if job.attempt > ATTEMPTS:
                await self.abandon_job(job, "its deliveries were used up by workers that died")
            else:
                await handler(job)
        except JobDeferred as deferred:
            self._queue.put_back(number, receipt, max(deferred.delay_seconds, 0.001), uncounted=1)
        except Exception as error:
            if job.is_last_attempt:
                await self.abandon_job(job, f"{type(error).__name__}: {error}")
                self._queue.acknowledge(number, receipt)
            else:
                self._queue.put_back(number, receipt, 0)
        else:
            self._queue.acknowledge(number, receipt)

    async def _renew(self, number, receipt):
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            self._queue.extend(number, receipt)


class Harness(AdapterHarness):
    adapter = Adapter
    capabilities = Capabilities(
        processes=True,
        ttl_granularity=0.01,
        ttl_lag=0.1,
        lease_seconds=LEASE_SECONDS,
        redelivery_seconds=2,
        queue_attempts=ATTEMPTS,
    )

    def __init__(self, scope):
        super().__init__(scope)
        self._path = Path(tempfile.gettempdir(), f"{scope}.db")

    @cached_property
    def _database(self):
        return connect(self._path)  # in the thread that uses it: the kit may make a harness in another one

    async def teardown(self):
        self._database.close()
        self._path.unlink(missing_ok=True)

    async def create_store(self):
        return Store(self._database)

    async def create_adapter(self, options):
        return self.adapter(options, self._database)

    async def send_raw(self, body):
        Queue(self._database).send(body)

    async def read_results(self, run_id):
        rows = self._database.execute("SELECT result FROM results WHERE run_id = ?", (run_id,))
        return [FinalResult.from_wire(json.loads(text)) for (text,) in rows]
