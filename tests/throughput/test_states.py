"""States are as large as they say, and their changes are changes."""

from __future__ import annotations

import json

import pytest

from flowcraft_conformance import SetOp
from flowcraft_conformance.benchmarks.states import CHANGE_BYTES, SHAPES, Case, Shape, build_state


@pytest.mark.parametrize("size", [1_000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_state_has_the_size_that_was_asked_for(size: int, shape: Shape) -> None:
    state = build_state(Case(size, shape=shape))
    assert 0.75 * size < state.size < 1.3 * size
    written = sum(len(json.dumps(one.value, separators=(",", ":"))) for one in state.full[0] if isinstance(one, SetOp))
    assert written == state.size


@pytest.mark.parametrize("changed", [1, 10, 100])
def test_a_change_has_one_size_however_many_keys_it_spreads_over(changed: int) -> None:
    state = build_state(Case(1_000_000, keys=200, changed=changed))
    for operations in state.patches[0]:
        assert len(operations) == changed
        size = sum(len(json.dumps(one.value)) for one in operations if isinstance(one, SetOp))
        assert 0.8 * CHANGE_BYTES < size <= 1.2 * CHANGE_BYTES
    assert state.keys == 200


def test_the_versions_of_a_change_differ_and_clients_have_keys_of_their_own() -> None:
    state = build_state(Case(100_000, clients=3))
    assert len({str(version) for versions in state.patches for version in versions}) == 12
    keys = [{one.key for version in versions for one in version} for versions in state.patches]
    assert not keys[0] & keys[1] & keys[2]
    assert {one.key for one in state.full[0]} >= set().union(*keys)


def test_no_value_is_larger_than_the_declared_limit() -> None:
    state = build_state(Case(1_000_000, keys=10), most_value_bytes=65_536)
    sizes = [len(json.dumps(one.value)) for one in state.full[0] if isinstance(one, SetOp)]
    assert max(sizes) <= 65_536
    assert 0.9e6 < sum(sizes) < 1.1e6


def test_the_same_case_is_the_same_state_everywhere() -> None:
    assert build_state(Case(10_000)) == build_state(Case(10_000))
