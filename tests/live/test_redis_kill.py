"""Two worker processes on a real Redis, one of them killed in the middle of a node."""

from __future__ import annotations

import asyncio

from tests.live.redis_kill import run


def test_a_run_completes_though_a_worker_was_killed() -> None:
    story = asyncio.run(run())
    (result,) = story["results"]
    assert result.status == "completed", result.reason
    outputs = {key: value for key, value in story["state"].items() if key.startswith("_outputs.")}
    assert set(outputs["_outputs.j"]["input"]) == {"b", "c", "d"}
    assert outputs["_outputs.yes"]["input"] == {"who": "me"}
    assert "_outputs.no" not in outputs
    assert "_outputs.x" not in outputs
    pids = {line.split()[0] for line in story["said"] if line.endswith("node b")}
    assert len(pids) == 2, "node b was to be run again by the other worker"
