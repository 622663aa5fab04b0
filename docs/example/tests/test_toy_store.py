"""The kit's suite on our store, and a test of our own with a fixture of the kit."""

import pytest
from flowcraft_conformance.suites import CoordinationStoreSuite
from toy_store import ToyStore


@pytest.fixture
def flowcraft_store_factory():
    return ToyStore


class TestToyStore(CoordinationStoreSuite):
    pass


@pytest.mark.asyncio
async def test_a_lock_is_free_again_once_it_is_deleted(flowcraft_store):
    assert await flowcraft_store.set_if_not_exist("lock", "me", 60)
    await flowcraft_store.delete("lock")
    assert await flowcraft_store.set_if_not_exist("lock", "you", 60)
