"""The readers and simulations behind ``tests.benchmarks.checker``, on a small scale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flowcraft_conformance.checking.coordination_model import CoordinationModel
from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.linearizability import check_linearizable
from flowcraft_conformance.checking.models import KeyValueModel, RegisterCall, ValueCall
from tests.benchmarks.published_histories import read_folder
from tests.benchmarks.simulated_runs import (
    clean_key_value_run,
    faulty_store_run,
    simulate,
    with_a_value_before_its_time,
)

ETCD = """INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - 1\t:ok\t:read\tnil
INFO  jepsen.util - 2\t:fail\t:cas\t[3 4]
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:fail\t:read\t:timed-out
INFO  jepsen.util - 3\t:invoke\t:write\t5
INFO  jepsen.util - 3\t:info\t:write\t:timed-out
INFO  jepsen.util - 4\t:invoke\t:cas\t[5 6]
INFO  jepsen.util - 5\t:invoke\t:read\tnil
"""
KV = """{:process 0, :type :invoke, :f :put, :key "a", :value "x"}
{:process 1, :type :invoke, :f :get, :key "b", :value nil}
{:process 0, :type :ok, :f :put, :key "a", :value "x"}
{:process 1, :type :ok, :f :get, :key "b", :value ""}
{:process 0, :type :invoke, :f :append, :key "a", :value "y"}
{:process 0, :type :ok, :f :append, :key "a", :value "y"}
{:process 1, :type :invoke, :f :get, :key "a", :value nil}
{:process 1, :type :ok, :f :get, :key "a", :value "x"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("etcd/one.log", ETCD), ("kv/one.txt", KV)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    verdicts = {"etcd/one.log": True, "kv/one.txt": False}
    (tmp_path / "verdicts.json").write_text(json.dumps(verdicts), encoding="utf-8")
    return tmp_path


def test_published_histories_are_read_as_they_happened(folder: Path) -> None:
    etcd, kv = read_folder(folder)
    assert etcd.operations == [
        Operation(0, RegisterCall("write", 3), 0, 3),
        Operation(1, RegisterCall("read"), 1, 4, None),
        Operation(2, RegisterCall("cas", 4, expected=3), 2, 5, False),
        Operation(3, RegisterCall("write", 5), 8, None),
        Operation(4, RegisterCall("cas", 6, expected=5), 10, None),
    ]
    assert kv.operations[2:] == [
        Operation(0, ValueCall("append", "a", "y"), 4, 5),
        Operation(1, ValueCall("get", "a"), 6, 7, "x"),
    ]
    for history, want in ((etcd, "ok"), (kv, "violation")):
        assert history.linearizable is (want == "ok")
        assert check_linearizable(history.operations, history.model, partition=history.partition).verdict == want


def test_a_line_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "kv/one.txt").write_text("{:process}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"kv/one\.txt, line 1"):
        list(read_folder(folder))


def test_a_clean_run_is_explained() -> None:
    operations = simulate(replace(clean_key_value_run(), calls=1000), seed=3)
    assert all(operation.end is not None for operation in operations)
    assert check_linearizable(operations, KeyValueModel(), partition=lambda one: one.input.key).verdict == "ok"


@pytest.mark.parametrize("seed", range(3))
def test_a_faulty_run_is_explained_and_one_wrong_answer_is_not(seed: int) -> None:
    operations = simulate(replace(faulty_store_run(20), calls=3000), seed=seed)
    assert sum(operation.end is None for operation in operations) > 20
    model = CoordinationModel(0.01, 0.01)
    assert check_linearizable(operations, model, partition=lambda one: one.input.key).verdict == "ok"
    wrong = with_a_value_before_its_time(operations, after=0.5)
    assert check_linearizable(wrong, model, partition=lambda one: one.input.key).verdict == "violation"
