"""What a stand-in server cannot show is inconclusive: neither passed nor held against the target."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

from flowcraft_conformance.contract.clauses import clause as look_up
from flowcraft_conformance.harness import services
from flowcraft_conformance.harness.services.model import ServerSpec
from tests.empty_folder import prepare, run


def _specs() -> list[ServerSpec]:
    modules = [
        importlib.import_module(f"{services.__name__}.{one.name}") for one in pkgutil.iter_modules(services.__path__)
    ]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, ServerSpec)}
    return list(found.values())


def test_every_clause_that_a_server_cannot_show_is_one_of_the_catalogue() -> None:
    named = [
        (clause, reason) for spec in _specs() for known in spec.cannot_show.values() for clause, reason in known.items()
    ]
    assert named
    for clause, reason in named:
        assert look_up(clause).id == clause
        assert reason


def test_on_a_fake_a_clause_it_cannot_show_has_no_verdict_and_others_have(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(pytester, monkeypatch, empty="")
    monkeypatch.setenv("FLOWCRAFT_REDIS_URL", "fake")
    on_fake, beside_it = "reference_adapters.redis_bullmq:store", "reference_adapters.memory:SharedMemoryStore"
    stores = [f"--flowcraft-store={one}" for one in (on_fake, beside_it)]
    shown = run(pytester, *stores, "-k", "SET-05 or INC-01", "--flowcraft-report=r.json")
    assert shown.ret == 0
    shown.stdout.fnmatch_lines(["*COORD-SET-05 inconclusive: fakeredis cannot show it: *(the check itself said *)"])
    reports = [json.loads(path.read_text()) for path in pytester.path.glob("r-*.json")]
    verdicts = {one["target"]["spec"]: {each["id"]: each["verdict"] for each in one["clauses"]} for one in reports}
    assert (verdicts[on_fake]["COORD-SET-05"], verdicts[on_fake]["COORD-INC-01"]) == ("inconclusive", "pass")
    assert verdicts[beside_it]["COORD-SET-05"] == "pass"
