"""The harnesses on Firestore and Pub/Sub leave nothing of a scope behind, whatever was done in it."""

from __future__ import annotations

import uuid

import pytest
from google.cloud.firestore_v1 import AsyncClient

from flowcraft_conformance import AdapterOptions, FinalResult, JobPayload, RuntimeOptions, SetOp
from reference_adapters.firestore_pubsub import (
    FirestoreClient,
    FirestorePubSubDocumentPerKeyHarness,
    FirestorePubSubHarness,
    GoogleSettings,
    PubSubClient,
)
from reference_adapters.redis_bullmq import connect

pytestmark = pytest.mark.asyncio


async def _left(scope: str, firestore_url: str, pubsub_url: str, redis_url: str) -> dict[str, list[str]]:
    """What carries the scope, on each server."""

    async def collections(client: AsyncClient) -> list[str]:
        return [collection.id async for collection in client.collections()]

    async with FirestoreClient(GoogleSettings.at(firestore_url)) as firestore:
        found = {"firestore": await firestore(collections)}
    async with PubSubClient(GoogleSettings.at(pubsub_url)) as pubsub:
        publisher, subscriber = await pubsub.publisher(), await pubsub.subscriber()
        project = (await pubsub.topic("")).partition("/topics/")[0]
        found["topics"] = [topic.name async for topic in await publisher.list_topics(project=project)]
        listed = await subscriber.list_subscriptions(project=project)
        found["subscriptions"] = [subscription.name async for subscription in listed]
    async with connect(redis_url) as redis:
        found["redis"] = [key.decode() async for key in redis.scan_iter(match=f"{scope}:*")]
    return {server: [name for name in names if scope in name] for server, names in found.items()}


@pytest.mark.parametrize("kind", [FirestorePubSubHarness, FirestorePubSubDocumentPerKeyHarness])
async def test_a_teardown_removes_all_that_carries_the_scope(
    kind: type[FirestorePubSubHarness], flowcraft_firestore: str, flowcraft_pubsub: str, flowcraft_redis: str
) -> None:
    scope = f"t{uuid.uuid4().hex[:10]}"
    servers = (flowcraft_firestore, flowcraft_pubsub, flowcraft_redis)
    harness = kind(scope)
    await harness.setup()
    try:
        store = await harness.create_store()
        await store.set_if_not_exist("lock", "me", 60)
        adapter = await harness.create_adapter(AdapterOptions(RuntimeOptions(), store))
        await adapter.create_context("run/1").patch([SetOp("a", 1), SetOp("b", 2)])
        await adapter.publish_final_result("run/1", FinalResult("completed", {"a": 1}))
        await adapter.enqueue_job(JobPayload("run/1", "blueprint", "node"))
        assert await harness.read_results("run/1") == [FinalResult("completed", {"a": 1})]
        assert all((await _left(scope, *servers)).values()), (
            "a part of the scope was not seen: the test sees too little"
        )
        await adapter.close()
    finally:
        await harness.teardown()
    assert await _left(scope, *servers) == {"firestore": [], "topics": [], "subscriptions": [], "redis": []}
