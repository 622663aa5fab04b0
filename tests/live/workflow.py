"""A workflow with a join of three branches, a condition, a retry and a wait, for workers in processes of their own."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from flowcraft_conformance import (
    AdapterOptions,
    CoordinationTtls,
    EdgeDefinition,
    ICoordinationStore,
    NodeConfig,
    NodeContext,
    NodeDefinition,
    RuntimeOptions,
)
from flowcraft_conformance.checking.blueprints import flow, node

SLOW_SECONDS = 1.5

BLUEPRINT = flow(
    "live",
    NodeDefinition("w", "wait"),
    node("b", "slow"),
    node("c", "flaky", config=NodeConfig(max_retries=3)),
    EdgeDefinition("a", "x", condition="result.output.by == 'nobody'"),
    EdgeDefinition("w", "yes", action="approved"),
    EdgeDefinition("w", "no", action="rejected"),
    "a>b a>c a>d b>j c>j d>j x>j j>w",
)
_failed: set[str] = set()


async def _echo(given: NodeContext) -> dict[str, Any]:
    _say(given)
    return {"by": given.params["name"], "input": given.input}


async def _slow(given: NodeContext) -> dict[str, Any]:
    _say(given)
    await asyncio.sleep(SLOW_SECONDS)
    return {"by": given.params["name"], "input": given.input}


async def _flaky(given: NodeContext) -> dict[str, Any]:
    _say(given)
    if "c" not in _failed:
        _failed.add("c")
        raise RuntimeError("the first attempt fails")
    return {"by": given.params["name"], "input": given.input}


def _say(given: NodeContext) -> None:
    print(f"{os.getpid()} node {given.params['name']}", flush=True)


def options(store: ICoordinationStore) -> AdapterOptions:
    """The same for every process; the lease of a node is short, so that a killed worker's is soon over."""
    registry = {"echo": _echo, "slow": _slow, "flaky": _flaky}
    runtime = RuntimeOptions(registry=registry, blueprints={"live": BLUEPRINT}, ttls=CoordinationTtls(nodelock=3))
    return AdapterOptions(runtime, store)
