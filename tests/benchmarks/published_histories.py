"""Readers of published histories with known verdicts, in a folder of one's own.

The folder holds ``verdicts.json`` (file -> is it linearizable), ``etcd/*.log`` (one cas register a file, as Jepsen logs
it) and ``kv/*.txt`` (get, put and append on independent keys), as in github.com/anishathalye/porcupine. The number of a
line is its time: the files have no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.checking.history import Operation
from flowcraft_conformance.checking.models import (
    CasRegisterModel,
    KeyValueModel,
    Model,
    Present,
    RegisterCall,
    ValueCall,
)

_ETCD_LINE = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.*)")
_KV_LINE = re.compile(r'\{:process (\d+), :type :(\w+), :f :(\w+), :key "(.*)", :value (?:nil|"(.*)")\}')
_NAMES = {"get": "get", "put": "set", "append": "append"}


@dataclass(frozen=True)
class PublishedHistory:
    """One file: its operations, how to judge them, and whether they are linearizable."""

    name: str
    operations: list[Operation]
    model: Model[Any]
    partition: Callable[[Operation], Hashable] | None
    linearizable: bool


def read_folder(folder: Path) -> Iterator[PublishedHistory]:
    """All histories of a folder that ``verdicts.json`` names.

    Raises:
        ValueError: a line cannot be read, or a file is of no known kind.
    """
    verdicts: dict[str, bool] = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    for name, linearizable in verdicts.items():
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        if name.startswith("etcd/"):
            yield PublishedHistory(name, _etcd(name, lines), CasRegisterModel(), None, linearizable)
        elif name.startswith("kv/"):
            yield PublishedHistory(name, _kv(name, lines), KeyValueModel(Present("")), _key, linearizable)
        else:
            raise ValueError(f"{name}: neither under etcd/ nor under kv/")


def _key(operation: Operation) -> str:
    return str(operation.input.key)


def _etcd(name: str, lines: list[str]) -> list[Operation]:
    running: dict[int, tuple[RegisterCall, int]] = {}
    operations = []
    for number, line in enumerate(lines):
        found = _ETCD_LINE.fullmatch(line.rstrip())
        if found is None:
            if "jepsen.util" in line:
                raise ValueError(f"{name}, line {number + 1}: {line}")
            continue
        client, kind, value = int(found[1]), found[2], found[4]
        if kind == "invoke":
            running[client] = (_register_call(found[3], value), number)
            continue
        call, start = running.pop(client)
        if call.name == "read" and kind != "ok":
            continue  # it returned nothing and did nothing
        if kind == "info":
            operations.append(Operation(client, call, start, None))
        elif call.name == "read":
            operations.append(Operation(client, call, start, number, _number(value)))
        else:
            output = kind == "ok" if call.name == "cas" else None
            operations.append(Operation(client, call, start, number, output))
    operations += [
        Operation(client, call, start, None) for client, (call, start) in running.items() if call.name != "read"
    ]
    return operations


def _register_call(name: str, value: str) -> RegisterCall:
    if name == "read":
        return RegisterCall("read")
    if name == "write":
        return RegisterCall("write", int(value))
    expected, new = value.strip("[]").split()
    return RegisterCall("cas", int(new), expected=int(expected))


def _number(value: str) -> int | None:
    return None if value == "nil" else int(value)


def _kv(name: str, lines: list[str]) -> list[Operation]:
    running: dict[int, tuple[ValueCall, int]] = {}
    operations = []
    for number, line in enumerate(lines):
        found = _KV_LINE.fullmatch(line.strip())
        if found is None:
            raise ValueError(f"{name}, line {number + 1}: {line}")
        client, call = int(found[1]), _NAMES[found[3]]
        if found[2] == "invoke":
            running[client] = (ValueCall(call, found[4], None if call == "get" else found[5]), number)
        else:
            started, start = running.pop(client)
            operations.append(Operation(client, started, start, number, found[5] if call == "get" else None))
    operations += [Operation(client, call, start, None) for client, (call, start) in running.items()]
    return operations
