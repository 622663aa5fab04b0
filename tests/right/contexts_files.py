"""A context in files that processes share: right, and easily broken."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters._json import encode

T = TypeVar("T")

_FOLDER = tempfile.TemporaryDirectory(prefix="flowcraft-tests-")
FOLDER = Path(os.environ.setdefault("FLOWCRAFT_TESTS_FOLDER", _FOLDER.name))
"""Processes that are started later find the same files."""


class FileContext:
    """One JSON document a run, replaced as a whole under a lock of the file system."""

    capabilities: ClassVar[dict[str, Any]] = {"processes": True}

    def __init__(self, run_id: str) -> None:
        name = hashlib.sha256(run_id.encode("utf-8", "surrogatepass")).hexdigest()
        self.path = FOLDER / f"{type(self).__name__}-{name}.json"

    async def get(self, key: str) -> Any:
        return self.read().get(key)

    async def has(self, key: str) -> bool:
        return key in self.read()

    async def to_dict(self) -> dict[str, Any]:
        return self.read()

    async def set(self, key: str, value: Any) -> None:
        await self.patch([SetOp(key, value)])

    async def delete(self, key: str) -> bool:
        def change(state: dict[str, Any]) -> bool:
            existed = key in state
            state.pop(key, None)
            return existed

        return await self.update(change)

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        require_json(operations)
        await self.update(lambda state: apply(state, operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        require_json(operations)

        def change(state: dict[str, Any]) -> bool:
            absent = guard not in state
            if absent:
                apply(state, operations)
            return absent

        return await self.update(change)

    async def update(self, change: Callable[[dict[str, Any]], T]) -> T:
        """Read the state, change it and write it back, alone."""
        async with self.locked():
            state = self.read()
            result = change(state)
            self.write(state)
            return result

    def read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        return state

    def write(self, state: dict[str, Any]) -> None:
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(state))
        written.replace(self.path)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.0005)
            yield
        finally:
            os.close(descriptor)


def require_json(operations: Sequence[PatchOperation]) -> None:
    """Raise for a value that is no JSON, before anything is changed."""
    for operation in operations:
        if isinstance(operation, SetOp):
            encode(operation.value)


def apply(state: dict[str, Any], operations: Sequence[PatchOperation]) -> None:
    """Change the state by the operations, in order."""
    for operation in operations:
        if isinstance(operation, SetOp):
            state[operation.key] = operation.value
        else:
            state.pop(operation.key, None)
