import pytest
from toy_store import ToyStore


@pytest.fixture
def flowcraft_store_factory():
    return ToyStore
