"""The inside of a process that works on an adapter's queue, as its commands say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.options import AdapterOptions, RuntimeOptions
from flowcraft_conformance.contract.payloads import JobDeferred, JobPayload
from flowcraft_conformance.contract.protocols import DistributedAdapter
from flowcraft_conformance.harness.captured.records import QuietLogger
from flowcraft_conformance.harness.errors import describe_error
from flowcraft_conformance.harness.live.fates import Fates
from flowcraft_conformance.harness.live.flow_worker import make_flow_adapter
from flowcraft_conformance.harness.workers.clients import harness_of

_CLOSE_SECONDS = 5.0
_ANSWERED_SECONDS = 0.05
"""By then the answer that a command is done has been written."""
DEFERRED = "deferred"


class LiveWorker:
    """The adapters of one process. What they do is logged at once, so that a kill leaves a true log."""

    def __init__(self, order: Mapping[str, Any], log: int) -> None:
        self._order = order
        self._log = log
        self._adapters: list[DistributedAdapter] = []

    async def work(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to take jobs of a scope; the answer comes once they are taken."""
        try:
            harness = harness_of(self._order, command["scope"])
            fates = Fates.read(command.get("fates", []), self._note)
            if "blueprints" in command:
                blueprints = [WorkflowBlueprint.from_dict(one) for one in command["blueprints"]]
                adapter = await make_flow_adapter(harness, blueprints, QuietLogger(), self._note, fates)
            else:
                options = AdapterOptions(RuntimeOptions(logger=QuietLogger()), await harness.create_store())
                adapter = await harness.create_adapter(options)
                handler = self._handler(command["seconds"], command.get("deferred_seconds"))
                adapter.handle_job = handler  # type: ignore[method-assign]
            self._adapters.append(adapter)
            await adapter.start()
        except Exception as error:
            return {"failed": f"starting a worker raised {describe_error(error)}"}
        asyncio.get_running_loop().call_later(_ANSWERED_SECONDS, fates.allow_stops)
        return {"working": True}

    async def rest(self) -> dict[str, Any]:
        """Close every adapter."""
        for adapter in self._adapters:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await adapter.close()
        self._adapters.clear()
        return {"resting": True}

    def _handler(self, seconds: float, deferred_seconds: float | None) -> Any:
        """One that takes so long; jobs of the node DEFERRED it puts back, where it is told for how long."""

        async def handle(job: JobPayload) -> None:
            self._note({"what": "job", "run": job.run_id, "node": job.node_id, "at": time.monotonic()})
            if job.node_id == DEFERRED and deferred_seconds is not None:
                raise JobDeferred(deferred_seconds)
            await asyncio.sleep(seconds)

        return handle

    def _note(self, entry: dict[str, Any]) -> None:
        os.write(self._log, json.dumps(entry).encode() + b"\n")
