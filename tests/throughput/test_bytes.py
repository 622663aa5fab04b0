"""Bytes on the wire, counted by the proxy in front of a real server: they do not depend on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from flowcraft_conformance import redis_service
from flowcraft_conformance.benchmarks.measured import Benchmarks
from flowcraft_conformance.benchmarks.plan import KB
from flowcraft_conformance.benchmarks.states import Case
from flowcraft_conformance.contract.clauses.model import Target
from reference_adapters.redis_bullmq import connect, context
from tests.mutants.redis_contexts import ReadsTheStateBeforeItPatches
from tests.support import opened
from tests.throughput.synthetic import items, plan_of

SIZES = (10 * KB, 100 * KB)


def measured(factory: Any) -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    with opened(Target.CONTEXT, factory) as settings:
        faults = settings.surroundings.known_faults
        before = faults.traffic
        benchmarks = Benchmarks(settings, factory, plan=plan_of(*map(Case, SIZES)))
        benchmarks.outcome(items()[0])
        assert faults.traffic.since(before).bytes > 0
        yield {(one["group"], one["variant"]): one for one in benchmarks.entries() if one["benchmark"] == "patch"}


@pytest.fixture(scope="module")
def redis() -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    yield from measured(context)


def test_a_patch_sends_its_change_and_a_full_write_the_state(redis: dict[tuple[str, str], dict[str, Any]]) -> None:
    small, large = redis["10 KB", "patch"], redis["100 KB", "patch"]
    assert 1_024 < small["bytes_sent"] < 1_300
    assert abs(small["bytes_sent"] - large["bytes_sent"]) < 64
    assert small["bytes_received"] < 64
    full = redis["100 KB", "full-write"]
    assert full["parameters"]["state_bytes"] < full["bytes_sent"] < 1.2 * full["parameters"]["state_bytes"]


def test_a_patch_sends_what_the_bare_client_sends(redis: dict[tuple[str, str], dict[str, Any]]) -> None:
    for size in ("10 KB", "100 KB"):
        patch, bare = redis[size, "patch"], redis[size, "bare"]
        assert bare["status"] == "measured"
        assert abs(patch["bytes_sent"] - bare["bytes_sent"]) < 64


def test_nothing_is_left_on_the_server(redis: dict[tuple[str, str], dict[str, Any]]) -> None:
    async def left() -> list[bytes]:
        async with connect(redis_service().url) as client:
            return [key async for key in client.scan_iter(match="workflow:state:fc-bench-*")]

    assert redis
    assert asyncio.run(left()) == []


def test_a_context_that_reads_the_state_before_it_patches_is_seen_to_receive_it() -> None:
    (found,) = measured(ReadsTheStateBeforeItPatches)
    assert found["100 KB", "patch"]["bytes_received"] > 100_000
    assert found["10 KB", "patch"]["bytes_received"] < 20_000
