import pytest
from flowcraft_conformance.suites import CoordinationStoreSuite
from toy_store import ToyStore


class TestToyStore(CoordinationStoreSuite):
    @pytest.fixture
    def flowcraft_store_factory(self):
        return ToyStore


@pytest.mark.asyncio
async def test_of_their_own(flowcraft_store):
    assert await flowcraft_store.increment("k", 60) == 1
